"""Series rows: what tables see of a dataset of series, a block of columns for each sample, one row per step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from synthgen.base.units import UNITS_US
from synthgen.dataset.view import Sample
from synthgen.errors import UsageError
from synthgen.exporters.samples import Samples
from synthgen.fields import Column, Series, Times, Timestamp, first

Values = Sequence[Any] | np.ndarray
Block = Sequence[Values]
"""Values of every column for the steps of one sample, in the order of the columns."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where cells come from: a field, and which of its columns; `asked` if only the condition has it."""

    field: str
    column: int = 0
    asked: bool = False


class SeriesRows(Samples):
    """The series of a dataset, one sample at a time, in constant memory.

    Columns are `key`; what is the same for a whole series (classes by name, numbers, texts, static columns, and what
    the condition says in words and numbers, such as the `source` and `start` of `real-series`); `time`, a timestamp if
    samples have a `start_time`; a column a channel; and the values of what else has one for each step:
    `<field>.<channel>` where that name is taken.

    Attributes:
        completes: values were generated beside known ones.
        passes: the series are real ones, as they were.
        columns: of the table, in order.
        left_out: names of the fields that have neither one value a step nor one a series.

    Raises:
        UsageError: the dataset holds no series.
        StoreError: it is incomplete, without `allow_incomplete`.
    """

    def __init__(self, folder: str, split: str | None, allow_incomplete: bool) -> None:
        super().__init__(folder, split, allow_incomplete)
        self.about = {"dataset": self.name, "digest": (self.book.manifest or {}).get("digest", "")}
        self.field, kind = first(self.fields, Series)
        if kind is None:
            raise UsageError(
                f"{folder}: tables are of series; it holds {', '.join(self.fields)}; for images try "
                "`--to imagefolder` or `--to coco`"
            )
        self.kind = kind
        self.time = first(self.fields, Times)[0] or None
        moment = self.fields.get("start_time")
        stamped = isinstance(moment, Timestamp) and self.time_unit in UNITS_US
        self._moment = moment if stamped else None
        self.completes = "known" in self.fields
        condition = self.book.identity["condition"]
        self.passes = condition["use"] == "real-series" and condition["generate"] == "nothing"
        self._plan = dict(self._planned())
        self.columns = tuple(self._plan)
        used = {origin.field for origin in self._plan.values()} | ({"start_time"} if self._moment else set())
        self.left_out = [name for name in self.fields if name not in used]

    def block(self, sample: Sample) -> Block:
        """The rows of one sample, column by column."""
        used = {origin.field for origin in self._plan.values()}
        cells = {name: field.rows(sample[name]) for name, field in self.fields.items() if name in used}
        return [self._values(origin, sample, cells) for origin in self._plan.values()]

    def times(self, sample: Sample) -> np.ndarray:
        """float64 (L,): the time of each step; numbers of steps where the dataset has no times."""
        return sample[self.time] if self.time else np.arange(self.kind.length, dtype=np.float64)

    @property
    def time_unit(self) -> str:
        time = self.fields[self.time] if self.time else None
        return time.unit if isinstance(time, Times) else "step"

    def _planned(self) -> Iterator[tuple[Column, Origin]]:
        """Columns in order, with unique names."""
        taken: set[str] = set()

        def free(name: str, field: str) -> str:
            while name in taken:
                name = f"{field}.{name}"
            taken.add(name)
            return name

        def of_fields(n_rows: int) -> Iterator[tuple[Column, Origin]]:
            for name, field in self.fields.items():
                if self._moment and name == "start_time":
                    continue
                for i, column in enumerate(field.columns(name) if field.n_rows == n_rows else ()):
                    owner = "field" if column.name == name else name
                    yield replace(column, name=free(column.name, owner)), Origin(name, i)

        yield Column(free("key", ""), "string"), Origin("key")
        taken.add("time")
        if self.kind.length > 1:
            yield from of_fields(1)
        for name, value in self._asked().items():
            words = isinstance(value, str)
            yield Column(free(name, "condition"), "string" if words else "float64"), Origin(name, asked=True)
        time = self._moment.columns("time")[0] if self._moment else Column("time", "float64", self.time_unit)
        yield time, Origin(self.time or "time")
        yield from of_fields(self.kind.length)

    def _asked(self) -> dict[str, Any]:
        """Words and numbers of the condition that no field repeats, of the first sample: all have the same."""
        for sample in self:
            asked: Mapping[str, Any] = sample["meta"]["condition"]
            return {
                name: value
                for name, value in asked.items()
                if isinstance(value, str | int | float) and value != "" and name not in self.fields
            }
        return {}

    def _values(self, origin: Origin, sample: Sample, cells: Mapping[str, Sequence[Any]]) -> Values:
        length = self.kind.length
        if origin.asked:
            return [sample["meta"]["condition"][origin.field]] * length
        if origin.field == "key":
            return [sample["key"]] * length
        if origin.field == (self.time or "time"):
            times = self.times(sample)
            if not self._moment:
                return times
            since = np.round(times * UNITS_US[self.time_unit]).astype("timedelta64[us]")
            return sample["start_time"] + since  # type: ignore[no-any-return]
        values: Values = cells[origin.field][origin.column]
        if len(values) == length:
            return values
        return values.repeat(length) if isinstance(values, np.ndarray) else [*values] * length
