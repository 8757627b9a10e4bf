"""What samplers that follow a prompt share: their settings, what a prompt is made of, and how they are loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from synthgen import seeds as streams
from synthgen import testing
from synthgen.base.settings import Settings
from synthgen.base.sizes import Size, shape_of, shown
from synthgen.errors import ModelError
from synthgen.fields import Field as Column
from synthgen.fields import Image, Schema, Text
from synthgen.models import folders, hub
from synthgen.models.gpu_memory import check_memory, gpu_memory_gb
from synthgen.models.text_to_image import adapters
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot, Source
from synthgen.samplers.prompt_template import PromptTemplate

_SMALLER = "a smaller `size`, `offload: model`, `dtype: bfloat16`"
Scale = Annotated[float, Field(ge=0, le=50)]


class Lora(Settings):
    """One LoRA adapter and how much of it is added."""

    path: str = Field(description="The folder that `synthgen train` made, or a .safetensors file.")
    weight: float = Field(default=1.0, description="1 adds what was learnt, 0.5 half of it.")


class PromptedSettings(hub.ModelSettings):
    """Settings of samplers that follow a prompt."""

    model: str = Field(description="A folder with a pipeline of diffusers, or owner/name@commit of the hub.")
    size: Size | None = Field(
        default=None,
        description="Side of the images in pixels, or their `[width, height]`; by default what the pipeline was "
        "trained for.",
    )
    prompt: str | None = Field(
        default=None,
        description='The prompt, condition fields in braces: "a photo of a {label}"; by default the condition\'s own.',
    )
    steps: int = Field(default=30, gt=0, le=1000, description="Denoising steps.")
    guidance: Scale | Annotated[list[Scale], Field(min_length=1)] = Field(
        default=5.0,
        description="How closely to follow the prompt, as the model's own pipeline counts it; a list is drawn from, "
        "sample by sample ([1, 1.5, 2] keeps variety).",
    )
    negative_prompt: str = Field(default="", description="What the images must not show.")
    scheduler: str | None = Field(
        default=None,
        pattern=r"^\w+Scheduler$",
        description="A scheduler of diffusers by its class name, such as UniPCMultistepScheduler; by default the "
        "pipeline's own.",
    )
    lora: list[Lora] = Field(default=[], description="Adapters that were trained on this base.")
    embeddings: list[str] = Field(default=[], description="Words that textual inversion has learnt: folders or files.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="Number format of the networks; bfloat16 and float16 are for GPUs."
    )
    gpu_memory_gb: float = Field(
        default=0,
        ge=0,
        description="GPU memory that this needs; less is refused before anything is generated. 0 asks none.",
    )
    offload: Literal["none", "model", "sequential"] = Field(
        default="none",
        description="Keeps weights in main memory until they are needed: whole networks, or layer by layer (slow).",
    )
    vae_slicing: bool = Field(default=False, description="Decodes a batch image by image, which needs less memory.")
    vae_tiling: bool = Field(default=False, description="Decodes large images in tiles, which needs less memory.")
    compile: bool = Field(
        default=False, description="Compiles the repeated blocks of the network; pays off after some hundred images."
    )


class Prompted:
    """A pipeline of diffusers for one task, and the prompts and scales that its samples are drawn with.

    `task` is how diffusers' auto pipelines call it: Text2Image, Image2Image or Inpainting.
    """

    def __init__(self, config: PromptedSettings, task: str) -> None:
        self.config, self.task = config, task
        self.reference = hub.pipeline_reference(config)
        self.size = shape_of(config.size) if config.size else _trained_size(self.reference)
        guidance = config.guidance if isinstance(config.guidance, list) else [config.guidance]
        self.scales = tuple(sorted(set(guidance)))
        named = [(lora.path, lora.weight) for lora in config.lora] + [(path, 1.0) for path in config.embeddings]
        self.adapters = [(adapters.read(path), weight) for path, weight in named]
        if self.reference.revision is None:  # what a hub holds is seen when it is loaded
            for adapter, _ in self.adapters:
                adapters.check_base(adapter, adapters.architecture(Path(self.reference.place)))
        self._prompt = PromptTemplate(config.prompt)
        self._labels: tuple[str, ...] = ()
        self._drawing: Any = None

    def identity(self) -> dict[str, Any]:
        """Everything that decides pixels; how memory is saved does not."""
        left_out = {"model", "licence", "lora", "embeddings", "guidance", "gpu_memory_gb", "offload", "vae_slicing"}
        found = self.config.model_dump(mode="json", exclude=left_out) | {"guidance": list(self.scales)}
        found["adapters"] = [[adapter.sha256, weight] for adapter, weight in self.adapters]
        return found | {"model": self.reference.source.sha256}

    @property
    def sources(self) -> list[Source]:
        return [self.reference.source, *(adapter.source for adapter, _ in self.adapters)]

    def bind(self, condition: Schema) -> list[Problem]:
        """Accepts what the prompt is made of; returns the problems found."""
        return self._prompt.bind(condition)

    def setup(self, device: str, **components: Any) -> None:
        """Loads the weights; `components` are added to the model's own.

        Raises:
            ModelError: they cannot be loaded, do not fit this machine or each other, or cannot draw this size.
        """
        import torch

        from synthgen.models.text_to_image import drawing

        config = self.config
        check_memory(config.model, config.gpu_memory_gb, gpu_memory_gb(device), _SMALLER)
        pipeline = hub.load_pipeline(self.reference, self.task, getattr(torch, config.dtype), **components)
        if config.scheduler:
            pipeline.scheduler = drawing.scheduler(config.scheduler, pipeline.scheduler)
        drawing.check_size(config.model, pipeline, self.size)
        adapters.apply(pipeline, self.adapters)
        memory = drawing.Memory(config.offload, config.vae_slicing, config.vae_tiling)
        pipeline = drawing.placed(pipeline, device, memory, config.compile)
        if memory == drawing.Memory() and not self.adapters and not config.compile:
            hub.offer(self.reference, config.dtype, device, pipeline)
        self._drawing = drawing.Drawing(pipeline, self.size, self.scales, config.negative_prompt)

    def drawn_fields(self, condition: Schema, *by_construction: str) -> tuple[dict[str, Column], list[Problem]]:
        """What is generated: `image`, the prompt if it is made here, and those fields of the condition that are labels.

        Returns them with the problems of the prompt.
        """
        problems = self.bind(condition)
        prompt: dict[str, Column] = {"prompt": Text()} if self.config.prompt is not None else {}
        labels = {name: condition[name] for name in by_construction if name in condition}
        self._labels = tuple(labels)
        return {"image": Image(*self.size, 3), **prompt, **labels}, problems

    def columns(
        self,
        slots: Sequence[Slot],
        seeds: Sequence[int],
        given: Mapping[str, Sequence[Any]] | None = None,
        **same: Any,
    ) -> dict[str, Sequence[Any]]:
        """The columns of `drawn_fields`; images are uint8 (height, width, 3).

        `given` has further arguments of the pipeline's call, one value a sample, `same` one for all.
        """
        from synthgen.models.text_to_image.drawing import Asked

        asked = []
        for i, (slot, seed) in enumerate(zip(slots, seeds, strict=True)):
            point = streams.unit_interval(streams.seed_of(seed, "guidance", 0))
            scale = self.scales[int(point * len(self.scales))]
            more = {name: values[i] for name, values in (given or {}).items()}
            asked.append(Asked(self.prompt_of(slot.condition), scale, seed, more))
        columns: dict[str, Sequence[Any]] = {"image": self._drawing.draw(asked, self.config.steps, same)}
        if self.config.prompt is not None:
            columns["prompt"] = [one.prompt for one in asked]
        return columns | {name: [slot.condition[name] for slot in slots] for name in self._labels}

    def prompt_of(self, condition: Mapping[str, Any]) -> str:
        """The prompt of one slot."""
        return self._prompt.text(condition)

    def accepts(self, argument: str) -> bool:
        """Whether the loaded pipeline's call takes an argument of this name."""
        return argument in self._drawing.accepted

    @property
    def n_encoded(self) -> int:
        """How many prompts went through the text encoders so far."""
        return int(self._drawing.encoder.n_encoded)


