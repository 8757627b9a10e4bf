"""Shows an image to a Stable Diffusion pipeline under noise, and says where its UNet looks for each word."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from synthgen.errors import DataError, ModelError
from synthgen.models.text_to_image.attention_maps import Layer, Maps, Recorder, layers

CROSS_SCALE, SELF_SCALE = 4, 2
"""Latent cells a side to one cell of a map: 16 and 32 cells for latents of 64, as in Dataset Diffusion."""
MAX_PROMPTS = 512


class AttentionReader:
    """Shows images to a Stable Diffusion or Stable Diffusion XL pipeline, and reads where its UNet looks.

    One image and one noise level at a time, so that nothing depends on what else is read. Needs, besides networks,
    N^2 float32 for the sum of self attention, N cells, and two or three times as much for one head: about 16 MB for
    512-pixel images and Stable Diffusion 1.5 (N = 1024), 260 MB for 1024-pixel images and SDXL (N = 4096).

    Args:
        pipeline: with its networks on one device.
        cross_scales, self_scale: which layers are read, see `Layer.scale`; None for those nearest to 4 and to 2.

    Raises:
        ModelError: the pipeline has no UNet with cross-attention, another noise schedule, or no layers of such scales.
    """

    def __init__(self, pipeline: Any, cross_scales: Sequence[int] | None, self_scale: int | None) -> None:
        self._pipeline = pipeline
        found = _checked(pipeline)
        cross = sorted({layer.scale for layer in found if layer.is_cross})
        own = sorted({layer.scale for layer in found if not layer.is_cross})
        self.cross_scales = tuple(cross_scales or (_nearest(CROSS_SCALE, cross),))
        self.self_scale = self_scale or _nearest(SELF_SCALE, own)
        if self.self_scale not in own or set(self.cross_scales) - set(cross):
            raise ModelError(
                f"the UNet has layers of the scales {cross} for words and {own} for pixels "
                f"(got {list(self.cross_scales)} and {self.self_scale})"
            )
        self._chosen = [
            layer for layer in found if layer.scale in (self.cross_scales if layer.is_cross else (self.self_scale,))
        ]
        self._prompts: OrderedDict[str, tuple[torch.Tensor, dict[str, torch.Tensor]]] = OrderedDict()

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(C, height, width) of the latents of an image. Raises ModelError for sides that the VAE cannot halve."""
        cell = self._pipeline.vae_scale_factor
        if height % cell or width % cell:
            raise ModelError(f"this model sees images whose sides are multiples of {cell} (got {height} x {width})")
        return int(self._pipeline.unet.config.in_channels), height // cell, width // cell

    @torch.inference_mode()
    def read(self, image: np.ndarray, prompt: str, levels: Sequence[float], noise: np.ndarray) -> Maps:
        """The maps of one image, uint8 (H, W, 1 or 3), as the UNet denoises it with `prompt`.

        Args:
            levels: shares of the schedule's times, from 0 (the image) to 1 (noise).
            noise: standard normal numbers, float32, one (C, H / cell, W / cell) a level.

        Raises:
            DataError: the prompt has more tokens than the model reads.
        """
        unet, latents = self._pipeline.unet, self._latents(image)
        words, more = self._encoded(prompt, image.shape[:2])
        alphas = self._pipeline.scheduler.alphas_cumprod
        with Recorder(unet, self._chosen) as recorder:
            for level, one in zip(levels, noise, strict=True):
                time = round(level * (len(alphas) - 1))
                share = alphas[time].to(latents)
                # Source: Ho et al. 2020, eq. 4; schedulers of other conventions scale their inputs to the same.
                noisy = share.sqrt() * latents + (1 - share).sqrt() * torch.from_numpy(one)[None].to(latents)
                unet(
                    noisy.to(unet.dtype),
                    torch.tensor([time], device=unet.device),
                    encoder_hidden_states=words,
                    added_cond_kwargs=more,
                )
        return self._maps(recorder, latents.shape[2:])

    def _maps(self, recorder: Recorder, latent: Sequence[int]) -> Maps:
        own = recorder.mean(False, self.self_scale)
        shape = _cells(latent, self.self_scale)
        crosses = []
        for scale in self.cross_scales:
            cross = recorder.mean(True, scale).T.reshape(1, -1, *_cells(latent, scale))
            crosses.append(F.interpolate(cross, shape, mode="bilinear", align_corners=False)[0])
        return Maps(torch.stack(crosses).mean(0), own)

    def _latents(self, image: np.ndarray) -> torch.Tensor:
        """The mode of the VAE's posterior, (1, C, ...), in the units of the UNet, float32."""
        vae = self._pipeline.vae
        colour = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
        pixels = torch.from_numpy(colour).permute(2, 0, 1)[None].to(vae.device, vae.dtype) / 127.5 - 1
        latents = vae.encode(pixels).latent_dist.mode().float()
        return (latents - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor

    def _encoded(self, prompt: str, size: tuple[int, int]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The words of a prompt (1, T, channels), and the UNet's other inputs; the last prompts are kept."""
        if prompt not in self._prompts:
            self.check_length(prompt)
            found = self._pipeline.encode_prompt(
                prompt, device=self._pipeline.unet.device, num_images_per_prompt=1, do_classifier_free_guidance=False
            )
            is_xl = self._pipeline.unet.config.addition_embed_type == "text_time"
            self._prompts[prompt] = found[0], {"text_embeds": found[2]} if is_xl else {}
            if len(self._prompts) > MAX_PROMPTS:
                self._prompts.popitem(last=False)
        self._prompts.move_to_end(prompt)
        words, more = self._prompts[prompt]
        if more:  # size, corner of the cut, and size again. Source: Podell et al. 2023, section 2.2
            times = torch.tensor([[*size, 0, 0, *size]], device=words.device, dtype=words.dtype)
            more = {**more, "time_ids": times}
        return words, more

    def check_length(self, prompt: str) -> None:
        """Raises DataError if the model does not read the whole prompt: words behind the end have no maps."""
        for tokenizer in self._tokenizers():
            n = len(tokenizer(prompt)["input_ids"])
            if n > tokenizer.model_max_length:
                limit = tokenizer.model_max_length
                raise DataError(f"the model reads {limit} tokens and this prompt has {n}: {prompt}; shorten it")

    def positions(self, prompt: str, phrase: str) -> list[int]:
        """Where the tokens of `phrase` stand in the encoded prompt, as `positions`. Raises DataError as `read`."""
        self.check_length(prompt)
        found = [positions(tokenizer, prompt, phrase) for tokenizer in self._tokenizers()]
        if any(other != found[0] for other in found):
            raise ModelError(
                f"the model's tokenizers cut the prompt {prompt!r} differently; its words have no one place"
            )
        return found[0]

    def _tokenizers(self) -> list[Any]:
        parts: Mapping[str, Any] = self._pipeline.components
        return [part for name, part in parts.items() if name.startswith("tokenizer") and part is not None]


def positions(tokenizer: Any, prompt: str, phrase: str) -> list[int]:
    """Where all tokens of all places of `phrase` stand in the tokens of `prompt`, special tokens counted; may be empty.

    Letters' case and the width of spaces do not matter. `phrase` is found as whole words: `cat` is not in `concatenate`
    nor in `cats`. How the tokenizer cuts words does not matter either, because the letters that each token stands for
    are asked of it.
    """
    words = phrase.split()
    if not words:
        return []
    pattern = re.compile(r"(?<!\w)" + r"\s+".join(map(re.escape, words)) + r"(?!\w)", re.IGNORECASE)
    spans = [match.span() for match in pattern.finditer(prompt)]
    letters = tokenizer(prompt, return_offsets_mapping=True)["offset_mapping"]
    return [i for i, (a, b) in enumerate(letters) if any(a < end and start < b for start, end in spans)]


def _checked(pipeline: Any) -> list[Layer]:
    """The UNet's attention layers. Raises ModelError unless the pipeline is one that `AttentionReader` understands."""
    name, parts = type(pipeline).__name__, pipeline.components
    unet, vae = parts.get("unet"), parts.get("vae")
    found = layers(unet) if type(unet).__name__ == "UNet2DConditionModel" and vae is not None else []
    if len({layer.is_cross for layer in found}) < 2:
        raise ModelError(
            f"a {name} has no UNet that attends to words and to pixels; a Stable Diffusion or Stable Diffusion XL "
            "pipeline is needed here"
        )
    if unet.config.in_channels != vae.config.latent_channels:
        raise ModelError(f"the UNet of this {name} wants more than latents and words, as those for inpainting do")
    scheduler = type(pipeline.scheduler).__name__
    if "EDM" in scheduler or not hasattr(pipeline.scheduler, "alphas_cumprod"):
        raise ModelError(
            f"a {scheduler} adds noise in another way than Stable Diffusion; nothing is known of its levels"
        )
    return found


def _nearest(wanted: int, scales: Sequence[int]) -> int:
    """The scale with the least ratio to the wanted one; the finer of two."""
    return min(scales, key=lambda scale: (max(scale / wanted, wanted / scale), scale))


def _cells(latent: Sequence[int], scale: int) -> tuple[int, int]:
    """Height and width of a map: a UNet halves odd sides upwards."""
    return -(-latent[0] // scale), -(-latent[1] // scale)
