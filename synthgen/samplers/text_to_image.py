"""`use: text-to-image`: images that a sentence describes, from any text-to-image pipeline of diffusers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from synthgen.errors import DataError, ModelError
from synthgen.fields import Columns, Image, Schema, Text
from synthgen.models import folders, hub
from synthgen.protocols import Slot, Source

Side = Annotated[int, Field(ge=8, le=8192)]
_POOLED = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
EMBEDDINGS: Mapping[str, tuple[str | None, ...]] = {
    "StableDiffusionPipeline": ("prompt_embeds", "negative_prompt_embeds"),
    "StableDiffusionXLPipeline": _POOLED,
    "StableDiffusion3Pipeline": _POOLED,
    "FluxPipeline": ("prompt_embeds", "pooled_prompt_embeds", None),
}
"""What `encode_prompt` of a pipeline returns, by the names that its call takes; None is not passed on."""
MAX_EMBEDDINGS = 512


class TextToImage:
    """Draws `image` for `condition.prompt`.

    Each sample has a random stream of its own. In the pipelines of `EMBEDDINGS` every prompt is
    encoded once, by itself, and kept; the others encode the prompts of each batch anew. A pipeline's
    own safety checker, which paints pictures black, is left out: rules decide what is kept.
    """

    version: ClassVar[int] = 1

    class Config(hub.ModelSettings):
        """Settings of `use: text-to-image`."""

        model: str = Field(
            description="A folder with a text-to-image pipeline of diffusers, or owner/name@commit of the hub."
        )
        size: tuple[Side, Side] | None = Field(
            default=None, description="Height and width of the images; by default what the pipeline was trained for."
        )
        steps: int = Field(default=30, gt=0, le=1000, description="Denoising steps.")
        guidance: float = Field(default=5.0, ge=0, le=50, description="How closely to follow the prompt.")
        negative_prompt: str = Field(default="", description="What the images must not show.")
        scheduler: str | None = Field(
            default=None,
            pattern=r"^\w+Scheduler$",
            description="A scheduler of diffusers by its class name, such as UniPCMultistepScheduler; by default the "
            "pipeline's own.",
        )
        dtype: Literal["float32", "bfloat16", "float16"] = Field(
            default="float32", description="Number format of the networks; bfloat16 and float16 are for GPUs."
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        self.reference = hub.pipeline_reference(config)
        height, width = config.size or _trained_size(self.reference)
        self.fields: Mapping[str, Image] = {"image": Image(height, width, 3)}
        self._pipeline: Any = None
        self._names: tuple[str | None, ...] | None = None
        self._embeddings: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model", "licence"}) | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [self.reference.source]

    def bind(self, condition: Schema) -> list[str]:
        if not isinstance(condition.get("prompt"), Text):
            return ["needs a condition with prompts, such as `use: prompts`"]
        return []

    def setup(self, device: str) -> None:
        import torch

        pipeline = hub.load_pipeline(self.reference, "Text2Image", getattr(torch, self.config.dtype)).to(device)
        if self.config.scheduler:
            pipeline.scheduler = _scheduler(self.config.scheduler, pipeline.scheduler)
        image, cell = self.fields["image"], getattr(pipeline, "vae_scale_factor", 1)
        if image.height % cell or image.width % cell:
            raise ModelError(
                f"{self.config.model}: `size` must be multiples of {cell} for this model "
                f"(got {image.height}, {image.width})"
            )
        self._pipeline = pipeline
        self._names = EMBEDDINGS.get(type(pipeline).__name__)

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        from synthgen.models.sampling import torch_generator

        image = self.fields["image"]
        drawn = self._pipeline(
            **self._prompts([slot.condition["prompt"] for slot in slots]),
            height=image.height,
            width=image.width,
            num_inference_steps=self.config.steps,
            guidance_scale=self.config.guidance,
            generator=[torch_generator(seed) for seed in seeds],
            output_type="np",
        ).images
        return {"image": list((np.asarray(drawn) * 255).round().clip(0, 255).astype(np.uint8))}

    def _prompts(self, prompts: Sequence[str]) -> dict[str, Any]:
        """The pipeline's arguments that say what to draw: embeddings where it takes them, else texts."""
        import torch

        if self._names is None:
            negative = {"negative_prompt": [self.config.negative_prompt] * len(prompts)}
            return {"prompt": list(prompts), **(negative if self.config.negative_prompt else {})}
        rows = [self._embedded(prompt) for prompt in prompts]
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def _embedded(self, prompt: str) -> dict[str, Any]:
        """The embeddings of one prompt, (1, ...) each; the least recently used ones are forgotten."""
        import inspect

        import torch

        if prompt not in self._embeddings:
            encode = self._pipeline.encode_prompt
            accepted = inspect.signature(encode).parameters
            options = {
                "prompt_2": None,
                "prompt_3": None,
                "device": self._pipeline.device,
                "num_images_per_prompt": 1,
                "do_classifier_free_guidance": self.config.guidance > 1,
                "negative_prompt": self.config.negative_prompt,
            }
            assert self._names is not None
            _check_length(self._pipeline, prompt)
            with torch.inference_mode():
                found = encode(prompt, **{name: value for name, value in options.items() if name in accepted})
            named = zip(self._names, found, strict=True)
            self._embeddings[prompt] = {name: value for name, value in named if name and value is not None}
            if len(self._embeddings) > MAX_EMBEDDINGS:
                self._embeddings.popitem(last=False)
        self._embeddings.move_to_end(prompt)
        return self._embeddings[prompt]


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
    raise ModelError(f"{reference.name}: how large the images are to be must be said: `size: [height, width]`")


def _check_length(pipeline: Any, prompt: str) -> None:
    """Raises DataError if no text encoder of the pipeline reads the whole prompt: it would draw only its start."""
    tokenizers = [part for name, part in pipeline.components.items() if name.startswith("tokenizer") and part]
    lengths = [(len(tokenizer(prompt)["input_ids"]), tokenizer.model_max_length) for tokenizer in tokenizers]
    if lengths and all(n > limit for n, limit in lengths):
        n, limit = max(lengths, key=lambda pair: pair[1])
        raise DataError(f"the model reads {limit} tokens and this prompt has {n}: {prompt}")


def _scheduler(name: str, current: Any) -> Any:
    """The scheduler `name` with the settings of `current`. Raises ModelError if the model cannot be drawn with it."""
    compatible = {cls.__name__: cls for cls in current.compatibles}
    if name not in compatible:
        raise ModelError(f"scheduler {name} does not fit this model; these do: {', '.join(sorted(compatible))}")
    return compatible[name].from_config(current.config)
