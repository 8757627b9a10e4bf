"""What a model of series is given of a sample's columns: values, times, class, covariates and static numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.fields import Columns, Schema, Series, Times
from synthgen.models import folders
from synthgen.models.series.calendar import Calendar
from synthgen.models.series.entities import Entities, asked_of, whose
from synthgen.parts.problem import Problem

if TYPE_CHECKING:  # torch is imported where it is needed: plans bind columns and compute nothing
    import torch


class ModelColumns:
    """The columns that a model of series looks at, and the tensors that its network gets of them.

    Args:
        index: of a `SeriesPipeline`: its channels, length, unit of time, and what else it knows.
        model: its name, for messages.
        field, time: names of the series and of the times of its steps.
    """

    def __init__(self, index: Mapping[str, Any], model: str, field: str, time: str) -> None:
        self.index, self.model, self.field, self.time = index, model, field, time
        self.calendar = Calendar.of(index)
        self.entities = Entities.of(index)
        self._asks = asked_of(index)
        self._places: Mapping[str, str] = {}
        self._whose: str | None = None
        self._ids: list[int] | None = None
        self.length = int(index["length"])

    def bind(self, columns: Schema, with_class: bool) -> list[Problem]:
        """What of the columns does not suit the model; from then on `length` is that of the series.

        Args:
            with_class: whether the class that a condition asks for is looked at.
        """
        index, model, messages = self.index, f"model {self.model}", list[str]()
        series, times = columns.get(self.field), columns.get(self.time)
        if not isinstance(series, Series) or not isinstance(times, Times) or times.length != series.length:
            message = f"needs the series `{self.field}` and the times of its steps `{self.time}`"
            return [Problem(message, (self.field, self.time))]
        self.length = series.length
        if series.length > index["length"]:
            messages.append(
                f"{model}: knows series of {index['length']} steps, and `{self.field}` has {series.length}; give it "
                "windows of as many steps as it was trained on"
            )
        if series.channels != tuple(index["channels"]):
            messages.append(
                f"{model}: has the channels {', '.join(index['channels'])}, in this order; `{self.field}` has "
                f"{', '.join(series.channels)}"
            )
        if times.unit != index["time_unit"]:
            messages.append(f"{model}: counts time in {index['time_unit']}, and `{self.time}` in {times.unit}")
        self._whose = whose(columns)
        self._places = {name: name if name in columns else f"condition.{name}" for name in self._asks}
        for name, place in self._places.items():
            given = columns.get(place)
            if not isinstance(given, Series) or given.channels != self._asks[name]:
                wanted = ", ".join(self._asks[name])
                messages.append(f"{model}: needs the {name} {wanted}, as `use: real-series` gives them")
        if self.calendar:
            messages += [f"{model}: {text}" for text in self.calendar.problems(columns.get("start_time"))]
        wrong: list[Problem] = []
        if with_class:
            self._ids, wrong = folders.class_ids(index, columns.get("condition.label"), self.model)
        return [*(Problem(message, (self.field, self.time)) for message in messages), *wrong]

    def series(self, columns: Columns, device: Any) -> torch.Tensor:
        """(N, L, C) in units, NaN where missing."""
        return _tensor(columns[self.field], device)

    def times(self, columns: Columns, device: Any) -> torch.Tensor:
        """float32 (N, L)."""
        return _tensor(columns[self.time], device).float()

    def labels(self, columns: Columns, device: Any) -> torch.Tensor:
        """The model's class ids (N,)."""
        import torch

        ids = [0] * len(columns[self.field])
        if self._ids is not None:
            ids = [self._ids[i] for i in columns["condition.label"]]
        return torch.tensor(ids, device=device)

    def beside(self, columns: Columns, device: Any) -> dict[str, torch.Tensor]:
        """`covariates` (N, L, K) and `static` (N, S), if the model has them."""
        found = {name: np.stack(columns[place]) for name, place in self._places.items()}
        if "static" in found:
            found["static"] = found["static"][:, 0]
        if self.entities:
            n = len(columns[self.field])
            found |= self.entities.beside(found, columns[self._whose] if self._whose else [None] * n)
        if self.calendar:
            starts = columns.get("start_time", ())
            found |= self.calendar.beside(found, starts, np.stack(columns[self.time]))
        return {name: _tensor(list(values), device) for name, values in found.items()}


def _tensor(values: Sequence[Any], device: Any) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.stack(values)).to(device)
