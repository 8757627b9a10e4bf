"""Tables: series as CSV or Parquet files, a row for each step; completed ones with intervals, scored ones joined."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from synthgen.errors import UsageError
from synthgen.exporters.moments import Moments
from synthgen.exporters.options import NoOptions
from synthgen.exporters.recordings import Recordings
from synthgen.exporters.series_rows import Block, SeriesRows
from synthgen.fields import Column

QUANTILES = (0.05, 0.5, 0.95)
GROUP_ROWS = 1 << 16
N_TOGETHER = 4096


class Table(Protocol):
    """A file that takes blocks of columns; the same blocks give the same bytes."""

    suffix: ClassVar[str]

    def __init__(self, path: Path, columns: Sequence[Column], about: Mapping[str, Any]) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
    def add(self, block: Block) -> None: ...


class CsvTable:
    """Text in UTF-8 with one heading; missing values are empty cells, numbers have as many digits as they need."""

    suffix: ClassVar[str] = "csv"

    def __init__(self, path: Path, columns: Sequence[Column], about: Mapping[str, Any]) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._table = csv.writer(self._file)
        self._table.writerow([column.name for column in columns])
        self._turn = [_TURNS.get(column.kind, _plain) for column in columns]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, block: Block) -> None:
        cells = [turn(values) for turn, values in zip(self._turn, block, strict=True)]
        self._table.writerows(zip(*cells, strict=True))


class ParquetTable:
    """Numbers as float32 and float64, null where a value is missing; a column's unit is its metadata `unit`.

    Units, classes (in the order of their ids) and the dataset's name stand in the schema's metadata under
    `PANDAS_ATTRS` too, whence `pandas.read_parquet` puts them into `DataFrame.attrs`.
    """

    suffix: ClassVar[str] = "parquet"

    def __init__(self, path: Path, columns: Sequence[Column], about: Mapping[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        attributes = {
            **about,
            "units": {column.name: column.unit for column in columns if column.unit},
            "classes": {column.name: list(column.classes) for column in columns if column.classes},
        }
        kinds = {"string": pa.string(), "float32": pa.float32(), "float64": pa.float64()}
        kinds |= {"timestamp": pa.timestamp("us"), "timestamp_utc": pa.timestamp("us", "UTC")}
        self._schema = pa.schema(
            [pa.field(c.name, kinds[c.kind], metadata={"unit": c.unit} if c.unit else None) for c in columns],
            metadata={"PANDAS_ATTRS": json.dumps(attributes, sort_keys=True)},
        )
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._n_waiting = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._write()
        self._writer.close()

    def add(self, block: Block) -> None:
        import pyarrow as pa

        arrays = [
            pa.array(values, kind, from_pandas=True) for values, kind in zip(block, self._schema.types, strict=True)
        ]
        self._waiting.append(pa.record_batch(arrays, schema=self._schema))
        self._n_waiting += len(arrays[0])
        if self._n_waiting >= GROUP_ROWS:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table, row_group_size=len(table))
            self._waiting, self._n_waiting = [], 0


class Csv:
    """A row for each step, as text."""

    description: ClassVar[str] = (
        "<split>.csv with a row for each step; of series that were completed, completed.csv with 90 % intervals; of "
        "windows that passed as they are, recordings.csv with scores"
    )
    roles: ClassVar[Sequence[str]] = ()
    table: ClassVar[type[Table]] = CsvTable

    Config = NoOptions

    def __init__(self, config: NoOptions) -> None:
        pass

    def samples(self, folder: str, split: str | None, fields: Mapping[str, str], allow_incomplete: bool) -> SeriesRows:
        return SeriesRows(folder, split, allow_incomplete)

    def write(self, rows: SeriesRows, out: Path, tick: Callable[[int], Any]) -> list[str]:
        return _export(self.table, rows, out, tick)


class Parquet(Csv):
    """A row for each step, as numbers with their units."""

    description: ClassVar[str] = (
        "the same as <split>.parquet: float32 (float64 where a channel needs it), null where a value is missing, "
        "units in the schema"
    )
    table: ClassVar[type[Table]] = ParquetTable


def _export(table: type[Table], rows: SeriesRows, out: Path, tick: Callable[[int], Any]) -> list[str]:
    completed = Completed(rows) if rows.completes else None
    whole = Recordings(rows) if rows.passes else None
    notes = []
    joined = {"completed": completed, "recordings": whole}
    if taken := [name for name, made in joined.items() if made is not None and name in rows.splits]:
        raise UsageError(f"the split `{taken[0]}` and the table of that name would be one file; export by --split")
    with ExitStack() as stack:
        files = {
            split: stack.enter_context(table(out / f"{split}.{table.suffix}", rows.columns, rows.about))
            for split in rows.splits
        }
        for sample in rows:
            files[sample["split"]].add(rows.block(sample))
            if completed is not None:
                condition = sample["meta"]["condition"]
                completed.add(condition, rows.times(sample), sample["known"], sample[rows.field])
            if whole is not None:
                whole.add(sample)
            tick(1)
    if whole is not None:
        name = f"recordings.{table.suffix}"
        with table(out / name, whole.columns, rows.about) as file:
            whole.write(file)
        notes.append(f"{name} has one row per time of every recording, with the mean score of its windows")
    if completed is not None:
        name = f"completed.{table.suffix}"
        with table(out / name, completed.columns, rows.about) as file:
            completed.write(file)
        notes.append(
            f"{name} has one row per time of every series: the known value or the median of those generated, and where "
            f"values were generated their 90 % interval ({completed.extent})"
        )
    if rows.left_out:
        notes.append(f"left out, having no value for each step: {', '.join(rows.left_out)}")
    return notes


class Completed:
    """All draws of every cell of the series that were completed: in memory, because copies lie far apart.

    Windows may overlap: a cell that was generated in one of them and known in another counts as generated.
    """

    def __init__(self, rows: SeriesRows) -> None:
        self._kind = rows.kind
        self._moments = Moments(rows.time_unit)
        self._known: dict[tuple[str, float], np.ndarray] = {}
        self._drawn: defaultdict[tuple[str, float], list[np.ndarray]] = defaultdict(list)

    @property
    def columns(self) -> list[Column]:
        """Entity, time (a timestamp if the data had timestamps), and of every channel the value and its interval."""
        channels = zip(self._kind.channels, self._kind.units, strict=True)
        values = [
            Column(f"{name}{end}", self._kind.dtype, unit) for name, unit in channels for end in ("", "_low", "_high")
        ]
        return [Column("entity", "string"), self._moments.column, *values]

    @property
    def extent(self) -> str:
        """How many values were generated of a cell: of one, an interval has no width."""
        numbers = [int((~np.isnan(np.stack(drawn))).sum(0).max()) for drawn in self._drawn.values()]
        drawn = sorted({n for n in numbers if n})
        if not drawn:
            return "nothing was generated"
        return f"of {drawn[0]}" + (f" to {drawn[-1]}" if len(drawn) > 1 else "") + " values; `repeats` generates more"

    def add(self, condition: Mapping[str, Any], times: np.ndarray, known: np.ndarray, values: np.ndarray) -> None:
        for time, there, value in zip(times.tolist(), known, values, strict=True):
            place = self._moments.place(condition, time)
            self._known[place] = there
            self._drawn[place].append(np.where(np.isnan(there), value, there.dtype.type(np.nan)))

    def write(self, table: Table) -> None:
        """One row per time of every entity, in order of both."""
        places = sorted(self._known)
        for first in range(0, len(places), N_TOGETHER):
            some = places[first : first + N_TOGETHER]
            known = np.stack([self._known[place] for place in some])
            drawn = [_quantiles(np.stack(self._drawn[place])) for place in some]
            low, middle, high = np.stack(drawn, axis=1).astype(self._kind.dtype)
            value = np.where(np.isnan(middle), known, middle)
            cells = [part[:, i] for i in range(known.shape[1]) for part in (value, low, high)]
            table.add([[entity for entity, _ in some], [self._moments.written(*place) for place in some], *cells])


def _quantiles(drawn: np.ndarray) -> np.ndarray:
    """(Q, C): QUANTILES over copies (N, C), of which NaN ones do not count; NaN where all are."""
    there = ~np.isnan(drawn)
    found = np.full((len(QUANTILES), drawn.shape[1]), np.nan)
    for counts in {tuple(column) for column in there.T.tolist() if any(column)}:  # columns generated alike go together
        alike = (there == np.array(counts)[:, None]).all(0)
        found[:, alike] = np.quantile(drawn[np.array(counts)][:, alike], QUANTILES, axis=0)
    return found


def _cells(values: Sequence[Any] | np.ndarray) -> list[Any]:
    """Numbers in the fewest digits that give the same float32 again, nothing where one is missing."""
    numbers = np.asarray(values, dtype=np.float32)
    cells: list[Any] = np.where(np.isnan(numbers), "", numbers.astype("U32")).tolist()
    return cells


def _moments(values: Sequence[Any] | np.ndarray) -> list[str]:
    """Timestamps in ISO form, as `2024-01-07T06:00:00`."""
    return [moment.isoformat() for moment in np.asarray(values).tolist()]


def _utc_moments(values: Sequence[Any] | np.ndarray) -> list[str]:
    return [f"{moment}+00:00" for moment in _moments(values)]


def _plain(values: Sequence[Any] | np.ndarray) -> list[Any]:
    """Values as they are, numbers in the fewest digits of a float64, nothing where one is missing."""
    cells = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return ["" if value != value else value for value in cells]  # noqa: PLR0124  (NaN is unlike itself)


_TURNS: Mapping[str, Callable[[Sequence[Any] | np.ndarray], list[Any]]] = {
    "float32": _cells,
    "timestamp": _moments,
    "timestamp_utc": _utc_moments,
}
"""How cells of a kind are written as text; others are as they are."""
