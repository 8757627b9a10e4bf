"""The denoising loop that our image pipelines share: any diffusers scheduler, guidance in a part of the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image

from synthgen.models.finite import finite

Evaluate = Callable[[torch.Tensor, torch.Tensor, bool], torch.Tensor]


def denoise(
    scheduler: Any,
    noise: torch.Tensor,
    evaluate: Evaluate,
    n_steps: int,
    guidance: torch.Tensor,
    interval: tuple[float, float],
    generator: torch.Generator | list[torch.Generator] | None = None,
    progress: Callable[[Any], Iterable[Any]] = iter,
    start: tuple[torch.Tensor, float] | None = None,
) -> torch.Tensor:
    """Turns standard normal noise (N, ...) float32 into samples of the same shape.

    Every scheduler's denoised image is affine in the output at a given x and t, with the same
    offset for the conditional and the unconditional one, so that guiding the output is guiding
    the denoised image.

    Args:
        evaluate: the network's float32 output for (scaled x, times (N,), with the condition or without it).
        guidance: scale of each sample (N,); 1 is none and spares the second evaluation.
        interval: the part of the steps that is guided, as shares from 0 (noise) to 1 (image). The first
            steps decide little but diversity and the last ones little but sharpness.
        start: clean samples of the shape of `noise`, and which share of the steps, the last ones, they go through;
            by default all samples come from noise alone.

    Raises:
        NonFiniteError: the network gave something else than numbers.

    Source: Ho & Salimans 2022, eq. 6, with w + 1 written as the scale; Kynkaanniemi et al. 2024 (interval); Meng et al.
    2022 (SDEdit: start).
    """
    scheduler.set_timesteps(n_steps, device=noise.device)
    x, begin = noise * scheduler.init_noise_sigma, 0
    if start is not None:
        clean, strength = start
        begin = n_steps - max(1, round(strength * n_steps))
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(begin)
        x = scheduler.add_noise(clean, noise, scheduler.timesteps[begin : begin + 1])
    steps = {"generator": generator} if generator is not None else {}
    first, last = (share * n_steps for share in interval)
    scale = guidance.view(-1, *[1] * (x.ndim - 1))
    for i, t in enumerate(progress(scheduler.timesteps[begin:]), begin):
        scaled, times = scheduler.scale_model_input(x, t), t.expand(len(x))
        output = evaluate(scaled, times, True)
        if first <= i + 0.5 < last and not bool((guidance == 1).all()):
            plain = evaluate(scaled, times, False)
            guided = plain + scale * (output - plain)
            output = torch.where(scale == 1, output, guided)  # as if nothing in the batch were guided
        x = scheduler.step(output, t, x, **steps).prev_sample
    return finite(x, "denoised numbers")


def noisy_input(
    scheduler: Any, x: torch.Tensor, noise: torch.Tensor, sigma: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Clean samples at a noise level as the network sees them, of the shape of `x`, and the time of that level, ().

    Args:
        scheduler: of EDM's kind, or with `alphas_cumprod`, whose step nearest to the level is taken.
        x: clean samples (B, ...); noise: standard normal, of a shape that fits.
        sigma: ratio of noise to signal.
    """
    if "sigma_data" in scheduler.config:
        level = torch.tensor(sigma)
        return scheduler.precondition_inputs(x + sigma * noise, level), scheduler.precondition_noise(level)
    alphas = scheduler.alphas_cumprod.double()
    step = ((1 - alphas) / alphas.clamp_min(1e-12)).sqrt().sub(sigma).abs().argmin()
    signal = float(alphas[step])
    return signal**0.5 * x + (1 - signal) ** 0.5 * noise, step


def as_output(images: torch.Tensor, output_type: str) -> Any:
    """Images NCHW in [0, 1] in the form that was asked for: "pil", "np" (float32 NHWC), "uint8" (NHWC) or "pt"."""
    if output_type == "pt":
        return images
    array = images.permute(0, 2, 3, 1).cpu().numpy()
    if output_type == "np":
        return array
    pixels = as_pixels(array)
    if output_type == "uint8":
        return pixels
    if output_type == "pil":
        return [Image.fromarray(p[:, :, 0] if p.shape[2] == 1 else p) for p in pixels]
    raise ValueError(f"output_type must be pil, np, uint8 or pt (got {output_type!r})")


def as_pixels(images: Any) -> np.ndarray:
    """uint8 of an array (or a list of arrays) in [0, 1]: the one place where floats become pixels.

    Raises:
        NonFiniteError: some are no numbers; they would be black.
    """
    values = finite(np.asarray(images), "pixel values")
    pixels: np.ndarray = (values * 255).round().clip(0, 255).astype(np.uint8)
    return pixels


def torch_generator(seed: int) -> torch.Generator:
    """A random stream on the CPU that uses all bits of `seed` (torch's own seeding keeps only the low 32).

    The state of torch's Mersenne twister is an 8-byte seed, three counters of 4, 4 and 8 bytes,
    624 words of 8 bytes and what is left of normal numbers; numpy fills the words.
    """
    words = np.random.MT19937(np.random.SeedSequence(seed)).state["state"]["key"]
    made = torch.Generator()
    state = made.get_state().numpy()
    state[24 : 24 + 8 * len(words)] = words.astype(np.uint64).view(np.uint8)
    made.set_state(torch.from_numpy(state))
    return made
