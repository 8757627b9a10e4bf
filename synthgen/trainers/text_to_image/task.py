"""Tuning a text-to-image pipeline, as the loop wants it: batches of latents, losses, images, the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from synthgen import seeds
from synthgen.models.sampling import as_pixels, torch_generator
from synthgen.models.text_to_image import adapters
from synthgen.parts.protocols import Source
from synthgen.readers.images.captioned import CaptionedImages
from synthgen.trainers.text_to_image import latent
from synthgen.trainers.text_to_image.latent import Latents, Noise, Words
from synthgen.trainers.text_to_image.methods import made
from synthgen.trainers.text_to_image.settings import TuningConfig
from synthgen.training import batches, output
from synthgen.training.batches import step_generator
from synthgen.training.ema import Ema
from synthgen.training.monitor import Monitor
from synthgen.training.settings import table
from synthgen.training.task import Made, Start, Task

N_PROMPTS = 4
N_PICTURES = 8
N_FIXED = (8, 32)
"""At least and at most so many images whose loss at fixed noise is measured before and after training."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Images with their captions, and what their losses count: 1 for the user's own."""

    latents: Latents
    captions: Sequence[str]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Batch(batches.Batch):
    """Latents x (B, C, h, w), their noise, times (B,) and captions, SDXL's sizes (B, 6), what each loss counts (B,)."""

    x: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    captions: tuple[str, ...]
    sizes: torch.Tensor
    weights: torch.Tensor