class PromptedSampler:
    """A sampler that draws with a pipeline of diffusers for one `task`, as diffusers' auto pipelines call it."""

    task: ClassVar[str]
    smoke_steps: ClassVar[int] = 2
    config: Any
    fields: Schema

    def __init__(self, config: PromptedSettings) -> None:
        self.config = config
        self.prompted = Prompted(config, self.task)
        self.fields = {"image": Image(*self.prompted.size, 3)}

    @classmethod
    def smoke(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with a small pipeline of the same kind, small images and few steps."""
        model = testing.make(testing.pipeline_kind(str(settings["model"])))
        left_out = ("size", "lora", "embeddings", "gpu_memory_gb", "dtype", "offload", "compile", "scheduler")
        kept = {name: value for name, value in settings.items() if name not in left_out}
        return {**kept, "model": model, "size": [32, 32], "steps": cls.smoke_steps}

    def identity(self) -> dict[str, Any]:
        return self.prompted.identity()

    @property
    def sources(self) -> list[Source]:
        return self.prompted.sources

    def setup(self, device: str) -> None:
        self.prompted.setup(device)


def picture_problems(condition: Schema, size: tuple[int, int]) -> list[Problem]:
    """What is wrong with a condition that must bring images of `size`."""
    image = condition.get("image")
    if not isinstance(image, Image):
        return [Problem("needs a condition with images, such as `use: images`", ("image",))]
    if (image.height, image.width) != size:
        message = (
            f"generates images of `size` {shown(size)}, and the condition's are {shown((image.height, image.width))}"
        )
        return [Problem(message, ("image", "size"))]
    return []


def as_pillow(array: np.ndarray) -> Any:
    """A mask (H, W), or an image (H, W, 1 or 3) in RGB, in the form that pipelines take."""
    from PIL import Image as Pillow

    if array.ndim == 3 and array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    return Pillow.fromarray(array)


def _trained_size(reference: hub.Reference) -> tuple[int, int]:
    """Height and width that a pipeline on disk was trained for.

    Raises:
        ModelError: it is not on disk, or does not say it.
    """
    folder = Path(reference.place)
    for network in ("unet", "transformer"):
        if reference.revision is None and (folder / network / "config.json").is_file():
            side = folders.component_config(folder, network).get("sample_size")
            levels = len(folders.component_config(folder, "vae").get("block_out_channels", [])) - 1
            if isinstance(side, int) and levels >= 0:
                return side * 2**levels, side * 2**levels
    raise ModelError(
        f"{reference.name}: how large the images are to be must be said: `size: [width, height]`", names=("size",)
    )
