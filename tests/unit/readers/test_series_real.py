"""Real time series that lie beside the project, as their benchmarks read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import helpers
from series_files import data
from synthgen.errors import DataError
from synthgen.readers.series import reader

REAL = helpers.ROOT.parent / "shared" / "data"
CSDI = [
    "DiasABP", "HR", "Na", "Lactate", "NIDiasABP", "PaO2", "WBC", "pH", "Albumin", "ALT", "Glucose", "SaO2", "Temp",
    "AST", "Bilirubin", "HCO3", "BUN", "RespRate", "Mg", "HCT", "SysABP", "FiO2", "K", "GCS", "Cholesterol",
    "NISysABP", "TroponinT", "MAP", "TroponinI", "PaCO2", "Platelets", "Urine", "NIMAP", "Creatinine", "ALP",
]  # fmt: skip
"""The 35 variables of the usual benchmark: all but weight and the ventilation flag."""

pytestmark = [pytest.mark.realdata, pytest.mark.skipif(not REAL.is_dir(), reason="the data sets are not here")]


def test_stocks() -> None:
    config = data(REAL / "timegan" / "stock_data.csv", newest_first=True, length=24)
    read = reader.read(config)
    found = reader.windows(read, config, "train")
    assert found.values.shape == (3662, 24, 6)
    assert found.values.base is not None, "a view of one series, 24 times smaller than copies"
    np.testing.assert_allclose(found.values[-1, -1], [49.676899, 51.693783, 47.669952, 49.845802, 49.845802, 44994500])
    assert [channel.name for channel in found.channels] == ["Open", "High", "Low", "Close", "Adj_Close", "Volume"]


@pytest.mark.parametrize(
    ("name", "interval", "start", "n_rows"),
    [
        ("nyc_taxi", 30.0, "2014-07-01", 10320),
        ("cpu_utilization_asg_misconfiguration", 5.0, "2014-05-14T01:14:00", 18050),
        ("ambient_temperature_system_failure", None, "2013-07-04", 7267),
        ("rogue_agent_key_hold", None, "2014-07-06T20:10:00", 1882),
    ],
)
def test_benchmark_of_anomalies(name: str, interval: float | None, start: str, n_rows: int) -> None:
    found = reader.read(data(REAL / "nab" / f"{name}.csv", time="timestamp"))
    assert (found.interval, found.items[0].start, len(found.items[0])) == (interval, start, n_rows)


def test_clocks_that_were_put_back() -> None:
    path = REAL / "nab" / "machine_temperature_system_failure.csv"
    with pytest.raises(DataError, match=r"csv: row 10151: timestamp: 2014-01-07T02:00:00 is earlier than the row bef"):
        reader.read(data(path, time="timestamp"))
    found = reader.read(data(path, time="timestamp", time_unit="min", step=5))
    assert found.interval == 5.0
    observed = np.isfinite(found.items[0].values[:, 0])
    assert 22_600 < observed.sum() < 22_695, "of 22,695 rows, 12 share their times with others"


def test_folders_of_the_benchmark_of_anomalies(tmp_path: Path) -> None:
    for name in ("nyc_taxi", "cpu_utilization_asg_misconfiguration"):
        (tmp_path / f"{name}.csv").symlink_to(REAL / "nab" / f"{name}.csv")
    found = reader.read(data(tmp_path, time="timestamp", time_unit="h", step=1))
    assert [item.entity for item in found.items] == ["cpu_utilization_asg_misconfiguration", "nyc_taxi"]
    assert [len(item) for item in found.items] == [1505, 5160]


def test_intensive_care() -> None:
    place = REAL / "physionet2012"
    settings = {
        "entity": "record_id", "time": "t_min", "variable": "parameter", "value": "value", "time_unit": "min",
        "step": 60, "span": (0, 2880), "length": 48, "missing": [-1], "channels": CSDI, "validation": 0.1, "test": 0.2,
        "static_table": str(place / "patients.parquet"), "static": ["age", "gender", "height"],
        "label": "In-hospital_death",
    }  # fmt: skip
    config = data(place / "measurements.parquet", **settings)
    read = reader.read(config)
    assert (len(read), read.classes, read.interval) == (3996, ("0", "1"), 60.0)
    found = {split: reader.windows(read, config, split) for split in ("train", "validation", "test")}
    assert sum(len(w) + w.skipped for w in found.values()) == 3996
    train = found["train"]
    assert train.values.shape[1:] == (48, 35)
    assert 0.79 < np.isnan(train.values).mean() < 0.82
    assert (train.values[np.isfinite(train.values)] != -1).all()
    assert 0.10 < train.labels.mean() < 0.17
    assert np.isnan(train.static).any(axis=0).tolist() == [False, True, True]
    with pytest.raises(DataError, match=r"MechVent: is constant \(1 in every row\)"):
        reader.read(config.model_copy(update={"channels": None}))


def test_heart_beats() -> None:
    place = REAL / "ecg_mitbih100"
    events = {"path": str(place / "annotations.parquet"), "time": "sample", "label": "symbol", "classes": ["N", "A"],
              "before": 90, "after": 166}  # fmt: skip
    config = data(place / "signal.parquet", time="sample", length=256, events=events, validation=0.1, test=0.2)
    read = reader.read(config)
    found = {split: reader.windows(read, config, split) for split in ("train", "validation", "test")}
    assert sum(len(w) + w.skipped for w in found.values()) == 2239 + 33
    assert sum(w.skipped for w in found.values()) < 10
    train = found["train"]
    assert train.classes == ("N", "A")
    beat = train.values[train.labels == 0].mean(axis=0)[:, 0]
    assert int(np.argmax(beat)) == 90, "the mean beat has its peak at the annotated sample"
    assert read.interval == 1.0
