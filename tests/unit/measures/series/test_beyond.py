"""Margins, dynamics and neighbours on cases small enough to do by hand, and against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.measures.series import beyond

RNG = np.random.default_rng(0)


def test_margins() -> None:
    """Uniform values moved by a quarter of their range are a quarter apart; the other channel is not moved."""
    x = RNG.random((500, 24, 2))
    assert beyond.marginal_ks(x, x + np.array([0.25, 0])) == pytest.approx([0.25, 0], abs=0.01)


def test_autocorrelations_of_a_square_wave() -> None:
    """+1, -1, +1, ...: -1 at lag 1, +1 at lag 2, at any level and scale; a constant has none."""
    wave = np.tile([[1.0], [-1.0]], (4, 1))[None].repeat(3, 0)
    both = np.concatenate([10 + 5 * wave, np.ones_like(wave)], axis=2)
    assert beyond.autocorrelations(both) == pytest.approx(np.array([[-1, 0], [1, 0], [-1, 0], [1, 0]]))
    assert beyond.autocorrelation_difference(wave, np.ones_like(wave)) == pytest.approx(1)
    assert beyond.autocorrelation_difference(wave, 3 * wave) == pytest.approx(0)


def test_the_order_of_steps_shows_in_the_dynamics() -> None:
    walks = RNG.normal(0, 1, (300, 24, 1)).cumsum(1)
    mixed = RNG.permuted(walks, axis=1)
    assert beyond.autocorrelation_difference(walks, mixed) > 0.1
    assert beyond.spectrum_difference_db(walks, mixed) > 1
    assert beyond.marginal_ks(walks, mixed) == pytest.approx(0)


def test_twice_the_amplitude_is_six_decibels() -> None:
    x = RNG.normal(0, 1, (100, 24, 3))
    assert beyond.spectrum_difference_db(x, 2 * x) == pytest.approx(20 * np.log10(2))
    assert beyond.spectrum_difference_db(x, x + 5) == pytest.approx(0, abs=1e-9)


def test_power_stands_at_its_frequency() -> None:
    wave = np.sin(2 * np.pi * 3 * np.arange(24) / 24)[None, :, None]
    decibels = beyond.spectrum_db(wave)[:, 0]
    assert decibels.argmax() == 2
    assert decibels[2] == pytest.approx(10 * np.log10(24 / 4))
    assert np.delete(decibels, 2).max() == -120


@pytest.mark.parametrize("exclude", [0, 1, 5])
def test_nearest_distances_against_brute_force(exclude: int) -> None:
    x = (RNG.normal(0, 1, (700, 3, 2)) + 1000).astype(np.float32)
    y = x if exclude else RNG.normal(1000, 1, (600, 3, 2))
    apart = np.linalg.norm((y[:, None] - x.astype(np.float64)).reshape(len(y), len(x), -1), axis=2)
    if exclude:
        apart[np.abs(np.arange(len(y))[:, None] - np.arange(len(x))) < exclude] = np.inf
    assert beyond.nearest_distances(y, x, exclude) == pytest.approx(apart.min(1), rel=1e-6)


def test_overlapping_windows_are_no_neighbours() -> None:
    """In a rising series the nearest window is the next one, `exclude` steps on when those before are left out."""
    rise = np.lib.stride_tricks.sliding_window_view(np.arange(60.0), 4)[:, :, None]
    for exclude in (1, 4):
        found = beyond.nearest_neighbours(rise, rise + 0.25, exclude)
        assert found["train_to_train"] == pytest.approx(2 * exclude)
        assert found["synthetic_to_train"] == pytest.approx(0.5)
        assert found["ratio"] == pytest.approx(0.25 / exclude)


def test_copies_and_honest_windows() -> None:
    train, fresh, held_out = (RNG.normal(0, 1, (400, 6, 2)) for _ in range(3))
    copied = beyond.nearest_neighbours(train, train[::-1], 1, held_out)
    assert copied["ratio"] == 0
    honest = beyond.nearest_neighbours(train, fresh, 1, held_out)
    assert honest["ratio"] == pytest.approx(1, abs=0.05)
    assert honest["ratio"] == honest["synthetic_to_train"] / honest["held_out_to_train"]
    assert beyond.nearest_neighbours(train, fresh, 1)["held_out_to_train"] is None


@pytest.mark.parametrize("exclude", [0, 11])
def test_a_window_needs_a_neighbour_other_than_itself(exclude: int) -> None:
    x = np.zeros((20, 3, 1))
    with pytest.raises(ValueError, match="exclude must be from 1 to half of the 20"):
        beyond.nearest_neighbours(x, x, exclude)
