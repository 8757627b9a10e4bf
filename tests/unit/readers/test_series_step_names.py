"""Tables of one series a row: `init` finds them, and none is read as channels without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthgen.errors import DataError
from synthgen.readers.series import reader, scaffold
from synthgen.readers.series.types import SeriesData


def write(path: Path, head: list[str], names: list[str], values: np.ndarray) -> str:
    rows = [
        ",".join([*([name] if name else []), *(f"{v:.3f}" for v in row)])
        for name, row in zip(names, values, strict=True)
    ]
    path.write_text("\n".join([",".join(head), *rows]) + "\n")
    return str(path)


def walks(n: int, length: int, axis: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(0).normal(size=(n, length)), axis=axis)


def test_columns_called_after_days_are_steps(tmp_path: Path) -> None:
    days = [f"2024-01-{day:02d}" for day in range(1, 13)]
    path = write(tmp_path / "t.csv", ["station", *days], [f"s{i}" for i in range(20)], walks(20, 12, 1))
    found = scaffold.look(path)
    assert found.settings == {"form": "wide", "entity": "station"} and found.length == 12
    assert [len(item) for item in found.recordings.items] == [12] * 20
    with pytest.raises(DataError, match=r"2024-01-01, 2024-01-02 \.\.\. are called after times.*`form: wide`"):
        reader.read(SeriesData(path=path, length=4))
    assert len(reader.read(SeriesData(path=path, length=4, form="table")).channels) == 12


@pytest.mark.parametrize("names", ["{}", "att{}", "t_{}"])
def test_counted_columns_are_steps_where_values_are_alike_along_rows(tmp_path: Path, names: str) -> None:
    steps = [names.format(i) for i in range(1, 41)]
    path = write(tmp_path / "t.csv", ["class", *steps], [f"c{i % 3}" for i in range(30)], walks(30, 40, 1))
    found = scaffold.look(path)
    assert found.settings == {"form": "wide", "static": ["class"]} and found.length == 40
    notes: list[str] = list(reader.read(SeriesData(path=path, length=4)).notes)
    assert any(f"{steps[0]} to {steps[-1]} are channels, and each row is a time" in note for note in notes)
    assert "set `form: wide`" in " ".join(notes)


def test_counted_channels_stay_channels(tmp_path: Path) -> None:
    """Electrodes, which are alike from row to row; and columns of noise, which show nothing."""
    steps = [f"ch{i}" for i in range(1, 17)]
    for axis, values in (("rows", walks(200, 16, 0)), ("none", np.random.default_rng(1).normal(size=(200, 16)))):
        path = write(tmp_path / f"{axis}.csv", steps, [""] * 200, values)
        found = scaffold.look(path)
        assert "form" not in found.settings and len(found.channels) == 16
        assert not [note for note in reader.read(SeriesData(path=path, length=4)).notes if "wide" in note]
