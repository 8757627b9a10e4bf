"""Exports of series as tables: one row per step, as pandas reads them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import helpers
import synthgen
import tiny
from synthgen.exporters.table import CsvTable
from synthgen.fields import Column


def drawn(folder: Path, **changes: Any) -> Path:
    """A rendered dataset of ten series with faults, or what `changes` ask for."""
    return helpers.run(helpers.write(folder, tiny.waves(**changes)), folder / "out").out


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def completions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tiny.gaps_data() | {"stride": 12, "units": {"rain": "mm"}}
    return drawn(
        tmp_path_factory.mktemp("completions"),
        condition={"use": "real-series", "data": data, "generate": "missing", "repeats": 3},
        sampler={"use": "series", "model": tiny.asking_series(), "steps": 2},
        labelers=[],
    )


def exported(cli: Any, dataset: Path, out: Path, kind: str = "parquet") -> Path:
    answer = cli("export", dataset, "--to", kind, "-o", out)
    assert answer.code == 0, answer.err
    return out


def test_pandas_reads_the_values_to_the_bit(cli, faults: Path, tmp_path: Path) -> None:
    out = exported(cli, faults, tmp_path / "out")
    dataset = synthgen.load(faults)
    frames = {split: pd.read_parquet(out / f"{split}.parquet") for split in ("train", "test")}
    assert sum(map(len, frames.values())) == 17 * len(dataset)
    n_missing = 0
    for sample in dataset:
        frame = frames[sample["split"]]
        rows = frame[frame.key == sample["key"]]
        assert rows.time.tolist() == sample["time"].tolist()
        assert set(rows.label) == {dataset.classes[sample["label"]]}
        for field, prefix in (("series", ""), ("anomalous", "anomalous.")):
            found = rows[[f"{prefix}wave", f"{prefix}rain"]].to_numpy()
            assert found.dtype == np.float32
            assert np.array_equal(found, sample[field], equal_nan=True)
        names = np.array(["normal", *dataset.fields["anomaly"].classes])
        assert np.array_equal(rows[["anomaly.wave", "anomaly.rain"]].to_numpy(), names[sample["anomaly"]])
        n_missing += int(np.isnan(sample["anomalous"]).sum())
    assert n_missing > 0, "a dropout of the fixture must leave values out"


def test_times_rise_within_every_series(cli, faults: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(exported(cli, faults, tmp_path / "out") / "train.parquet")
    steps = frame.groupby("key").time.diff().dropna()
    assert len(steps) == 16 * frame.key.nunique() and (steps > 0).all()


def test_units_and_classes_stand_in_the_file(cli, faults: Path, tmp_path: Path) -> None:
    path = exported(cli, faults, tmp_path / "out") / "train.parquet"
    schema = pq.read_schema(path)
    assert [str(schema.field(name).type) for name in ("label", "time", "wave")] == ["string", "double", "float"]
    assert schema.field("rain").metadata == {b"unit": b"mm"}
    facts = pd.read_parquet(path).attrs
    assert facts["units"] == {"time": "h", "wave": "1", "rain": "mm", "anomalous.wave": "1", "anomalous.rain": "mm"}
    assert facts["classes"]["label"] == ["calm", "wild"]
    assert facts["dataset"] == "waves" and facts["digest"] == helpers.manifest(faults)["digest"]


def test_missing_values_are_null_and_empty_cells(cli, faults: Path, tmp_path: Path) -> None:
    missing = sum(int(np.isnan(s["anomalous"]).any(1).sum()) for s in synthgen.load(faults, split="train"))
    column = pq.read_table(exported(cli, faults, tmp_path / "p") / "train.parquet")
    either = sum(
        a is None or b is None
        for a, b in zip(*(column[f"anomalous.{name}"].to_pylist() for name in ("wave", "rain")), strict=True)
    )
    with (exported(cli, faults, tmp_path / "c", "csv") / "train.csv").open() as file:
        empty = sum("" in (row["anomalous.wave"], row["anomalous.rain"]) for row in csv.DictReader(file))
    assert missing == either == empty > 0


def test_both_kinds_of_file_hold_the_same_table(cli, completions: Path, tmp_path: Path) -> None:
    tables = exported(cli, completions, tmp_path / "p"), exported(cli, completions, tmp_path / "c", "csv")
    for name in ("train", "completed"):
        one, other = pd.read_parquet(tables[0] / f"{name}.parquet"), pd.read_csv(tables[1] / f"{name}.csv")
        assert list(one) == list(other)
        for column in one:
            if one[column].dtype.kind == "f":
                np.testing.assert_allclose(one[column], other[column], rtol=1e-6)
            else:
                assert one[column].tolist() == other[column].tolist()


def test_what_a_series_was_drawn_for_stands_beside_it(cli, completions: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(exported(cli, completions, tmp_path / "out") / "train.parquet")
    scalars, steps = ["height", "source", "start"], ["wave", "rain", "known.wave", "known.rain", "sun"]
    assert list(frame) == ["key", *scalars, "time", *steps]
    rows = pd.read_csv(tiny.gaps_data()["path"]).set_index(["station", "hour"])
    real = rows.loc[list(zip(frame.source, frame.start + frame.time, strict=True))]
    for column in ("height", "sun"):
        np.testing.assert_allclose(frame[column], real[column], rtol=1e-6)
    np.testing.assert_allclose(frame["known.wave"], real["wave"], rtol=1e-6)


def test_fields_without_a_value_a_step_are_named(cli, faults: Path, tmp_path: Path) -> None:
    answer = cli("export", faults, "--to", "parquet", "-o", tmp_path / "out")
    assert "left out, having no value for each step: events" in answer.out


def test_equal_data_give_equal_bytes(cli, faults: Path, tmp_path: Path) -> None:
    first, second = (exported(cli, faults, tmp_path / name) / "train.parquet" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_pictures_are_refused(cli, finished: Path, tmp_path: Path, kind: str) -> None:
    answer = cli("export", finished, "--to", kind, "-o", tmp_path / "out")
    assert answer.code == 2
    assert "tables are of series" in answer.err and "--to imagefolder" in answer.err


def test_csv_has_the_digits_that_give_the_same_float32_again(tmp_path: Path) -> None:
    values = np.array([101325.25, 12345679, 0.1, 1 / 3, 1e-9, np.nan, -2], dtype=np.float32)
    with CsvTable(tmp_path / "a.csv", [Column("x", "float32")], {}) as table:
        table.add([values])
    cells = (tmp_path / "a.csv").read_text().splitlines()[1:]
    assert cells[0] == "101325.25" and cells[2] == "0.1" and cells[5] in ("", '""')
    again = np.array([float(cell.strip('"') or "nan") for cell in cells], dtype=np.float32)
    assert np.array_equal(again, values, equal_nan=True)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_scalar_field_of_a_plug_in_is_a_column(tmp_path: Path, kind: str) -> None:
    """Exported by a process that knows the field from the plug-in file alone."""
    plugin = Path(helpers.__file__).with_name("level_plugin.py")
    recipe = helpers.write(tmp_path, tiny.waves(labelers=[{"use": "class-label"}, {"use": "loudness"}]))

    def called(*words: object) -> None:
        done = helpers.call(helpers.command(*words, "--plugin", plugin))
        assert done.returncode == 0, done.stderr

    called("run", recipe, "-o", tmp_path / "out", "--executor", "local", "--workers", 1, "--device", "cpu")
    called("export", tmp_path / "out", "--to", kind, "-o", tmp_path / "table")
    tables = [path for path in (tmp_path / "table").iterdir() if path.suffix == f".{kind}"]
    frame = pd.concat([pd.read_csv(path) if kind == "csv" else pd.read_parquet(path) for path in tables])
    found = frame.groupby("key").loudness.agg(["nunique", "first"])
    series = {sample["key"]: sample for sample in synthgen.load(tmp_path / "out", plugins=[plugin])}
    assert (found["nunique"] == 1).all() and set(found.index) == set(series)
    for key, level in found["first"].items():
        assert level == series[key]["loudness"] == pytest.approx(20 * np.log10(rms(series[key]["series"])), rel=1e-6)
    if kind == "parquet":
        assert pq.read_schema(tables[0]).field("loudness").metadata == {b"unit": b"dB"}


def rms(series: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(series**2)))