class LatentTask(Task):
    """What `config.method` trains of a pipeline, on the user's images and as many of the prior a step.

    The two are never computed together, so that a batch of both needs no more memory than one of them.

    Args:
        pipeline: frozen, on its device.
    """

    summed: ClassVar[bool] = True
    metric = ("loss at fixed noise", "minimize")

    def __init__(
        self,
        config: TuningConfig,
        pipeline: Any,
        images: CaptionedImages,
        sets: Sequence[Shown],
        noise: Noise,
        base: Source,
        start: Start,
        precision: str,
    ) -> None:
        self.pipeline, self.data, self.sets, self.noise, self.base = pipeline, images, sets, noise, base
        self.notes, self.config, self.sample_every = images.notes, config, config.sample_every
        self.prompts = config.sample_prompts or list(dict.fromkeys(images.captions))[:N_PROMPTS]
        self.described = adapters.describe(pipeline, base)
        self._kept: dict[str, Words] = {}
        super().__init__(config, len(images), start.seed, start.device, precision)

    def network(self) -> nn.Module:
        """All of the pipeline that is trained, which stays a part of it."""
        self.method = made(self.config, self.pipeline)
        if self.config.gradient_checkpointing:
            self.pipeline.unet.enable_gradient_checkpointing()
        return self.method.model

    def parts(self, batch: Batch) -> Sequence[Batch]:
        return [part for of_set in batch.parts(len(self.sets)) for part in super(LatentTask, self).parts(of_set)]

    def batch(self, step: int, random: torch.Generator) -> Batch:
        found = [self._of_set(shown, number, step, random) for number, shown in enumerate(self.sets)]
        if len(found) == 1:
            return found[0]
        tensors = (
            torch.cat([getattr(one, name) for one in found]) for name in ("x", "noise", "times", "sizes", "weights")
        )
        x, noise, times, sizes, weights = tensors
        return Batch(x, noise, times, sum((one.captions for one in found), ()), sizes, weights)

    def _of_set(self, shown: Shown, number: int, step: int, random: torch.Generator) -> Batch:
        rows = replace(self.batches, n=len(shown.captions), seed=self.seed + number).rows(step)
        views = torch.randint(len(shown.latents.mean), (len(rows),), generator=random)
        hidden = torch.rand(len(rows), generator=random) < self.config.caption_dropout
        captions = [
            "" if hide else shown.captions[row] for row, hide in zip(rows.tolist(), hidden.tolist(), strict=True)
        ]
        return self._noised(shown, rows, views, captions, random, shown.weight / len(rows))

    def _noised(
        self,
        shown: Shown,
        rows: torch.Tensor,
        views: torch.Tensor,
        captions: Sequence[str],
        random: torch.Generator,
        weight: float,
    ) -> Batch:
        x = shown.latents.draw(views, rows, random)
        times = torch.randint(len(self.noise.signal), (len(x),), generator=random)
        noise = torch.randn(x.shape, generator=random)
        sizes = shown.latents.sizes[views, rows]
        return Batch(x, noise, times, tuple(captions), sizes, torch.full((len(x),), weight))

    def losses(self, batch: Batch) -> torch.Tensor:
        """Weighted squared errors (B,)."""
        batch = batch.to(self.device)
        noisy, wanted = self.noise.noisy(batch.x, batch.times, batch.noise)
        with self.autocast():
            output = latent.predict(self.pipeline, noisy, batch.times, self._words(batch.captions), batch.sizes)
        error = (output - wanted).square().flatten(1).mean(1)
        return error * self.noise.weights(batch.times, self.config.min_snr).to(self.device) * batch.weights

    def _words(self, captions: Sequence[str]) -> Words:
        if self.method.changes_words:
            return latent.encode(self.pipeline, captions)
        with torch.no_grad():
            for caption in dict.fromkeys(captions):
                if caption not in self._kept:
                    self._kept[caption] = latent.encode(self.pipeline, [caption]).to("cpu")
        found = [self._kept[caption] for caption in captions]
        pooled = [words.pooled for words in found if words.pooled is not None]
        words = Words(torch.cat([words.states for words in found]), torch.cat(pooled) if pooled else None)
        return words.to(self.device)

    @torch.no_grad()
    def fixed_loss(self) -> float:
        """Mean loss on the user's images at noise that is the same every time."""
        shown, size = self.sets[0], self.config.batch_size
        random = step_generator(self.seed, "validation", 0)
        losses = []
        n = min(max(len(shown.captions), N_FIXED[0]), N_FIXED[1])
        for some in torch.split(torch.arange(n), size):
            rows = some % len(shown.captions)
            captions = [shown.captions[row] for row in rows.tolist()]
            batch = self._noised(shown, rows, torch.zeros_like(rows), captions, random, 1.0)
            losses.append(self.losses(batch).cpu())
        return float(torch.cat(losses).mean())

    def sample(self) -> tuple[np.ndarray, int]:
        """Images for the sample prompts, uint8 (N, S, S, 3), and how many stand in a row; always with equal noise."""
        n_each = max(1, N_PICTURES // len(self.prompts))
        drawn = [self._drawn(prompt, i * n_each, n_each) for i, prompt in enumerate(self.prompts)]
        return np.concatenate(drawn), n_each if n_each > 1 else min(N_PICTURES, len(self.prompts))

    def _drawn(self, prompt: str, first: int, n: int) -> np.ndarray:
        config = self.config
        numbers = [seeds.seed_of(self.seed, "pictures", i) for i in range(first, first + n)]
        with self.autocast():
            return draw(
                self.pipeline, [prompt] * n, numbers, config.resolution, config.sample_steps, config.sample_guidance
            )

    def begin(self, monitor: Monitor) -> None:
        self.model.eval()
        self.loss_before = self.fixed_loss()
        if not monitor.picture_file(0).exists():
            monitor.pictures(0, *self.sample())

    def validation(self, ema: Ema) -> dict[str, float]:
        with ema.inside(self.model):
            self.model.eval()
            return {"loss at fixed noise": self.fixed_loss()}

    def pictures(self, step: int, ema: Ema, monitor: Monitor) -> None:
        with ema.inside(self.model):
            self.model.eval()
            monitor.pictures(step, *self.sample())

    def finish(self, ema: Ema, title: str) -> Made:
        config: TuningConfig = self.config
        ema.copy_to(self.model)
        self.model.eval()
        scores = {"loss at fixed noise, of the base": self.loss_before, "the same after training": self.fixed_loss()}
        settings = {
            **table(config, "method", "steps", "batch_size", "learning_rate", "ema_decay", "resolution", "min_snr"),
            **table(config, "caption_dropout", "flip"),
            **rows(config),
            "trained weights": sum(p.numel() for p in ema.values.values()),
            "precision": self.precision,
            "seed": self.seed,
        }
        result = output.Result(title, settings, scores, USE[config.method], self.base)
        card = output.tuned_card(result, config.data, self.data)
        return Made(lambda folder: self.method.save(folder, self.described), card)


USE: Mapping[str, str] = {
    "lora": "A LoRA for the base named below: `pipeline.load_lora_weights(<this folder>)` in diffusers. In a recipe: "
    "`sampler: {use: text-to-image, model: <the base>, lora: [{path: <this folder>, weight: 1.0}]}`.",
    "textual-inversion": "A new word for the base named below: `pipeline.load_textual_inversion(<this folder>)` in "
    "diffusers. In a recipe: `sampler: {use: text-to-image, model: <the base>, embeddings: [<this folder>]}`.",
    "full": "A pipeline of diffusers, tuned from the base named below. In a recipe: "
    "`sampler: {use: text-to-image, model: <this folder>}`.",
}


def rows(config: TuningConfig) -> dict[str, Any]:
    """The rows of the card's table that the method and the prior add."""
    found: dict[str, Any] = {}
    if config.method == "lora":
        found = {"rank": config.lora.rank, "alpha": config.lora.alpha or config.lora.rank}
        found |= table(config, ("layers", "lora.target_modules"))
    if config.word:
        found["word"] = f"{config.word.placeholder}, from {config.word.initialize_from}"
        found["vectors"] = config.word.vectors
    if config.prior:
        prompts = ", ".join(config.prior.prompts)
        found["prior"] = f"{config.prior.samples} images by the base, weight {config.prior.weight}: {prompts}"
    return found


def draw(
    pipeline: Any, prompts: Sequence[str], numbers: Sequence[int], side: int, n_steps: int, guidance: float
) -> np.ndarray:
    """Images uint8 (N, side, side, 3) of prompts, each from the seed of its number, unseen by the safety checker."""
    with _unchecked(pipeline):
        drawn = pipeline(
            list(prompts),
            height=side,
            width=side,
            num_inference_steps=n_steps,
            guidance_scale=guidance,
            generator=[torch_generator(number) for number in numbers],
            output_type="np",
        ).images
    return as_pixels(drawn)


@contextmanager
def _unchecked(pipeline: Any) -> Iterator[None]:
    """Without the safety checker, which paints images black: training on black images would teach black."""
    checker = getattr(pipeline, "safety_checker", None)
    if checker is not None:
        pipeline.safety_checker = None
    try:
        yield
    finally:
        if checker is not None:
            pipeline.safety_checker = checker
