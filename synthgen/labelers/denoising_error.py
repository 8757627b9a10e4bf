"""`use: denoising-error`: how unlikely every step of a series is to a diffusion model of such series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from synthgen import seeds as streams
from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Schema, Series, Times
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.models.series.calendar import Calendar
from synthgen.models.series.entities import Entities, asked_of, whose
from synthgen.parts.problem import Problem


class DenoisingError(FolderPart):
    """Writes a score of every step, higher where a series is less like the model's data; one channel, no unit.

    Noise is put on the series and the model takes it off again: the score is what its estimate is off by, relative to
    the noise and at most to the channel's deviation, the mean over noise levels and the root mean square over the
    channels that were observed. Low levels find rough and stuck values, high ones values that do not fit their
    surroundings. A step without any value has NaN. Scores of one model compare with each other, those of two do not.

    A model that wants a class, covariates or static numbers takes them from the condition, as the sampler does.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "SeriesPipeline"
    trainer: ClassVar[str] = "series"

    class Config(Settings):
        """Settings of `use: denoising-error`."""

        model: str = Setting(description="A starter such as starter/ecg, or the folder of a model of normal series.")
        field: str = Setting(default="series", description="The series that is scored.")
        time: str = Setting(default="time", description="The times of its steps.")
        name: FieldName = Setting(default="anomaly_score", description="Name of the scores by step.")
        sigma: tuple[Annotated[float, Setting(ge=0.002, le=80)], ...] = Setting(
            default=(0.1, 0.3, 1.0, 20.0),
            min_length=1,
            description="Noise levels, where 1 is about the standard deviation of a channel.",
        )
        repeats: int = Setting(
            default=1, ge=1, description="Pairs of noise a level; more make scores smoother and cost as much more."
        )
        mask: Literal["blocks", "none"] = Setting(
            default="blocks",
            description="blocks: every second block gets the noise and the others are known, then the other way "
            "round; none: all steps get it at once, which costs half.",
        )
        block: int = Setting(default=16, ge=1, description="Steps of a block.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        scaler = folders.component_config(self.folder, "scaler")
        self._n_scaled = int(scaler["n_channels"]) + len(scaler["gated"]) + len(scaler.get("held", []))
        self._calendar = Calendar.of(self.index)
        self._entities = Entities.of(self.index)
        self._asks = asked_of(self.index)
        self._places: Mapping[str, str] = {}
        self._whose: str | None = None
        self._ids: list[int] | None = None
        self._pipeline: Any = None
        self._set_length(int(self.index["length"]))

    def _set_length(self, length: int) -> None:
        self._length = length
        self.fields = {self.config.name: Series(length, (self.config.name,), ("1",))}

    def bind(self, columns: Schema) -> list[Problem]:
        config, model = self.config, f"model {self.config.model}"
        series, times = columns.get(config.field), columns.get(config.time)
        if not isinstance(series, Series) or not isinstance(times, Times) or times.length != series.length:
            message = f"needs the series `{config.field}` and the times of its steps `{config.time}`"
            return [Problem(message, (config.field, config.time))]
        self._set_length(series.length)
        index, messages = self.index, []
        if series.length > index["length"]:
            messages.append(
                f"{model}: knows series of {index['length']} steps, and `{config.field}` has {series.length}; score "
                "windows of as many steps as the model was trained on"
            )
        if series.channels != tuple(index["channels"]):
            messages.append(
                f"{model}: has the channels {', '.join(index['channels'])}, in this order; `{config.field}` has "
                f"{', '.join(series.channels)}"
            )
        if times.unit != index["time_unit"]:
            messages.append(f"{model}: counts time in {index['time_unit']}, and `{config.time}` in {times.unit}")
        self._whose = whose(columns)
        self._places = {name: name if name in columns else f"condition.{name}" for name in self._asks}
        for name, place in self._places.items():
            given = columns.get(place)
            if not isinstance(given, Series) or given.channels != self._asks[name]:
                wanted = ", ".join(self._asks[name])
                messages.append(f"{model}: needs the {name} {wanted}, as `use: real-series` gives them")
        if self._calendar:
            messages += [f"{model}: {text}" for text in self._calendar.problems(columns.get("start_time"))]
        self._ids, wrong = folders.class_ids(index, columns.get("condition.label"), config.model)
        return [*(Problem(message, (config.field, config.time)) for message in messages), *wrong]

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        self._pipeline = registry.load_pipeline(self.folder, device, torch.float32)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        import torch

        from synthgen.models.series.denoising_error import deviations, hidden_in_turns

        config, device = self.config, self._pipeline.device

        def tensor(values: Sequence[Any]) -> torch.Tensor:
            return torch.from_numpy(np.stack(values)).to(device)

        series = columns[config.field]
        beside = {name: np.stack(columns[place]) for name, place in self._places.items()}
        if "static" in beside:
            beside["static"] = beside["static"][:, 0]
        if self._entities:
            beside |= self._entities.beside(beside, columns[self._whose] if self._whose else [None] * len(series))
        if self._calendar:
            starts = columns.get("start_time", ())
            beside |= self._calendar.beside(beside, starts, np.stack(columns[config.time]))
        more = {name: torch.from_numpy(values).to(device) for name, values in beside.items()}
        labels = [0] * len(series) if self._ids is None else [self._ids[i] for i in columns["condition.label"]]
        noise = streams.normals(seeds, (config.repeats, self._length, self._n_scaled))
        with torch.inference_mode():
            off = deviations(
                self._pipeline,
                tensor(series),
                hidden_in_turns(self._length, config.block if config.mask == "blocks" else None).to(device),
                config.sigma,
                torch.from_numpy(noise).to(device),
                torch.tensor(labels, device=device),
                tensor(columns[config.time]).float(),
                more,
            )
            scores = off.square().nanmean(-1, keepdim=True).sqrt().cpu().numpy()
        return {config.name: list(scores)}
