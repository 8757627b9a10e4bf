"""`use: attention-masks`: the pixels that a Stable Diffusion's own attention gives to the words of the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from pydantic import model_validator

from synthgen import seeds as streams
from synthgen import testing
from synthgen.base.settings import FieldName
from synthgen.errors import ModelError
from synthgen.fields import IGNORE, Columns, Image, Label, Numbers, Schema, SegmentationMap, Text
from synthgen.models import folders, hub
from synthgen.models.hub import ModelSettings
from synthgen.models.parts import HubPart
from synthgen.parts.problem import Problem

Scale = Annotated[int, Setting(ge=1, le=64)]
Share = Annotated[float, Setting(ge=0, le=1)]


class AttentionMasks(HubPart):
    """Writes the class of every pixel, 255 where it is not sure, and a presence for each class, in class order.

    The image is noised to a few levels and shown to the UNet with its prompt. What each place attends of an object's
    words, averaged over heads, layers and levels, is spread along the self attention, scaled up to the image and
    stretched to 0 to 1. Where several classes reach the threshold, the strongest has the pixel.

    Any stretched map reaches 1 somewhere. So a class is left out if the prompt lacks its words (presence 0), or if the
    pixels that it would have, uncertain ones counted, attend to its words less than `min_presence` times the even share
    of a token. This gate is a coarse one, and what its number means differs between models and words: look at those of
    some images before relying on it.

    A sample costs one pass of the UNet a level, without guidance, and one of the VAE's encoder; samples are read one
    by one. Memory is that of the pipeline and some maps of self attention: see `AttentionReader`. Weights are held once
    if the sampler of the same worker uses this model and `dtype`, without adapters, `offload`, `compile` and what
    saves the VAE's memory.

    Source: Nguyen et al. 2023, "Dataset Diffusion" (maps, power of self attention, bands).
    """

    version: ClassVar[int] = 1

    class Config(ModelSettings):
        """Settings of `use: attention-masks`."""

        model: str = Setting(
            description="A folder with a Stable Diffusion or Stable Diffusion XL pipeline, or owner/name@commit of the "
            "hub; best the one that generates."
        )
        objects: dict[str, str] | None = Setting(
            default=None,
            min_length=1,
            max_length=254,
            description="Class names with the word or phrase for them.",
        )
        of: str | None = Setting(
            default=None, description="In place of `objects`: the axis of the prompts that says each sample's object."
        )
        prompt: str | None = Setting(
            default=None, min_length=1, description="The prompt of every image for the UNet; by default its own."
        )
        levels: list[Share] = Setting(
            default=[0.3, 0.5, 0.7],
            min_length=1,
            max_length=50,
            description="Noise levels, as shares of the schedule: 0 is the image, 1 noise.",
        )
        cross_scales: list[Scale] | None = Setting(
            default=None,
            min_length=1,
            description="Layers whose attention to words is used, by how many latent cells a side one of their cells "
            "covers; by default those nearest to 4 (16 x 16 for latents of 64 x 64).",
        )
        self_scale: Scale | None = Setting(
            default=None, description="The same for self attention; by default those nearest to 2."
        )
        self_power: int = Setting(default=4, ge=0, le=32, description="How often maps are spread along self attention.")
        threshold: float = Setting(default=0.6, gt=0, le=1, description="Pixels from here on have the class.")
        uncertain: float = Setting(
            default=0.5, gt=0, le=1, description="Pixels from here to the threshold are 255; equal to it, none are."
        )
        min_presence: float = Setting(
            default=1.0,
            ge=0,
            description="Classes less present are left out; 0 keeps all whose words are in the prompt.",
        )
        dtype: Literal["float32", "bfloat16", "float16"] = Setting(
            default="float32", description="Number format of the UNet and the text encoders; the VAE has float32."
        )
        field: FieldName = Setting(default="attention", description="Start of the names of the new fields.")

        @model_validator(mode="after")
        def _consistent(self) -> AttentionMasks.Config:
            if (self.objects is None) == (self.of is None):
                raise ValueError("give either `objects` or `of`")
            if self.uncertain > self.threshold:
                raise ValueError(
                    f"`uncertain` must not be above `threshold` (got {self.uncertain} and {self.threshold})"
                )
            return self

    config: Config

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        other = {"model": testing.make("StableDiffusionPipeline"), "dtype": "float32"}
        return {**settings, **other, "cross_scales": None, "self_scale": None}  # the real model's layers

    def __init__(self, config: Config) -> None:
        super().__init__(config, hub.pipeline_reference(config))
        _check_kind(self.reference)
        self._phrases: dict[str, str] = dict(config.objects or {})
        self._reader: Any = None
        self._noise_shape: tuple[int, ...] = ()

    def bind(self, columns: Schema) -> list[Problem]:
        image, config, problems = columns.get("image"), self.config, []
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        if config.prompt is None and not isinstance(columns.get("condition.prompt"), Text):
            message = "needs a condition with prompts, such as `use: prompts`, or `prompt`"
            problems.append(Problem(message, ("condition.prompt", "prompt")))
        if config.of is not None:
            axis = columns.get(f"condition.{config.of}")
            if not isinstance(axis, Label) or len(axis.classes) >= IGNORE:
                message = f"`of: {config.of}` is no axis of the condition with fewer than {IGNORE} values"
                return [*problems, Problem(message, (f"condition.{config.of}", "of"))]
            self._phrases = {name: name for name in axis.classes}
        if config.prompt is not None:
            text = " ".join(config.prompt.lower().split())
            lacking = [phrase for phrase in self._phrases.values() if " ".join(phrase.lower().split()) not in text]
            if lacking:
                message = f"lacks the words of `{'`, `'.join(lacking)}`: they would never be found"
                problems.append(Problem(message, place=("prompt",)))
        self.fields = {
            f"{config.field}_segmentation": SegmentationMap(image.height, image.width, tuple(self._phrases)),
            f"{config.field}_presence": Numbers("times the even share"),
        }
        return problems

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models.text_to_image.attention_reader import AttentionReader

        config = self.config
        networks = hub.shared(self.reference, config.dtype, device)  # of the sampler, if it generates with this model
        given = {**networks, "safety_checker": None}
        pipeline = hub.load_pipeline(self.reference, "Text2Image", getattr(torch, config.dtype), **given)
        pipeline.vae.float()  # that of Stable Diffusion XL overflows in float16
        self._reader = AttentionReader(pipeline.to(device), config.cross_scales, config.self_scale)
        segmentation = self.fields[f"{config.field}_segmentation"]
        assert isinstance(segmentation, SegmentationMap)
        self._noise_shape = len(config.levels), *self._reader.latent_shape(segmentation.height, segmentation.width)
        if config.prompt is not None:
            self._reader.check_length(config.prompt)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        segmentations, presences = [], []
        for i, (image, seed) in enumerate(zip(columns["image"], seeds, strict=True)):
            prompt = columns["condition.prompt"][i] if self.config.prompt is None else self.config.prompt
            asked = list(range(len(self._phrases)))
            if self.config.of is not None:
                asked = [int(columns[f"condition.{self.config.of}"][i])]
            strengths, presence = self._found(image, prompt, asked, streams.normals([seed], self._noise_shape)[0])
            found = (presence >= self.config.min_presence) & (presence > 0)
            segmentations.append(
                class_map(strengths * found[:, None, None], self.config.threshold, self.config.uncertain)
            )
            presences.append(presence)
        name = self.config.field
        return {f"{name}_segmentation": segmentations, f"{name}_presence": presences}

    def _found(
        self, image: np.ndarray, prompt: str, asked: Sequence[int], noise: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Stretched maps (classes, H, W) and presences (classes,) of one image; 0 for classes not asked for."""
        from synthgen.models.text_to_image import attention_maps

        phrases = list(self._phrases.values())
        strengths = np.zeros((len(phrases), *image.shape[:2]), dtype=np.float32)
        presence = np.zeros(len(phrases))
        places = {cls: found for cls in asked if (found := self._reader.positions(prompt, phrases[cls]))}
        if places:
            maps = self._reader.read(image, prompt, self.config.levels, noise)
            for cls, tokens in places.items():
                one = attention_maps.object_map(maps, tokens, self.config.self_power, image.shape[:2])
                strengths[cls] = one
                presence[cls] = attention_maps.presence(maps, tokens, one >= self.config.uncertain)
        return strengths, presence


def class_map(strengths: np.ndarray, threshold: float, uncertain: float) -> np.ndarray:
    """The class of every pixel, uint8 (H, W), from maps (classes, H, W) in 0 to 1.

    The strongest class from the threshold on, 255 where the strongest is from `uncertain` on, else 0.
    """
    strongest = strengths.max(0)
    classes = np.where(strongest >= threshold, strengths.argmax(0) + 1, 0)
    return np.where((strongest >= uncertain) & (strongest < threshold), IGNORE, classes).astype(np.uint8)


def _check_kind(reference: hub.Reference) -> None:
    """Raises ModelError for a pipeline on disk that has no UNet; of one on a hub nothing is known before `setup`."""
    if reference.revision is None:
        index = folders.read_index(Path(reference.place))
        unet = index.get("unet")
        if not isinstance(unet, list) or unet[-1] != "UNet2DConditionModel":
            raise ModelError(
                f"{reference.name} holds a {index.get('_class_name')}, which has no UNet that attends to words; a "
                "Stable Diffusion or Stable Diffusion XL pipeline is needed here"
            )
