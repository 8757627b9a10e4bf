"""Settings of `use: text-to-image` in `synthgen train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from synthgen.base.settings import Settings
from synthgen.readers.images.captioned import CaptionData
from synthgen.training.settings import LoopConfig

RATES: Mapping[str, float] = {"full": 1e-5, "lora": 1e-4, "textual-inversion": 5e-3}
"""Learning rates of AdamW by method; the first two as in diffusers' examples/text_to_image."""


class LoraSettings(Settings):
    """Shape of a LoRA."""

    rank: int = Field(default=16, ge=1, le=1024, description="Rank of each change; more learns more and forgets more.")
    alpha: int | None = Field(default=None, ge=1, description="The change counts alpha / rank; by default 1.")
    target_modules: list[str] = Field(
        default=["to_q", "to_k", "to_v", "to_out.0"],
        min_length=1,
        description="Endings of the names of the layers that are changed; by default all attention.",
    )


class WordSettings(Settings):
    """The word of a textual inversion."""

    placeholder: str = Field(pattern=r"^\S+$", description="The new word, as captions have it, such as <my-thing>.")
    initialize_from: str = Field(min_length=1, description="A known word that it starts from, such as dog.")
    vectors: int = Field(default=1, ge=1, le=64, description="How many words' worth of room it has.")


class PriorSettings(Settings):
    """Images by the base itself that are trained on beside the user's, so that their class is not forgotten."""

    prompts: list[str] = Field(min_length=1, description="What the class is called, such as a photo of a dog.")
    samples: int = Field(default=100, ge=1, description="How many are generated, of each prompt in turn.")
    weight: float = Field(default=1.0, gt=0, description="What their loss counts beside the user's.")
    steps: int = Field(default=30, gt=0, le=1000, description="Denoising steps.")
    guidance: float = Field(default=5.0, ge=0, le=50, description="How closely they follow the prompt.")

    @model_validator(mode="before")
    @classmethod
    def _one_prompt(cls, values: Any) -> Any:
        if isinstance(values, dict) and "prompt" in values and "prompts" not in values:
            return {**{k: v for k, v in values.items() if k != "prompt"}, "prompts": [values["prompt"]]}
        return values


class TuningConfig(LoopConfig):
    """How a text-to-image model is tuned."""

    base: str = Field(description="A folder with a pipeline of diffusers, or owner/name@commit of the hub.")
    licence: str | None = Field(
        default=None, description="The base's licence, such as openrail++; by default what its folder's card says."
    )
    data: CaptionData = Field(description="The user's images with captions.")
    method: Literal["lora", "textual-inversion", "full"] = Field(
        default="lora",
        description="lora: a small file beside the base. textual-inversion: a new word. full: all of the network.",
    )
    resolution: int = Field(default=512, ge=8, le=4096, description="Side of the images in pixels.")
    lora: LoraSettings = Field(default=LoraSettings(), description="Shape of the LoRA.")
    word: WordSettings | None = Field(default=None, description="The word of `method: textual-inversion`.")
    prior: PriorSettings | None = Field(default=None, description="Prior preservation; none by default.")
    steps: int = Field(default=1000, ge=1, description="Optimiser steps.")
    batch_size: int = Field(default=4, ge=1, description="The user's images a step; as many of the prior beside them.")
    learning_rate: float = Field(
        default=1e-4, gt=0, description="Peak of AdamW; by default 1e-4 for lora, 1e-5 for full, 5e-3 for a word."
    )
    final_rate: float = Field(default=0.1, ge=0, le=1, description="Share of the peak at the last step (cosine).")
    warmup_steps: int = Field(default=50, ge=0, description="Steps of linear rise to the peak rate.")
    ema_decay: float = Field(default=0.99, ge=0, lt=1, description="Decay of the averaged weights, which are kept.")
    checkpoint_every: int = Field(default=250, ge=1, description="Steps between checkpoints.")
    min_snr: float = Field(default=5.0, ge=0, description="Gamma of min-SNR weights of the loss; 0 is none.")
    caption_dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of captions that are hidden, which guidance needs in long trainings.",
    )
    flip: bool = Field(default=False, description="Mirror images at random; only if left and right mean nothing.")
    gradient_accumulation_steps: int = Field(
        default=1, ge=1, description="Parts that a batch is computed in, to save memory."
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Compute activations twice instead of keeping them: less memory, slower."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="auto is bf16 where the hardware multiplies it fast, else fp32."
    )
    sample_every: int = Field(default=250, ge=1, description="Steps between sample grids.")
    sample_prompts: list[str] = Field(
        default=[], max_length=16, description="What sample grids show; by default the first captions."
    )
    sample_steps: int = Field(default=30, gt=0, le=1000, description="Denoising steps of sample grids.")
    sample_guidance: float = Field(default=5.0, ge=0, le=50, description="Guidance of sample grids.")

    @model_validator(mode="before")
    @classmethod
    def _rate(cls, values: Any) -> Any:
        if isinstance(values, dict) and "learning_rate" not in values:
            method = values.get("method", "lora")
            return {**values, "learning_rate": RATES[method]} if method in RATES else values
        return values

    @model_validator(mode="after")
    def _fitting(self) -> TuningConfig:
        if (self.word is not None) != (self.method == "textual-inversion"):
            raise ValueError("`method: textual-inversion` needs `word`, and the other methods have none")
        if self.method != "lora" and self.lora != LoraSettings():
            raise ValueError(f"`lora` means nothing with `method: {self.method}`; leave it out")
        return self
