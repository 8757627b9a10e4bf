"""Series rows: what tables see of a dataset of series, a block of columns for each sample, one row per step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from synthgen.dataset.view import Sample
from synthgen.errors import UsageError
from synthgen.exporters.samples import Samples
from synthgen.fields import Field, Label, Number, Series, StepClasses, Text, Times, first

Values = Sequence[Any] | np.ndarray
Block = Sequence[Values]
"""Values of every column for the steps of one sample, in the order of the columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its name, what a cell holds, its unit (empty if it has none), and its classes, if any."""

    name: str
    kind: Literal["string", "float32", "float64"]
    unit: str = ""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where cells come from: a field, and of an array the channel; `asked` if only the condition has it."""

    field: str
    channel: int | None = None
    asked: bool = False


class SeriesRows(Samples):
    """The series of a dataset, one sample at a time, in constant memory.

    Columns are `key`; what is the same for a whole series (classes by name, numbers, texts, static columns, and what
    the condition says in words and numbers, such as the `source` and `start` of `real-series`); `time`; a column a
    channel; and the values of what else has one for each step: `<field>.<channel>` where that name is taken.

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
        self.completes = "known" in self.fields
        condition = self.book.identity["condition"]
        self.passes = condition["use"] == "real-series" and condition["generate"] == "nothing"
        self._plan = dict(self._planned())
        self.columns = tuple(self._plan)
        used = {origin.field for origin in self._plan.values()}
        self.left_out = [name for name in self.fields if name not in used]

    def block(self, sample: Sample) -> Block:
        """The rows of one sample, column by column."""
        return [self._values(column, origin, sample) for column, origin in self._plan.items()]

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

        yield Column(free("key", ""), "string"), Origin("key")
        taken.add("time")
        for name, kind in self.fields.items():
            yield from _of_series(free, name, kind, self.kind.length)
        for name, value in self._asked().items():
            words = isinstance(value, str)
            yield Column(free(name, "condition"), "string" if words else "float64"), Origin(name, asked=True)
        yield Column("time", "float64", self.time_unit), Origin(self.time or "time")
        for name, kind in self.fields.items():
            yield from _of_steps(free, name, kind, self.kind.length)

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

    def _values(self, column: Column, origin: Origin, sample: Sample) -> Values:
        length = self.kind.length
        if origin.asked:
            return [sample["meta"]["condition"][origin.field]] * length
        if origin.field == self.time or (column.name == "time" and self.time is None):
            return self.times(sample)
        value, kind = sample[origin.field], self.fields.get(origin.field)
        if isinstance(kind, Label):
            return [kind.classes[value]] * length
        if origin.channel is None:
            return [value] * length
        if isinstance(kind, StepClasses):
            return [column.classes[i] for i in value[:, origin.channel].tolist()]
        channel: np.ndarray = value[:, origin.channel]
        return channel if len(channel) == length else channel.repeat(length)


def _of_series(free: Any, name: str, kind: Field, length: int) -> Iterator[tuple[Column, Origin]]:
    """Columns of a field that has one value a series."""
    if isinstance(kind, Label):
        yield Column(free(name, "field"), "string", classes=kind.classes), Origin(name)
    elif isinstance(kind, Number):
        yield Column(free(name, "field"), "float64", kind.unit), Origin(name)
    elif isinstance(kind, Text):
        yield Column(free(name, "field"), "string"), Origin(name)
    elif isinstance(kind, Series) and kind.length == 1 < length:
        for i, (channel, unit) in enumerate(zip(kind.channels, kind.units, strict=True)):
            yield Column(free(channel, name), kind.dtype, unit), Origin(name, i)


def _of_steps(free: Any, name: str, kind: Field, length: int) -> Iterator[tuple[Column, Origin]]:
    """Columns of a field that has one value a step and channel."""
    if isinstance(kind, Series) and kind.length == length:
        for i, (channel, unit) in enumerate(zip(kind.channels, kind.units, strict=True)):
            yield Column(free(channel, name), kind.dtype, unit), Origin(name, i)
    elif isinstance(kind, StepClasses) and kind.length == length:
        for i, channel in enumerate(kind.channels):
            yield Column(free(channel, name), "string", classes=("normal", *kind.classes)), Origin(name, i)
