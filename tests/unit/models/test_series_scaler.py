"""Scaling of channels: there and back, whatever their distribution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tiny
from synthgen.errors import DataError
from synthgen.models.series.channel_maps import resolution_of
from synthgen.models.series.scaler import SeriesScaler

NAMES = ["wave", "rain"]


def there_and_back(scaler: SeriesScaler, values: np.ndarray) -> np.ndarray:
    scaled = scaler.scale(torch.from_numpy(values))
    return scaler.unscale(scaled.nan_to_num()).numpy()


@pytest.mark.parametrize("kind", ["mixed", "standard", "quantile"])
def test_training_values_come_back(kind: str) -> None:
    values = tiny.sensor_values(500)
    back = there_and_back(SeriesScaler.fit(values, NAMES, kind), values)  # type: ignore[arg-type]
    np.testing.assert_allclose(back, values, atol=2e-4)


@pytest.mark.parametrize("kind", ["mixed", "standard", "quantile"])
def test_scaled_values_are_near_a_standard_normal_and_gates_are_signs(kind: str) -> None:
    values = tiny.sensor_values(2000)
    scaler = SeriesScaler.fit(values, NAMES, kind)  # type: ignore[arg-type]
    scaled = scaler.scale(torch.from_numpy(values)).numpy()
    assert scaler.n_scaled == 3 and list(scaler.config.gated) == [1]
    dry = values[:, 1] == 0
    for column in (scaled[:, 0], scaled[~dry, 1]):
        assert abs(column.mean()) < 0.1 and 0.9 < column.std() < 1.1
    assert set(scaled[dry, 2]) == {-1.0} and set(scaled[~dry, 2]) == {1.0}
    assert (scaled[dry, 1] == 0).all(), "missing ones would tell what the gate hides"


def test_missing_values_stay_missing_in_every_scaled_channel() -> None:
    values = tiny.sensor_values(300)
    values[5] = np.nan
    scaled = SeriesScaler.fit(values, NAMES).scale(torch.from_numpy(values))
    assert scaled[5].isnan().all() and not scaled[4, :1].isnan().any()


def test_what_comes_back_has_the_range_and_the_resolution_of_the_data() -> None:
    random = np.random.default_rng(0)
    counts = random.poisson(6, (3000, 1)).astype(np.float32) + 2
    scaler = SeriesScaler.fit(counts, ["n"])
    drawn = scaler.unscale(torch.from_numpy(random.normal(0, 2, (4000, 1)).astype(np.float32))).numpy()
    assert set(np.unique(drawn)) <= set(np.unique(counts[:, 0])) | set(range(2, int(counts.max()) + 1))
    assert drawn.min() == counts.min() and drawn.max() == counts.max()


@pytest.mark.parametrize("offsets", [False, True])
def test_values_beside_known_ones_beyond_the_range_may_lie_there_too(offsets: bool) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(4000, 2)).astype(np.float64 if offsets else np.float32)
    scaler = SeriesScaler.fit(values, ["a", "b"], offsets=offsets)
    low, high = values.min(0), values.max(0)
    scaled = torch.tensor([-9.0, 0.0, 9.0])[None, :, None].expand(3, 3, 2)
    known = torch.full((3, 3, 2), torch.nan, dtype=torch.float64)
    known[1, 0, 0], known[2, 0, 1] = float(low[0]) - 1, float(high[1]) + 1
    free = scaler.unscale(scaled, known).numpy()
    assert free[0].min(0) == pytest.approx(low) and free[0].max(0) == pytest.approx(high)
    assert free[1, 0, 0] < low[0] - 0.1 and free[1, 2] == pytest.approx(high) and free[1, 0, 1] == pytest.approx(low[1])
    assert (
        free[2, 2, 1] > high[1] + 0.1 and free[2, 0] == pytest.approx(low) and free[2, 2, 0] == pytest.approx(high[0])
    )
    assert np.abs(values[:, 0] - free[1, 1, 0]).min() < 1e-6, "within the range they are observed ones"


def test_a_constant_channel_is_named() -> None:
    with pytest.raises(DataError, match="channel `b`: is constant"):
        SeriesScaler.fit(np.array([[1.0, 2.0], [3.0, 2.0]]), ["a", "b"])


def test_it_is_saved_and_loaded_with_its_map(tmp_path: Path) -> None:
    values = tiny.sensor_values(300)
    scaler = SeriesScaler.fit(values, NAMES, "quantile")
    scaler.save_pretrained(tmp_path)
    loaded = SeriesScaler.from_pretrained(tmp_path)
    x = torch.randn(50, 3)
    assert torch.equal(loaded.unscale(x), scaler.unscale(x))


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=80, unique=True))
@example([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1.3091212425459035e-33])
@settings(max_examples=40, deadline=None)
def test_quantiles_rise_and_invert_for_any_values(numbers: list[float]) -> None:
    values = np.array(numbers, dtype=np.float32)[:, None]
    scaler = SeriesScaler.fit(values, ["x"], "quantile")
    assert (scaler.knots.diff() > 0).all() and (scaler.scaled_knots.diff() > 0).all()
    back = there_and_back(scaler, values)
    assert np.abs(back - values).max() <= 1e-3 * np.ptp(values)


def test_a_resolution_is_found_in_counts_and_not_in_numbers() -> None:
    random = np.random.default_rng(0)
    assert resolution_of(random.integers(0, 50, 5000) * 0.005) == pytest.approx(0.005)
    assert resolution_of(random.integers(0, 50_000, 500)) == 1, "hardly any count occurs twice"
    assert resolution_of(random.normal(size=5000)) == 0 and resolution_of(random.normal(size=20)) == 0


@pytest.mark.parametrize("tail", ["an outlier", "Pareto", "wide"])
def test_quantiles_of_heavy_tails_are_normal(tail: str) -> None:
    random = np.random.default_rng(0)
    values = {
        "an outlier": np.append(np.exp(random.normal(size=20_000)), 1e5),
        "Pareto": random.pareto(1, 20_000),
        "wide": np.exp(2.5 * random.normal(size=20_000)),
    }[tail].astype(np.float32)[:, None]
    scaler = SeriesScaler.fit(values, ["x"], "quantile")
    found = np.quantile(scaler.scale(torch.from_numpy(values)).numpy(), [0.05, 0.25, 0.5, 0.75, 0.95])
    assert found == pytest.approx([-1.645, -0.674, 0, 0.674, 1.645], abs=0.03)
    assert there_and_back(scaler, values) == pytest.approx(values, rel=1e-3, abs=1e-3)


def sensor(n: int = 4000) -> np.ndarray:
    """A channel (n, 1) of which 30 % are 2.5, in the middle of its values, and 5 % at its upper end."""
    random = np.random.default_rng(0)
    values = random.normal(2, 1, n)
    values[: n * 3 // 10] = 2.5
    values[-n // 20 :] = values.max()
    return random.permutation(values).astype(np.float32)[:, None]


@pytest.mark.parametrize("kind", ["mixed", "standard", "quantile"])
def test_values_that_occur_often_come_back_as_often_from_scaled_ones_that_are_nearly_right(kind: str) -> None:
    values = sensor()
    scaler = SeriesScaler.fit(values, ["level"], kind)  # type: ignore[arg-type]
    assert not scaler.config.gated
    scaled = scaler.scale(torch.from_numpy(values))
    assert abs(scaled.mean()) < 0.1 and 0.9 < scaled.std() < 1.1
    back = scaler.unscale(scaled + 0.05 * torch.randn(scaled.shape, generator=torch.Generator().manual_seed(0))).numpy()
    for atom in (np.float32(2.5), values.max()):
        assert np.mean(back == atom) == pytest.approx(np.mean(values == atom), abs=0.02)


def test_values_come_back_as_they_were_observed_or_on_their_grid_or_as_any() -> None:
    values = sensor().round(1)
    noisy = torch.linspace(-3, 3, 5000)[:, None]
    found = {
        snap: SeriesScaler.fit(values, ["level"], snap=snap).unscale(noisy) for snap in ("observed", "grid", "none")
    }
    assert set(found["observed"][:, 0].tolist()) <= set(values[:, 0].tolist())
    np.testing.assert_allclose(found["grid"], found["grid"].numpy().round(1), atol=1e-5)
    assert len(found["grid"].unique()) < 100 < len(found["none"].unique())


def held_values() -> np.ndarray:
    """A channel (3000, 1) a third of whose steps change nothing."""
    random = np.random.default_rng(1)
    values = random.normal(0, 1, 3000)
    for i in np.flatnonzero(random.random(3000) < 1 / 3)[1:]:
        values[i] = values[i - 1]
    return values.astype(np.float32)[:, None]


def test_a_channel_that_holds_its_value_has_a_gate_for_it() -> None:
    values = held_values()
    scaler = SeriesScaler.fit(values, ["x"])
    assert scaler.config.held == [0] and scaler.n_scaled == 2 and scaler.owners == [0, 0]
    series = values[None, :500]
    scaled = scaler.scale(torch.from_numpy(series))
    assert scaled[0, 0, 1].isnan() and set(scaled[0, 1:, 1].tolist()) == {-1.0, 1.0}
    off = scaled.nan_to_num(-1.0) + torch.tensor([0.2, 0.0]) * torch.randn(1, 500, 1)
    given = np.zeros(series.shape, dtype=bool)
    held = scaler.hold(scaler.unscale(off).numpy(), off, given)
    assert ((np.diff(held, axis=1) == 0) >= (np.diff(series, axis=1) == 0)).all()
    given[0, 7] = True
    kept = np.where(given, np.float32(9.0), held)
    assert scaler.hold(kept, torch.ones_like(off), given)[0, 6:10, 0].tolist() == [held[0, 0, 0], 9.0, 9.0, 9.0]


def test_a_smooth_channel_on_a_coarse_grid_holds_nothing() -> None:
    wave = np.sin(np.arange(3000) / 40).round(1).astype(np.float32)[:, None]
    assert (np.diff(wave[:, 0]) == 0).mean() > 0.3
    walk = np.random.default_rng(0).integers(-1, 2, 3000).cumsum().astype(np.float32)[:, None]
    assert (np.diff(walk[:, 0]) == 0).mean() > 0.3 and not SeriesScaler.fit(walk, ["x"]).config.held


def test_whether_a_value_is_held_is_told_by_two_known_ones() -> None:
    scaler = SeriesScaler.fit(held_values(), ["x"])
    cells = torch.tensor([True, True, False, True, True])[None, :, None]
    assert scaler.shown(cells)[0].T.tolist() == [[True, True, False, True, True], [False, True, False, False, True]]
