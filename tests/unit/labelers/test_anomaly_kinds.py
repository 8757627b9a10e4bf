"""What each kind of anomaly does to a channel, and how channels are measured."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.labelers.anomalies.kinds import RULES, Change, Kind, Scale, channel_of, scale_of

L, START, END = 40, 10, 20
SCALE = Scale(deviation=2.0, floor=-1.0)
RAMP = np.arange(L, dtype=np.float32)


def changed(kind: Kind, values: np.ndarray, scale: Scale = SCALE, seed: int = 0, **more: float) -> np.ndarray | None:
    channel = channel_of(values, scale)
    assert channel is not None
    asked = {"start": START, "end": END, "severity": 4.0, "speed": 2.0, "missing": False, **more}
    return RULES[kind].apply(channel, Change(**asked), np.random.default_rng(seed))  # type: ignore[arg-type]


def both_ways(kind: Kind, **more: float) -> set[tuple[float, ...]]:
    """What a kind adds to a ramp, over many seeds."""
    found = [changed(kind, RAMP, seed=seed, **more) for seed in range(20)]
    return {tuple((values - RAMP[START : START + len(values)]).tolist()) for values in found if values is not None}


def test_a_spike_and_a_shift_move_values_by_the_severity_up_or_down() -> None:
    assert both_ways("point", end=START + 1) == {(8.0,), (-8.0,)}
    assert both_ways("level-shift") == {(8.0,) * 10, (-8.0,) * 10}


def test_a_drift_reaches_the_severity_at_its_last_step() -> None:
    line = 0.8 * np.arange(1, 11)
    up, down = sorted(both_ways("drift"), reverse=True)
    assert np.allclose(up, line) and np.allclose(down, -line)


def test_nothing_is_moved_below_a_floor_that_the_channel_rests_at() -> None:
    for seed in range(20):
        values = changed("level-shift", np.zeros(L, np.float32), Scale(2.0, 0.0, at_floor=True), seed)
        assert values is not None and (values == 8).all()


def test_counts_stay_whole_numbers() -> None:
    for kind in ("level-shift", "drift", "frequency"):
        values = changed(kind, RAMP, Scale(0.33, 0.0, step=1.0), speed=1.3)  # type: ignore[arg-type]
        assert values is not None and (values == values.round()).all()


def test_dropout_is_missing_or_at_the_floor() -> None:
    gone, held = changed("dropout", RAMP, missing=True), changed("dropout", RAMP, missing=False)
    assert gone is not None and np.isnan(gone).all()
    assert held is not None and (held == -1).all()


def test_a_stuck_sensor_repeats_the_last_value_before() -> None:
    values = changed("stuck", RAMP)
    assert values is not None and (values == RAMP[START - 1]).all()
    assert changed("stuck", RAMP, start=0) is None


def test_time_goes_faster_or_slower_from_or_to_the_border() -> None:
    def seen(speed: float) -> set[tuple[float, ...]]:
        found = [changed("frequency", RAMP, seed=seed, speed=speed) for seed in range(20)]
        return {tuple(values.tolist()) for values in found if values is not None}

    assert seen(2.0) == {tuple(np.arange(11.0, 30, 2)), tuple(np.arange(0.0, 19, 2))}
    assert seen(0.5) == {tuple(np.arange(9.5, 14.1, 0.5)), tuple(np.arange(15, 19.6, 0.5))}
    assert changed("frequency", RAMP, start=5, end=35) is None, "60 steps are needed, 40 are there"


def test_a_slower_stretch_has_fewer_waves() -> None:
    wave = np.sin(np.arange(400) * 2 * np.pi / 10).astype(np.float32)
    for speed, n_waves in ((0.5, 5), (2.0, 20)):
        values = changed("frequency", wave, start=150, end=250, speed=speed)
        assert values is not None
        assert np.abs(np.fft.rfft(values)).argmax() == n_waves


def test_decoupling_shows_the_channel_at_another_time() -> None:
    starts = set()
    for seed in range(200):
        values = changed("decoupling", RAMP, seed=seed)
        assert values is not None and (np.diff(values) == 1).all()
        starts.add(int(values[0]))
    assert starts == {*range(6), *range(15, 31)}, "at least half the event away"
    assert changed("decoupling", RAMP, start=0, end=L) is None, "there is no other time"


def test_gaps_are_read_as_lines() -> None:
    gappy = RAMP.copy()
    gappy[5:9] = np.nan
    for seed in range(20):
        values = changed("frequency", gappy, seed=seed)
        assert values is not None and np.allclose(np.diff(values), 2)


def test_the_scale_is_robust_and_of_the_channel_alone() -> None:
    random = np.random.default_rng(3)
    values = random.normal(5, 2, 4000).astype(np.float32)
    values[:100] = 1e6
    found = scale_of(values)
    assert found is not None and found.deviation == pytest.approx(2, rel=0.1) and not found.at_floor
    rain = np.where(random.random(4000) < 0.7, 0, 10 + random.normal(0, 2, 4000)).astype(np.float32)
    found = scale_of(rain)
    assert found is not None and found.deviation == pytest.approx(2, rel=0.1)
    assert found.at_floor and found.floor == 0
    counts = scale_of(random.integers(3, 9, 400).astype(np.float32))
    assert counts is not None and counts.step == 1


@pytest.mark.parametrize("values", [np.full(9, 3.0), np.full(9, np.nan), np.array([np.nan, 1.0])])
def test_a_channel_without_two_values_has_no_scale(values: np.ndarray) -> None:
    assert channel_of(values.astype(np.float32)) is None
