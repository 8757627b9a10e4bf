"""Recordings: windows of real series that passed as they are, joined to whole series, and what is said of each step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from synthgen.dataset.view import Sample
from synthgen.exporters.moments import Moments
from synthgen.exporters.series_rows import SeriesRows
from synthgen.fields import Column

if TYPE_CHECKING:
    from synthgen.exporters.table import Table


class Recordings:
    """The steps of recordings, once each: in memory, because windows overlap."""

    def __init__(self, rows: SeriesRows) -> None:
        self._rows = rows
        self._scores, self._classes = scores(rows), classes(rows)
        self._moments = Moments(rows.time_unit)
        self._values: dict[tuple[str, float], np.ndarray] = {}
        self._found: defaultdict[tuple[str, float], list[np.ndarray]] = defaultdict(list)
        self._seen: defaultdict[tuple[str, float], list[np.ndarray]] = defaultdict(list)

    @property
    def columns(self) -> list[Column]:
        """Entity, time (a timestamp if the data had timestamps), channels, scores and classes of steps.

        `<field>.<column>` where a name is taken.
        """
        kind = self._rows.kind
        channels = [Column(name, kind.dtype, unit) for name, unit in zip(kind.channels, kind.units, strict=True)]
        owned = [(self._rows.field, column) for column in channels]
        owned += [(name, Column(name, "float32")) for name in self._scores]
        owned += [(name, column) for name in self._classes for column in self._rows.fields[name].columns(name)]
        found, taken = [Column("entity", "string"), self._moments.column], {"entity", self._moments.column.name}
        for owner, column in owned:
            name = column.name
            while name in taken:
                name = f"{owner if owner != column.name else 'field'}.{name}"
            taken.add(name)
            found.append(replace(column, name=name))
        return found

    def add(self, sample: Sample) -> None:
        """One window: its condition says where it lies."""
        condition = sample["meta"]["condition"]
        found = np.concatenate([np.empty((self._rows.kind.length, 0)), *(sample[name] for name in self._scores)], 1)
        seen = np.stack([sample[name] for name in self._classes], 1) if self._classes else None
        for i, time in enumerate(self._rows.times(sample).tolist()):
            place = self._moments.place(condition, time)
            self._values[place] = sample[self._rows.field][i]
            self._found[place].append(found[i])
            if seen is not None:
                self._seen[place].append(seen[i])

    def write(self, table: Table) -> None:
        """One row per time of every entity, in order of both; missing values have no score.

        Where windows overlap, scores are means, and classes what most windows say.
        """
        places = sorted(self._values)
        values = np.stack([self._values[place] for place in places]).astype(self._rows.kind.dtype)
        means = np.stack([_mean(np.stack(self._found[place])) for place in places]).astype(np.float32)
        times = [self._moments.written(*place) for place in places]
        named: list[list[str]] = []
        for k, name in enumerate(self._classes):
            ids = np.array([np.bincount([ids[k] for ids in self._seen[place]]).argmax() for place in places])
            named += self._rows.fields[name].rows(ids)
        table.add([[entity for entity, _ in places], times, *values.T, *means.T, *named])


def scores(rows: SeriesRows) -> Sequence[str]:
    """Names of the fields with one number a step, such as those of `denoising-error`."""
    return [
        name
        for name, field in rows.fields.items()
        if name not in (rows.field, "known", "covariates")
        and field.n_rows == rows.kind.length
        and [column.kind for column in field.columns(name)] in (["float32"], ["float64"])
    ]


def classes(rows: SeriesRows) -> Sequence[str]:
    """Names of the fields with one column, of classes and of that name, such as those of `step-classes`."""
    return [
        name
        for name, field in rows.fields.items()
        if field.n_rows == rows.kind.length
        and [(column.name, bool(column.classes)) for column in field.columns(name)] == [(name, True)]
    ]


def _mean(found: np.ndarray) -> np.ndarray:
    """Means (K,) over windows (W, K) of what is not missing, NaN where all is."""
    there = ~np.isnan(found)
    total: np.ndarray = np.where(there, found, 0).sum(0) / np.maximum(there.sum(0), 1)
    return np.where(there.any(0), total, np.nan)
