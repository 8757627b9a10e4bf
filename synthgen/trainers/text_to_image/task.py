"""One step of tuning a text-to-image pipeline, as the loop wants it, and what it shows of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from synthgen import seeds
from synthgen.models.sampling import as_pixels, torch_generator
from synthgen.trainers.text_to_image import latent
from synthgen.trainers.text_to_image.latent import Latents, Noise, Words
from synthgen.trainers.text_to_image.methods import Method
from synthgen.training import loop
from synthgen.training.ema import Ema
from synthgen.training.monitor import Monitor
from synthgen.training.precision import autocast

N_PICTURES = 8
N_FIXED = (8, 32)
"""At least and at most so many pictures whose loss at fixed noise is told before and after training."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Pictures with their captions, and what their losses count: 1 for the user's own."""

    latents: Latents
    captions: Sequence[str]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a step besides the pictures: see the trainer's settings of these names."""

    batch_size: int
    accumulate: int
    min_snr: float
    caption_dropout: float
    steps: int
    picture_every: int
    sample_prompts: Sequence[str]
    sample_steps: int
    sample_guidance: float
    side: int


class LatentTask:
    """The loss of `method` on `sets` of pictures, a batch of each a step.

    Everything random of step k is drawn on the CPU from (seed, k) alone.
    """

    def __init__(
        self,
        pipeline: Any,
        method: Method,
        sets: Sequence[Shown],
        noise: Noise,
        settings: Settings,
        seed: int,
        precision: str,
        monitor: Monitor,
    ) -> None:
        self.pipeline, self.method, self.sets, self.noise = pipeline, method, sets, noise
        self.settings, self.seed, self.precision, self.monitor = settings, seed, precision, monitor
        self.model: nn.Module = method.model
        self.device = str(pipeline.unet.device)
        self._kept: dict[str, Words] = {}

    def loss(self, step: int) -> torch.Tensor:
        """Of several parts of a batch, all but the last are backpropagated here, so that only one is in memory."""
        random = loop.step_generator(self.seed, "noise", step)
        batches = [self._batch(shown, step, number, random) for number, shown in enumerate(self.sets)]
        parts = [part for batch in batches for part in batch.parts(self.settings.accumulate)]
        total = torch.zeros((), device=self.device)
        for part in parts[:-1]:
            loss = self._loss(part)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return self._loss(parts[-1]) + total

    def _batch(self, shown: Shown, step: int, number: int, random: torch.Generator) -> Batch:
        size, n = self.settings.batch_size, len(shown.captions)
        rows = loop.batch_rows(n, size, step, self.seed + number)
        views = torch.randint(len(shown.latents.mean), (size,), generator=random)
        hidden = torch.rand(size, generator=random) < self.settings.caption_dropout
        captions = [
            "" if hide else shown.captions[row] for row, hide in zip(rows.tolist(), hidden.tolist(), strict=True)
        ]
        return self._noised(shown, rows, views, captions, random, shown.weight / size)

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
        return Batch(x, noise, times, tuple(captions), shown.latents.sizes[views, rows], weight)

    def _loss(self, batch: Batch) -> torch.Tensor:
        return batch.weight * self._losses(batch).sum()

    def _losses(self, batch: Batch) -> torch.Tensor:
        """Weighted squared errors (B,)."""
        x, noise, times, sizes = (t.to(self.device) for t in (batch.x, batch.noise, batch.times, batch.sizes))
        noisy, wanted = self.noise.noisy(x, times, noise)
        with autocast(self.device, self.precision):
            output = latent.predict(self.pipeline, noisy, times, self._words(batch.captions), sizes)
        error = (output - wanted).square().flatten(1).mean(1)
        return error * self.noise.weights(times, self.settings.min_snr).to(self.device)

    def _words(self, captions: Sequence[str]) -> Words:
        if self.method.reads_anew:
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
        """Mean loss on the user's pictures at noise that is the same every time."""
        shown = self.sets[0]
        random = loop.step_generator(self.seed, "validation", 0)
        losses = []
        n = min(max(len(shown.captions), N_FIXED[0]), N_FIXED[1])
        for first in range(0, n, self.settings.batch_size):
            rows = torch.arange(first, min(first + self.settings.batch_size, n)) % len(shown.captions)
            captions = [shown.captions[row] for row in rows.tolist()]
            batch = self._noised(shown, rows, torch.zeros_like(rows), captions, random, 1.0)
            losses.append(self._losses(batch).cpu())
        return float(torch.cat(losses).mean())

    def pictures(self) -> tuple[np.ndarray, int]:
        """Pictures for the sample prompts, uint8 (N, S, S, 3), and how many stand in a row; always with equal noise."""
        prompts = self.settings.sample_prompts
        n_each = max(1, N_PICTURES // len(prompts))
        drawn = [self._drawn(prompt, i * n_each, n_each) for i, prompt in enumerate(prompts)]
        return np.concatenate(drawn), n_each if n_each > 1 else min(N_PICTURES, len(prompts))

    def _drawn(self, prompt: str, first: int, n: int) -> np.ndarray:
        numbers = [seeds.seed_of(self.seed, "pictures", i) for i in range(first, first + n)]
        settings = self.settings
        with autocast(self.device, self.precision):
            return draw(
                self.pipeline, [prompt] * n, numbers, settings.side, settings.sample_steps, settings.sample_guidance
            )

    def report(self, step: int, ema: Ema, train_loss: float, seconds: float) -> None:
        started = time.monotonic()
        with ema.inside(self.model):
            self.model.eval()
            numbers = {"training loss": train_loss, "loss at fixed noise": self.fixed_loss()}
            if step % self.settings.picture_every == 0 or step == self.settings.steps:
                self.monitor.pictures(step, *self.pictures())
        numbers |= {"seconds a step": seconds, "seconds of this report": time.monotonic() - started}
        self.monitor.record(step, numbers)


@dataclass(frozen=True, slots=True)
class Batch:
    """Latents x (B, C, h, w), their noise, times (B,) and captions, SDXL's sizes (B, 6), and what each loss counts."""

    x: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    captions: tuple[str, ...]
    sizes: torch.Tensor
    weight: float

    def parts(self, n: int) -> list[Batch]:
        """The batch in up to `n` parts of nearly equal size."""
        pieces = zip(
            *(t.tensor_split(min(n, len(self.x))) for t in (self.x, self.noise, self.times, self.sizes)), strict=True
        )
        made, first = [], 0
        for x, noise, times, sizes in pieces:
            made.append(Batch(x, noise, times, self.captions[first : first + len(x)], sizes, self.weight))
            first += len(x)
        return made


def draw(
    pipeline: Any, prompts: Sequence[str], numbers: Sequence[int], side: int, n_steps: int, guidance: float
) -> np.ndarray:
    """Pictures uint8 (N, side, side, 3) of prompts, each from the seed of its number, unseen by the safety checker."""
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
    """Without the safety checker, which paints pictures black: training on black pictures would teach black."""
    checker = getattr(pipeline, "safety_checker", None)
    if checker is not None:
        pipeline.safety_checker = None
    try:
        yield
    finally:
        if checker is not None:
            pipeline.safety_checker = checker
