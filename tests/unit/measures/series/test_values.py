"""Values of channels, counted: zeros, held values, grids and how much they vary, on numbers made for it."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.measures.series import values


def windows(seed: int, n: int = 400, length: int = 24) -> np.ndarray:
    """(n, length, 4): 30 % zeros; every second step repeats the one before; a grid of 0.5; a period of 12 steps."""
    random = np.random.default_rng(seed)
    zeros = np.where(random.random((n, length)) < 0.3, 0.0, random.normal(5, 1, (n, length)))
    held = np.repeat(random.normal(0, 1, (n, length // 2)), 2, axis=1)
    grid = (random.normal(0, 1, (n, length)) * 2).round() / 2
    wave = np.sin(2 * np.pi * (np.arange(length) + random.integers(0, 12, (n, 1))) / 12)
    return np.stack([zeros, held, grid, wave], -1)


def test_what_sensors_do_is_counted() -> None:
    found = values.measure(windows(0), windows(1, 800), ["zeros", "held", "grid", "wave"], season=12)
    assert found["lag"] == 12 and found["n"] == 400
    for name in ("generated", "real"):
        one = {channel: sets[name] for channel, sets in found["channels"].items()}
        assert one["zeros"]["atoms"] == pytest.approx(0.3, abs=0.02) and one["held"]["atoms"] == 0
        assert one["held"]["repeats"] == pytest.approx(12 / 23) and one["wave"]["repeats"] == 0
        assert 10 < one["grid"]["distinct"] < 25 and one["held"]["distinct"] > 2000
        assert one["wave"]["autocorrelation"] == pytest.approx(1, abs=1e-9)
        assert one["wave"]["std"] == pytest.approx(0.5**0.5, abs=0.01)
        assert one["wave"]["quantiles"] == pytest.approx([-1, 0, 1], abs=0.01)
    assert values.ratio(found["channels"]["zeros"]) == pytest.approx(1, abs=0.05)


def test_the_table_begins_with_the_channel_that_varies_least_as_it_should() -> None:
    generated = windows(0)
    generated[..., 2] *= 0.5
    lines = values.text(values.measure(generated, windows(1, 800), ["a", "b", "c", "d"], 12)).splitlines()
    first = lines[2].split()
    assert first[0] == "c" and float(first[1]) == pytest.approx(0.5, abs=0.02)
    assert {line.split()[0] for line in lines[3:-1]} == {"a", "b", "d"}


def test_what_is_beside_chance_is_marked_and_what_is_chance_is_not() -> None:
    """Of the same distribution nothing is far off; a channel without its zeros is, in what that changes."""
    names = ["zeros", "held", "grid", "wave"]
    alike = values.measure(windows(0), windows(1, 800), names, 12)
    assert [values.far_off(sets) for sets in alike["channels"].values()] == [[], [], [], []]
    assert values.MARK not in "".join(values.text(alike).splitlines()[:-1])
    generated = windows(0)
    generated[..., 0] = np.where(generated[..., 0] == 0, 5, generated[..., 0] + 1e-6)
    generated[..., 0] += np.random.default_rng(1).normal(0, 1e-3, generated.shape[:2])
    found = values.measure(generated, windows(1, 800), names, 12)
    assert {"atoms", "std"} <= set(values.far_off(found["channels"]["zeros"]))
    assert values.worst_first(found)[0] == "zeros"
    assert "in 1 of 4 channels" in values.text(found)


def test_chance_is_what_halves_of_the_real_windows_differ_by() -> None:
    """It is larger in fewer windows, none in windows that are all alike, and not known of three."""
    few, many = (values.measure(windows(0), windows(1, n), list("abcd"), 12)["channels"]["c"] for n in (20, 800))
    assert few["chance"]["std"] > 2 * many["chance"]["std"] > 0
    assert set(many["chance"]) == set(values.STATISTICS)
    same = np.tile(windows(1, 1), (40, 1, 1))
    assert values.measure(windows(0), same, list("abcd"), 12)["channels"]["c"]["chance"]["std"] == 0
    three = values.measure(windows(0), windows(1, 3) * 9, list("abcd"), 12)
    assert not any("chance" in sets or values.far_off(sets) for sets in three["channels"].values())
    assert "too few real windows to say what chance" in values.text(three)


def test_differences_are_shares_of_the_larger_number_or_the_numbers_own() -> None:
    std, atoms = values.STATISTICS["std"], values.STATISTICS["atoms"]
    assert std.apart(1.0, 2.0) == std.apart(2.0, 1.0) == 0.5 and std.apart(0.0, 3.0) == 1 and std.apart(0.0, 0.0) == 0
    assert atoms.apart(0.0, 0.25) == 0.25 and atoms.apart(None, 0.25) == 0


def test_missing_values_are_left_out_and_an_empty_channel_has_no_line() -> None:
    real, generated = windows(1, 800), windows(0)
    real[:, ::2, 0] = np.nan
    real[..., 1] = np.nan
    found = values.measure(generated, real, ["a", "b", "c", "d"], 99)
    assert found["lag"] == 23 and set(found["channels"]) == {"a", "c", "d"}
    assert found["channels"]["a"]["real"]["repeats"] is None
    assert "b" not in [line.split()[0] for line in values.text(found).splitlines()]
