"""`use: text-to-image`: tunes Stable Diffusion or Stable Diffusion XL on a user's own pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from synthgen import seeds, testing
from synthgen.base.environment import leave_one_core
from synthgen.errors import DataError
from synthgen.models import folders, hub
from synthgen.models.text_to_image import adapters
from synthgen.parts.protocols import Source
from synthgen.readers.images import captioned
from synthgen.readers.images.captioned import CaptionedImages
from synthgen.trainers.text_to_image import latent, prior_images
from synthgen.trainers.text_to_image.methods import Full, Lora, Method, TextualInversion
from synthgen.trainers.text_to_image.settings import TuningConfig
from synthgen.trainers.text_to_image.task import LatentTask, Settings, Shown, draw
from synthgen.training import loop, output
from synthgen.training.monitor import Monitor
from synthgen.training.precision import autocast, choose_device, choose_precision

N_PROMPTS = 4


class TextToImageTrainer:
    """Ends with a LoRA, a learnt word or a whole pipeline, its card and its pictures, as `method` says."""

    version: ClassVar[int] = 1

    class Config(TuningConfig):
        """Settings of `use: text-to-image`."""

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        """A small base, few steps, and pictures made for it where the user's are not there."""
        kind = latent.TUNABLE["xl" in str(settings.get("base", "")).lower()]
        data = dict(settings.get("data") or {})
        if not Path(str(data.get("path", ""))).is_dir():
            thing = dict(settings.get("word") or {}).get("placeholder", "a disc")
            data = {"path": testing.make("pictures"), "caption": f"a photo of {thing}", "licence": "cc0-1.0"}
        few = {
            "steps": 2,
            "batch_size": 2,
            "checkpoint_every": 2,
            "picture_every": 2,
            "sample_steps": 2,
            "resolution": 16,
        }
        prior = settings.get("prior")
        more = {"prior": {**prior, "samples": 2, "steps": 2}} if isinstance(prior, Mapping) else {}
        return {**settings, "base": testing.make(kind), "data": data, **few, **more}

    def __init__(self, config: Config) -> None:
        self.config = config
        self.reference = hub.pipeline_reference(hub.ModelSettings(model=config.base, licence=config.licence))
        if self.reference.revision is None:
            index = folders.read_index(Path(self.reference.place))
            latent.check_class(self.reference.name, str(index.get("_class_name")))

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"base", "licence"}) | {"base": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [self.reference.source]

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path:
        """Trains, or goes on from the last checkpoint under `out/training`, and returns `out`.

        Raises:
            DataError: the pictures or captions cannot be used.
            ModelError: the base cannot be loaded or tuned.
            Interrupted: stopped by a signal, after writing a checkpoint.
        """
        leave_one_core()
        config, work = self.config, output.work_folder(out)
        images = captioned.read(config.data, config.resolution)
        device = choose_device(device)
        precision = choose_precision(config.precision, device)
        half = precision == "bf16" and config.method != "full"  # what is trained stays in 32 bits
        pipeline = latent.open_base(self.reference, torch.bfloat16 if half else torch.float32, device)
        latent.check_side(pipeline, config.resolution)
        noise = latent.noise_of(pipeline, self.reference.name)
        told = adapters.describe(pipeline, self.sources[0])
        with autocast(device, precision):
            sets = self._sets(pipeline, images, work, seed)
        method = self._method(pipeline, seed)
        self._check_captions(pipeline, images)
        with Monitor(work, quiet, images.notes) as monitor:
            task = LatentTask(pipeline, method, sets, noise, self._settings(images), seed, precision, monitor)
            method.model.eval()
            before = task.fixed_loss()
            if not (work / "samples-000000.png").exists():
                monitor.pictures(0, *task.pictures())
            facts = {"trainer version": self.version, "seed": seed, "data_sha256": images.sha256, **self.identity()}
            ema = loop.fit(task, config, work / "checkpoints", facts, monitor.progress)
            ema.copy_to(method.model)
            method.model.eval()
            scores = {"loss at fixed noise, of the base": before, "the same after training": task.fixed_loss()}
        text = self._card(out.name, images, scores, precision, seed, sum(p.numel() for p in ema.values.values()))
        return output.finish(out, lambda folder: method.save(folder, told), text)

    def _sets(self, pipeline: Any, images: CaptionedImages, work: Path, seed: int) -> list[Shown]:
        config, prior = self.config, self.config.prior
        own = Shown(latent.encode_pictures(pipeline, images, config.flip), images.captions)
        if prior is None:
            return [own]
        prompts = [prior.prompts[i % len(prior.prompts)] for i in range(prior.samples)]
        latent.check_captions(pipeline, prompts, ["prior.prompts"] * len(prompts))

        def draw_some(rows: range) -> np.ndarray:
            numbers = [seeds.seed_of(seed, "prior", i) for i in rows]
            asked = [prompts[i] for i in rows]
            return draw(pipeline, asked, numbers, config.resolution, prior.steps, prior.guidance)

        told = prior.model_dump(mode="json") | {"seed": seed, "base": self.sources[0].sha256, "side": config.resolution}
        pixels = prior_images.kept(work / "prior", told, prior.samples, config.batch_size, draw_some)
        cuts = np.tile([config.resolution, config.resolution, 0, 0], (len(pixels), 1))
        pictures = CaptionedImages(pixels, tuple(prompts), ("prior",) * len(pixels), cuts)
        return [own, Shown(latent.encode_pictures(pipeline, pictures, config.flip), prompts, prior.weight)]

    def _method(self, pipeline: Any, seed: int) -> Method:
        config = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if config.word is not None:
                method: Method = TextualInversion(
                    pipeline, config.word.placeholder, config.word.initialize_from, config.word.vectors
                )
            elif config.method == "lora":
                lora = config.lora
                method = Lora(pipeline, lora.rank, lora.alpha or lora.rank, lora.target_modules)
            else:
                method = Full(pipeline)
        if config.gradient_checkpointing:
            pipeline.unet.enable_gradient_checkpointing()
        return method

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

    def _settings(self, images: CaptionedImages) -> Settings:
        config = self.config
        prompts = config.sample_prompts or list(dict.fromkeys(images.captions))[:N_PROMPTS]
        return Settings(
            config.batch_size,
            config.accumulate,
            config.min_snr,
            config.caption_dropout,
            config.steps,
            config.picture_every,
            prompts,
            config.sample_steps,
            config.sample_guidance,
            config.resolution,
        )

    def _card(
        self,
        title: str,
        images: CaptionedImages,
        scores: Mapping[str, float],
        precision: str,
        seed: int,
        n_trained: int,
    ) -> str:
        config = self.config
        names = (
            "method",
            "steps",
            "batch_size",
            "learning_rate",
            "ema",
            "resolution",
            "min_snr",
            "caption_dropout",
            "flip",
        )
        settings: dict[str, Any] = {name.replace("_", " "): getattr(config, name) for name in names}
        if config.method == "lora":
            alpha = config.lora.alpha or config.lora.rank
            settings |= {"rank": config.lora.rank, "alpha": alpha, "layers": ", ".join(config.lora.target_modules)}
        if config.word:
            settings |= {
                "word": f"{config.word.placeholder}, from {config.word.initialize_from}",
                "vectors": config.word.vectors,
            }
        if config.prior:
            prompts = ", ".join(config.prior.prompts)
            settings["prior"] = f"{config.prior.samples} pictures by the base, weight {config.prior.weight}: {prompts}"
        settings |= {"trained weights": n_trained, "precision": precision, "seed": seed}
        return output.tuned_card(title, config.data, images, self.sources[0], settings, scores, USE[config.method])


USE: Mapping[str, str] = {
    "lora": "A LoRA for the base named below: `pipeline.load_lora_weights(<this folder>)` in diffusers. In a recipe: "
    "`sampler: {use: text-to-image, model: <the base>, lora: [{path: <this folder>, weight: 1.0}]}`.",
    "textual-inversion": "A new word for the base named below: `pipeline.load_textual_inversion(<this folder>)` in "
    "diffusers. In a recipe: `sampler: {use: text-to-image, model: <the base>, embeddings: [<this folder>]}`.",
    "full": "A pipeline of diffusers, tuned from the base named below. In a recipe: "
    "`sampler: {use: text-to-image, model: <this folder>}`.",
}
