"""Tables: series as CSV files, a row a step; completed ones with intervals, scored ones joined to recordings."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from synthgen import ledger
from synthgen.errors import UsageError
from synthgen.fields import Label, Series, Times
from synthgen.view import View

DESCRIPTION = (
    "<split>.csv with a row a step; of series that were completed, completed.csv with 90 % intervals; of windows that "
    "passed as they are, recordings.csv with scores"
)
QUANTILES = (0.05, 0.5, 0.95)
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


class SeriesRows:
    """The series of a dataset, one sample at a time.

    Raises:
        UsageError: the dataset holds no series, or `roles` name fields of pictures.
        StoreError: it is incomplete, without `allow_incomplete`.
    """

    def __init__(self, folder: str, split: str | None, roles: Mapping[str, str], allow_incomplete: bool) -> None:
        book = ledger.read(folder)
        if not allow_incomplete:
            book.require_complete()
        self.lack = None if book.complete else book.lack
        self._view = View(book, split, None, None)
        named = [(name, kind) for name, kind in book.fields.items() if isinstance(kind, Series)]
        if not named or roles:
            raise UsageError(f"{folder}: `--to csv` is for series, without --field; it holds {', '.join(book.fields)}")
        self.field, self.kind = named[0]
        self.time = next((name for name, kind in book.fields.items() if isinstance(kind, Times)), None)
        self.unit = book.fields[self.time].unit if self.time else "step"  # type: ignore[attr-defined]
        self.label = next((name for name, kind in book.fields.items() if isinstance(kind, Label)), None)
        self.classes = book.fields[self.label].classes if self.label else ()  # type: ignore[attr-defined]
        self.completes = "known" in book.fields
        self.scores = {
            name: kind
            for name, kind in named[1:]
            if name != "known" and kind.length == self.kind.length and len(kind.channels) == 1
        }
        self.splits = list(dict.fromkeys(file.split for file in self._view.files))

    def __len__(self) -> int:
        return sum(file.n_samples for file in self._view.files)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for file in self._view.files:
            yield from self._view.read(file)


def export(rows: SeriesRows, out: Path, tick: Callable[[int], Any]) -> list[str]:
    """Writes everything into `out`; missing values are empty cells."""
    files = {split: (out / f"{split}.csv").open("w", newline="", encoding="utf-8") for split in rows.splits}
    completed = Completed(rows.kind.channels) if rows.completes else None
    whole = Recordings(rows.kind.channels, list(rows.scores), rows.unit)
    try:
        tables = {split: csv.writer(file) for split, file in files.items()}
        head = ["key", *(["label"] if rows.label else []), "time", *rows.kind.channels, *rows.scores]
        for table in tables.values():
            table.writerow(head)
        for sample in rows:
            label = [rows.classes[sample[rows.label]]] if rows.label else []
            values = sample[rows.field]
            times = sample[rows.time] if rows.time else np.arange(len(values))
            scores = [sample[name] for name in rows.scores]
            for time, step in zip(times.tolist(), np.concatenate([values, *scores], axis=1).tolist(), strict=True):
                tables[sample["split"]].writerow([sample["key"], *label, time, *map(_cell, step)])
            if "origin" in sample["meta"]["condition"]:
                whole.add(sample["meta"]["condition"], times, values, scores)
            if completed is not None:
                completed.add(sample["meta"]["condition"], times, sample["known"], values)
            tick(1)
    finally:
        for file in files.values():
            file.close()
    if whole:
        whole.write(out / "recordings.csv")
        return ["recordings.csv has a row a time of every recording, with the mean score of the windows that it is in"]
    if completed is None:
        return []
    completed.write(out / "completed.csv")
    return ["completed.csv has a row a time of every series: the known value or the median of those drawn, and where"
            " values were drawn their 90 % interval"]  # fmt: skip


class Completed:
    """All draws of every cell of the series that were completed: in memory, because copies lie far apart."""

    def __init__(self, channels: Sequence[str]) -> None:
        self.channels = channels
        self._known: dict[tuple[str, float], np.ndarray] = {}
        self._drawn: defaultdict[tuple[str, float], list[np.ndarray]] = defaultdict(list)

    def add(self, condition: Mapping[str, Any], times: np.ndarray, known: np.ndarray, values: np.ndarray) -> None:
        start = float(condition.get("start", 0.0))
        for time, there, value in zip(times.tolist(), known, values, strict=True):
            place = str(condition.get("source", "")), round(start + time, 9)
            self._known[place] = there
            self._drawn[place].append(value)

    def write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            names = [f"{name}{ending}" for name in self.channels for ending in ("", "_low", "_high")]
            table.writerow(["entity", "time", *names])
            for entity, time in sorted(self._known):
                known, drawn = self._known[entity, time], np.stack(self._drawn[entity, time])
                low, middle, high = np.quantile(drawn, QUANTILES, axis=0)
                cells: list[Any] = []
                for i, value in enumerate(known.tolist()):
                    cells += [_cell(middle[i]), _cell(low[i]), _cell(high[i])] if math.isnan(value) else [value, "", ""]
                table.writerow([entity, time, *cells])


class Recordings:
    """The steps of recordings whose windows passed as they are, once each: in memory, because windows overlap."""

    def __init__(self, channels: Sequence[str], scores: Sequence[str], unit: str) -> None:
        self._head = ["entity", "time", *channels, *scores]
        self._second = SECONDS.get(unit)
        self._origins: dict[str, str] = {}
        self._values: dict[tuple[str, float], np.ndarray] = {}
        self._scores: defaultdict[tuple[str, float], list[list[float]]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._values)

    def add(
        self, condition: Mapping[str, Any], times: np.ndarray, values: np.ndarray, scores: Sequence[np.ndarray]
    ) -> None:
        """One window: `start` and `source` of its condition say where it lies, `origin` what time 0 is."""
        entity, start = str(condition["source"]), float(condition["start"])
        self._origins[entity] = str(condition["origin"])
        for i, time in enumerate(times.tolist()):
            place = entity, round(start + time, 9)
            self._values[place] = values[i]
            self._scores[place].append([float(score[i, 0]) for score in scores])

    def write(self, path: Path) -> None:
        """Rows by entity and time, which is a timestamp if the data had timestamps; missing cells are empty."""
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(self._head)
            for entity, time in sorted(self._values):
                scores = [_mean(column) for column in zip(*self._scores[entity, time], strict=True)]
                cells = map(_cell, [*self._values[entity, time].tolist(), *scores])
                table.writerow([entity, self._when(self._origins[entity], time), *cells])

    def _when(self, origin: str, time: float) -> str | float:
        if not origin or self._second is None:
            return time
        return (datetime.fromisoformat(origin) + timedelta(seconds=time * self._second)).isoformat()


def _mean(values: Sequence[float]) -> float:
    """The mean of those that are not missing, NaN if all are."""
    there = [value for value in values if not math.isnan(value)]
    return sum(there) / len(there) if there else math.nan


def _cell(value: float) -> Any:
    """A number as seven digits hold it (float32), nothing if it is missing."""
    return "" if math.isnan(value) else float(f"{value:.7g}")
