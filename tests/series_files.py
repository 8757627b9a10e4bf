"""Small files of time series for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.readers.series.reader import SeriesData


def csv(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def data(path: Path, **settings: Any) -> SeriesData:
    return SeriesData.model_validate({"path": str(path), "length": 2, "validation": 0.0, **settings})


def walk(path: Path, n_rows: int, names: tuple[str, ...] = ("x",), header: str = "name,t,v") -> Path:
    """A table of entities with `n_rows` rows each, times from 0 on; a value tells entity and row: 1000 e + t."""
    rows = [f"{name},{t},{1000 * e + t}" for e, name in enumerate(names) for t in range(n_rows)]
    return csv(path, "\n".join([header, *rows]) + "\n")


def numbers(*values: float | None) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)
