"""Long series window by window: every step once, values kept to the bit, no neighbour, gaps that fit what follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from synthgen import seeds as streams
from synthgen.models import registry
from synthgen.models.sampling import torch_generator
from synthgen.models.series import continuation

TRAINED = 17
QUICK = {"num_inference_steps": 2}


def loaded(folder: str) -> Any:
    made = registry.load_pipeline(Path(folder), "cpu", torch.float32)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return loaded(tiny.series())


def seeds(n: int) -> list[int]:
    return [streams.seed_of(7, "sampler", i) for i in range(n)]


def drawn(pipeline: Any, n: int, length: int, overlap: int, **given: np.ndarray) -> np.ndarray:
    found = continuation.draw(pipeline, [0] * n, seeds(n), length, overlap, given, **QUICK)
    return found.series  # type: ignore[no-any-return]


@given(st.integers(1, 400), st.integers(2, 60), st.integers(1, 59))
def test_windows_cover_every_step_once_and_know_the_overlap(total: int, length: int, overlap: int) -> None:
    if overlap >= length:
        return
    found = continuation.windows(total, length, overlap)
    steps = [step for window in found for step in range(window.new, window.end)]
    assert steps == list(range(total))
    assert all(window.end - window.start == min(length, total) for window in found)
    assert all(window.new - window.start == overlap for window in found[1:-1])
    assert all(overlap <= window.new - window.start < length for window in found[1:])


@pytest.mark.parametrize("overlap", [0, 24, 30])
def test_an_overlap_without_room_is_refused(overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap must be from 1 to 23 steps"):
        continuation.windows(100, 24, overlap)


def test_the_first_window_is_what_the_model_draws_alone(pipeline: Any) -> None:
    own = seeds(2)
    alone = pipeline(
        [0, 0],
        latents=torch.from_numpy(streams.normals(own, pipeline.noise_shape)),
        generator=[torch_generator(seed) for seed in own],
        **QUICK,
    ).series
    assert np.array_equal(drawn(pipeline, 2, TRAINED, 8), alone)
    assert np.array_equal(drawn(pipeline, 2, 60, 8)[:, :TRAINED], alone)


def test_a_longer_series_begins_with_the_shorter_one(pipeline: Any) -> None:
    """What was generated is handed on and kept to the bit, however often it goes through the scaler."""
    long = drawn(pipeline, 2, TRAINED + 5 * 9, 8)
    for n_windows in range(5):
        short = drawn(pipeline, 2, TRAINED + n_windows * 9, 8)
        assert np.array_equal(long[:, : short.shape[1]], short)
    assert np.isfinite(long).all() and len(np.unique(long[:, :, 0])) > 50


def test_values_that_went_through_the_scaler_stay_where_they_are(pipeline: Any) -> None:
    """A second way through scaled values and back changes nothing more than the first, so that nothing can drift."""
    with torch.inference_mode():
        once = pipeline.scaler.unscale(torch.randn(5000, 3, generator=torch.Generator().manual_seed(0)))
        again = once
        for _ in range(50):
            again = pipeline.scaler.unscale(pipeline.scaler.scale(again))
    torch.testing.assert_close(again, once, atol=2e-5, rtol=0)


def test_series_do_not_depend_on_their_neighbours(pipeline: Any) -> None:
    four = drawn(pipeline, 4, 50, 8)
    order = [2, 0, 3, 1]
    own = [seeds(4)[i] for i in order]
    turned = continuation.draw(pipeline, [0] * 4, own, 50, 8, {}, **QUICK).series
    assert np.array_equal(turned, four[order])
    assert not np.array_equal(four[0], four[1])


def test_windows_have_streams_of_their_own(pipeline: Any) -> None:
    """A series whose first windows are known generates the later ones as one that drew the same values before."""
    whole = drawn(pipeline, 2, 70, 8)
    known = whole.copy()
    known[:, 50:] = np.nan
    assert np.array_equal(drawn(pipeline, 2, 70, 8, known=known)[:, :50], whole[:, :50])
    known[:, 44:] = np.nan  # where the fourth window ends: the next two are generated as they were
    assert np.array_equal(drawn(pipeline, 2, 70, 8, known=known), whole)


def test_levels_may_be_others_only_in_series_of_which_something_is_known() -> None:
    """In all windows of such a series; in none of one that is generated from nothing, though each knows the last."""
    pipeline = loaded(tiny.series(level_shifts=True))
    assert pipeline.denoiser.shifted.abs().max() > 0
    asked: list[list[bool]] = []

    def network(*given: Any, shifted: torch.Tensor, **more: Any) -> Any:
        asked.append(shifted.tolist())
        return forward(*given, shifted=shifted, **more)

    known = np.full((2, 40, 2), np.nan, dtype=np.float32)
    known[1, :10] = tiny.sensor_values(10)
    forward, pipeline.denoiser.forward = pipeline.denoiser.forward, network
    try:
        found = drawn(pipeline, 2, 40, 8, known=known)
        alone = pipeline([0], known=known[1:, :TRAINED], **QUICK)
    finally:
        pipeline.denoiser.forward = forward
    assert len(asked) > 6 and all(row in ([False, True], [True]) for row in asked)
    assert np.isfinite(found).all() and np.isfinite(alone.series).all()


def test_what_is_said_of_levels_changes_what_is_generated() -> None:
    pipeline = loaded(tiny.series(level_shifts=True))
    known = np.full((1, TRAINED, 2), np.nan, dtype=np.float32)
    known[:, :10] = tiny.sensor_values(10)
    latents = torch.randn(1, *pipeline.noise_shape, generator=torch.Generator().manual_seed(0))
    draws = [
        pipeline([0], known=known, latents=latents, generator=[torch_generator(3)], **QUICK, **more).series
        for more in ({}, {"shifted": [True]}, {"shifted": [False]})
    ]
    assert np.array_equal(draws[0], draws[1]) and not np.array_equal(draws[0], draws[2])


def test_times_covariates_and_static_numbers_go_along() -> None:
    made = loaded(tiny.asking_series())
    random = np.random.default_rng(0)
    times = np.cumsum(random.uniform(0.5, 2, (2, 60)), axis=1)
    given_to = {
        "times": times,
        "covariates": random.normal(size=(2, 60, 1)).astype(np.float32),
        "static": np.full((2, 1), 3, np.float32),
    }
    base = drawn(made, 2, 60, 8, **given_to)
    assert np.isfinite(base).all()
    for name in given_to:
        other = {key: value.copy() for key, value in given_to.items()}
        if name == "static":
            other[name] += 1
        else:
            other[name][:, 45:] += np.arange(1, 16).reshape(-1, *[1] * (times.ndim - 2 + (name == "covariates")))
        changed = drawn(made, 2, 60, 8, **other)
        assert not np.array_equal(changed[:, 45:], base[:, 45:]), name
        early = 26  # the last window that reaches step 45 begins to draw at or after this one
        assert np.array_equal(changed[:, :early], base[:, :early]) == (name != "static"), name
    late = {**given_to, "times": times + 1000.0}
    np.testing.assert_allclose(drawn(made, 2, 60, 8, **late), base, atol=0.05)


def test_what_leads_to_known_values_is_drawn_by_a_window_that_sees_them(pipeline: Any) -> None:
    """A gap over the end of the first window: all but the first steps of it depend on what follows it."""
    known = np.full((1, 40, 2), np.nan, dtype=np.float32)
    known[:, :10] = tiny.sensor_values(10)
    found = []
    for level in (8.0, 12.0):
        known[:, 20:, 0] = level
        found.append(drawn(pipeline, 1, 40, 8, known=known))
        assert np.array_equal(found[-1][~np.isnan(known)], known[~np.isnan(known)])
    differ = (found[0] != found[1]).any(2)[0]
    assert not differ[: TRAINED - 4].any() and differ[TRAINED - 4 : 20].all()


def test_a_model_that_knows_no_beginnings_does_not_go_on() -> None:
    made = loaded(tiny.series(continues=False))
    assert drawn(made, 1, TRAINED, 8).shape == (1, TRAINED, 2)
    with pytest.raises(ValueError, match="generates 17 steps and was not trained to go on"):
        drawn(made, 1, TRAINED + 1, 8)
