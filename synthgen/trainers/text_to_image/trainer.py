"""`use: text-to-image`: tunes Stable Diffusion or Stable Diffusion XL on a user's own images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthgen import seeds, testing
from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.models import folders, hub
from synthgen.parts.protocols import Source
from synthgen.readers.images import captioned
from synthgen.readers.images.captioned import CaptionedImages
from synthgen.trainers.text_to_image import latent
from synthgen.trainers.text_to_image.settings import TuningConfig
from synthgen.trainers.text_to_image.task import LatentTask, Shown, draw
from synthgen.training import prior_images
from synthgen.training.precision import autocast, choose_precision
from synthgen.training.task import Start, Task
from synthgen.training.trainer import GradientTrainer


class TextToImageTrainer(GradientTrainer):
    """Ends with a LoRA, a learnt word or a whole pipeline, its card and its images, as `method` says."""

    class Config(TuningConfig):
        """Settings of `use: text-to-image`."""

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        """A small base, few steps, and images made for it where the user's are not there."""
        kind = latent.TUNABLE["xl" in str(settings.get("base", "")).lower()]
        data = dict(settings.get("data") or {})
        if not local_path(str(data.get("path", ""))).is_dir():
            thing = dict(settings.get("word") or {}).get("placeholder", "a disc")
            data = {"path": testing.make("pictures"), "caption": f"a photo of {thing}", "licence": "cc0-1.0"}
        twos = ("steps", "batch_size", "checkpoint_every", "sample_every", "sample_steps")
        few = {**dict.fromkeys(twos, 2), "resolution": 16}
        prior = settings.get("prior")
        more = {"prior": {**prior, "samples": 2, "steps": 2}} if isinstance(prior, Mapping) else {}
        return {**settings, "base": testing.make(kind), "data": data, **few, **more}

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.reference = hub.pipeline_reference(hub.ModelSettings(model=config.base, licence=config.licence))
        if self.reference.revision is None:
            index = folders.read_index(Path(self.reference.place))
            latent.check_class(self.reference.name, str(index.get("_class_name")))

    def identity(self) -> dict[str, Any]:
        values: dict[str, Any] = self.config.model_dump(mode="json", exclude={"licence"})
        return values | {"base": self.sources[0].sha256}

    @property
    def starts_soon(self) -> bool:
        return False  # its weights may be gigabytes

    @property
    def sources(self) -> list[Source]:
        return [self.reference.source]

    def task(self, start: Start) -> Task:
        config = self.config
        images = captioned.read(config.data, config.resolution)
        precision = choose_precision(config.precision, start.device)
        half = precision == "bf16" and config.method != "full"  # what is trained stays in 32 bits
        pipeline = latent.open_base(self.reference, torch.bfloat16 if half else torch.float32, start.device)
        latent.check_side(pipeline, config.resolution)
        noise = latent.noise_of(pipeline, self.reference.name)
        self._check_captions(pipeline, images)
        with autocast(start.device, precision):
            sets = self._sets(pipeline, images, start)
        return LatentTask(config, pipeline, images, sets, noise, self.sources[0], start, precision)

    def _sets(self, pipeline: Any, images: CaptionedImages, start: Start) -> list[Shown]:
        config, prior = self.config, self.config.prior
        own = Shown(latent.encode_pictures(pipeline, images, config.flip), images.captions)
        if prior is None:
            return [own]
        prompts = [prior.prompts[i % len(prior.prompts)] for i in range(prior.samples)]
        latent.check_captions(pipeline, prompts, ["prior.prompts"] * len(prompts))

        def draw_some(rows: range) -> np.ndarray:
            numbers = [seeds.seed_of(start.seed, "prior", i) for i in rows]
            asked = [prompts[i] for i in rows]
            return draw(pipeline, asked, numbers, config.resolution, prior.steps, prior.guidance)

        facts = prior.model_dump(mode="json") | {"seed": start.seed, "base": self.sources[0].sha256}
        facts["side"] = config.resolution
        pixels = prior_images.kept(start.work / "prior", facts, prior.samples, config.batch_size, draw_some)
        cuts = np.tile([config.resolution, config.resolution, 0, 0], (len(pixels), 1))
        pictures = CaptionedImages(pixels, tuple(prompts), ("prior",) * len(pixels), cuts)
        return [own, Shown(latent.encode_pictures(pipeline, pictures, config.flip), prompts, prior.weight)]

    def _check_captions(self, pipeline: Any, images: CaptionedImages) -> None:
        latent.check_captions(pipeline, images.captions, images.files)
        word = self.config.word
        without = [
            file
            for file, text in zip(images.files, images.captions, strict=True)
            if word and word.placeholder not in text
        ]
        if word and without:
            raise DataError(
                f"{without[0]}: its caption does not have the placeholder {word.placeholder}, nor have those of "
                f"{len(without) - 1} others; write it into each, or set `data.caption: a photo of {word.placeholder}`"
            )
