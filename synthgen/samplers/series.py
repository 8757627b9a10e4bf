"""`use: series`: multivariate series of a class from a diffusion model of series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from synthgen import seeds as streams
from synthgen.fields import Columns, Label, Schema, Series, Times
from synthgen.models import folders
from synthgen.plugins import unknown
from synthgen.protocols import Slot, Source

Share = Annotated[float, Field(ge=0, le=1)]


class SeriesSampler:
    """Draws `series` and `time` for `condition.label`; classes are matched to the model's by name.

    Of a model that knows one class, no class need be asked for.
    """

    version: ClassVar[int] = 1

    class Config(BaseModel):
        """Settings of `use: series`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        model: str = Field(description="A starter such as starter/ecg, or the folder of a trained model.")
        steps: int = Field(default=20, gt=0, le=1000, description="Denoising steps, one network evaluation each.")
        guidance: float = Field(
            default=1.0, ge=0, le=20, description="Classifier-free guidance; 1 is none and costs half as much."
        )
        guidance_interval: tuple[Share, Share] = Field(
            default=(0.0, 1.0),
            description="Part of the steps that is guided, as shares from 0 (noise) to 1 (series).",
        )

        @field_validator("guidance_interval")
        @classmethod
        def _rising(cls, interval: tuple[float, float]) -> tuple[float, float]:
            if interval[0] >= interval[1]:
                raise ValueError(f"must rise, such as [0.25, 0.75] (got {list(interval)})")
            return interval

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = folders.resolve(config.model)
        index = folders.check_class(self.folder, config.model, "SeriesPipeline", "series")
        self.names = folders.names_in_order(index)
        length, channels = int(index["length"]), tuple(index["channels"])
        self._asks = [*index["covariates"], *index["static"]]
        scaler = folders.component_config(self.folder, "scaler")
        self.noise_shape = (length, int(scaler["n_channels"]) + len(scaler["gated"]))
        self.fields: Mapping[str, Series | Times] = {
            "series": Series(length, channels, tuple(index["units"])),
            "time": Times(length, str(index["time_unit"])),
        }
        self._ids: list[int] | None = None
        self._pipeline: Any = None

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model"}) | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [folders.source(self.config.model)]

    def bind(self, condition: Schema) -> list[str]:
        if self._asks:
            return [
                f"model {self.config.model}: needs {', '.join(self._asks)} of each series, which no condition gives yet"
            ]
        label = condition.get("label")
        if not isinstance(label, Label):
            return [] if len(self.names) == 1 else ["needs a condition with classes, such as `use: classes`"]
        if self.names == ["series"] and len(label.classes) == 1:
            return []
        missing = [name for name in label.classes if name not in self.names]
        self._ids = [self.names.index(name) for name in label.classes if name in self.names]
        return [f"model {self.config.model}: {unknown(name, self.names, 'class')}" for name in missing]

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        self._pipeline = registry.load_pipeline(self.folder, device, torch.float32)
        self._pipeline.set_progress_bar_config(disable=True)

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        import torch

        from synthgen.models.sampling import torch_generator

        ids = self._ids
        labels = [0 if ids is None else ids[slot.condition["label"]] for slot in slots]
        drawn = self._pipeline(
            labels,
            guidance_scale=self.config.guidance,
            guidance_interval=self.config.guidance_interval,
            num_inference_steps=self.config.steps,
            latents=torch.from_numpy(streams.normals(seeds, self.noise_shape)),
            generator=[torch_generator(seed) for seed in seeds],
        )
        return {"series": list(drawn.series), "time": list(np.asarray(drawn.times, dtype=np.float64))}
