"""`use: series`: multivariate series of a class from a diffusion model of series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from synthgen import seeds as streams
from synthgen.fields import Columns, Label, Schema, Series, Times
from synthgen.models import folders
from synthgen.plugins import unknown
from synthgen.protocols import Slot, Source
from synthgen.samplers.guided import Guided


class SeriesSampler:
    """Draws `series` and `time` for `condition.label`; classes are matched to the model's by name.

    Of a model that knows one class, no class need be asked for. A condition such as `real-series` may also give
    `known` values, which are kept, `time`, `covariates` and `static` numbers; all that it gives are fields of the
    samples as well.
    """

    version: ClassVar[int] = 1

    class Config(Guided):
        """Settings of `use: series`."""

        model: str = Field(description="A starter such as starter/ecg, or the folder of a trained model.")
        steps: int = Field(default=20, gt=0, le=1000, description="Denoising steps, one network evaluation each.")

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = folders.resolve(config.model)
        index = folders.check_class(self.folder, config.model, "SeriesPipeline", "series")
        self.names = folders.names_in_order(index)
        self._asks = {name: tuple(index[name]) for name in ("covariates", "static") if index[name]}
        scaler = folders.component_config(self.folder, "scaler")
        self._n_scaled = int(scaler["n_channels"]) + len(scaler["gated"])
        self._series = Series(int(index["length"]), tuple(index["channels"]), tuple(index["units"]))
        self._unit = str(index["time_unit"])
        self._given: tuple[str, ...] = ()
        self._set_fields()
        self._ids: list[int] | None = None
        self._pipeline: Any = None

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model"}) | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [folders.source(self.config.model)]

    def _set_fields(self, length: int | None = None, given: Mapping[str, Any] | None = None) -> None:
        kind = replace(self._series, length=length or self._series.length)
        self.fields: Mapping[str, Series | Times] = {
            "series": kind,
            "time": Times(kind.length, self._unit),
            **({"known": kind} if "known" in self._given else {}),
            **{name: given[name] for name in self._asks if given and name in self._given},
        }

    def bind(self, condition: Schema) -> list[str]:
        names = ("known", "time", *self._asks)
        self._given = tuple(name for name in names if isinstance(condition.get(name), Series | Times))
        time = condition.get("time")
        self._set_fields(time.length if isinstance(time, Times) else None, condition)
        return [*self._bind_numbers(condition), *self._bind_label(condition.get("label"))]

    def _bind_numbers(self, condition: Schema) -> list[str]:
        """What is wrong with known values, times, covariates and static numbers."""
        model, problems = f"model {self.config.model}", []
        wanted = {"known": self._series.channels, **self._asks}
        for name, channels in wanted.items():
            kind = condition.get(name)
            if name not in self._given:
                if name != "known":
                    problems.append(
                        f"{model}: needs the {name} {', '.join(channels)}, as `use: real-series` gives them"
                    )
            elif isinstance(kind, Series) and kind.channels != channels:
                what = "the channels" if name == "known" else f"the {name}"
                problems.append(
                    f"{model}: has {what} {', '.join(channels)}, in this order (got {', '.join(kind.channels)})"
                )
        time = condition.get("time")
        if isinstance(time, Times) and time.unit != self._unit:
            problems.append(f"{model}: counts time in {self._unit}, and the condition in {time.unit}")
        return problems

    def _bind_label(self, label: Any) -> list[str]:
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
        given = {name: np.stack([slot.condition[name] for slot in slots]) for name in self._given}
        if "static" in given:
            given["static"] = given["static"][:, 0]
        length = self.fields["series"].length
        drawn = self._pipeline(
            labels,
            times=given.pop("time", None),
            **given,
            guidance_scale=self.config.guidance,
            guidance_interval=self.config.guidance_interval,
            num_inference_steps=self.config.steps,
            latents=torch.from_numpy(streams.normals(seeds, (length, self._n_scaled))),
            generator=[torch_generator(seed) for seed in seeds],
        )
        columns: dict[str, Sequence[Any]] = {"series": list(drawn.series), "time": list(drawn.times)}
        return columns | {name: [slot.condition[name] for slot in slots] for name in self._given if name != "time"}
