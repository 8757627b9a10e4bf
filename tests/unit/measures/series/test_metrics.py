"""The report: every metric in every row, JSON values, and the same again for the same seed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from synthgen.measures.series import metrics
from synthgen.measures.series.discriminative import floor
from synthgen.measures.series.metrics import Effort

RNG = np.random.default_rng(0)
REAL, FAKE, HELD_OUT = (RNG.random((n, 10, 3), dtype=np.float32) for n in (100, 150, 50))
LITTLE = Effort(discriminative=5, predictive=5, ts2vec=1)
RULERS = (*metrics.PROTOCOL, *metrics.BEYOND)


def run(**changes: Any) -> dict[str, Any]:
    return metrics.evaluate(REAL, FAKE, **({"repeats": 2, "effort": LITTLE} | changes))


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return run(held_out=HELD_OUT)


def test_the_default_effort_is_the_published_protocol() -> None:
    assert Effort() == Effort(discriminative=2000, predictive=5000, ts2vec=None)


def test_every_metric_in_every_row(found: dict[str, Any]) -> None:
    assert list(found["rows"]) == ["synthetic", "real", "held_out", "real_held_out"]
    for row in found["rows"].values():
        assert set(row) == {"n_test", "floor", *RULERS}
        assert all(len(row[name]["values"]) == 2 for name in metrics.PROTOCOL)
    assert json.loads(json.dumps(found)) == found


def test_rows_that_the_generator_has_no_part_in_can_be_left_out(found: dict[str, Any]) -> None:
    less = run(held_out=HELD_OUT, real_rows=False)
    assert set(less["rows"]) == {"synthetic", "held_out"}
    assert less["rows"]["synthetic"] == found["rows"]["synthetic"]


def test_floors_are_those_of_the_windows_compared(found: dict[str, Any]) -> None:
    floors = {name: row["floor"] for name, row in found["rows"].items()}
    assert floors["synthetic"] == floors["real"] == floor(40)
    assert floors["held_out"] == floors["real_held_out"] == floor(20)


def test_real_windows_are_no_zero_by_construction(found: dict[str, Any]) -> None:
    assert all(found["rows"]["real"][name]["mean"] > 0 for name in metrics.OF_HALVES)


def test_metrics_without_chance_are_read_once(found: dict[str, Any]) -> None:
    for name in metrics.ONCE:
        assert len(found["rows"]["synthetic"][name]["values"]) == 1
        assert found["rows"]["synthetic"][name]["interval"] is None


def test_repeats_differ_and_can_be_had_again(found: dict[str, Any]) -> None:
    said: list[str] = []
    again = run(repeats=1, say=said.append)
    for row in ("synthetic", "real"):
        for name in RULERS:
            assert again["rows"][row][name]["values"] == found["rows"][row][name]["values"][:1]
        assert len(set(found["rows"][row]["context_fid"]["values"])) == 2
    names = list(metrics.all_metrics(LITTLE, "cpu"))
    assert [line.split(":")[0] for line in said] == [
        f"{row}, {name}" for row in ("synthetic", "real") for name in names
    ]


def test_the_interval_is_students() -> None:
    values = RNG.normal(3, 1, 5).tolist()
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    spread = metrics.spread(values)
    assert spread["mean"] - spread["interval"] == pytest.approx(low)
    assert spread["mean"] + spread["interval"] == pytest.approx(high)


def test_halves_share_nothing() -> None:
    a, b = metrics.halves(np.arange(101), 0)
    assert len(a) == len(b) == 50
    assert len({*a, *b}) == 100


def test_the_table_names_every_number(found: dict[str, Any]) -> None:
    text = metrics.text(found)
    assert "150 synthetic and 100 real windows of 10 steps and 3 channels" in text
    for name in RULERS:
        line = next(line for line in text.splitlines() if line.startswith(f"  {name} "))
        for row in found["rows"].values():
            assert metrics.shown(row[name]) in line
    assert f"ratio {found['nearest']['ratio']:.4f}" in text
