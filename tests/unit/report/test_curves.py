"""Series as images: curves, gaps, marked steps, one scale for all."""

from __future__ import annotations

import numpy as np

from synthgen.report import curves
from synthgen.report.time_axis import Axis

STEPS = Axis(np.arange(50.0))
RED, VIOLET = curves.mark_colours(2)


def wave(n_channels: int = 2) -> np.ndarray:
    return np.stack([np.sin(np.arange(50) / 5 + i) for i in range(n_channels)], 1).astype(np.float32)


def share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture.astype(int) - colour) < 25).all(axis=2).mean())


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def test_every_channel_has_a_panel_and_those_of_many_are_lower() -> None:
    for n_channels, height in ((2, curves.PANEL), (8, curves.HEIGHT // 8), (30, curves.LEAST_PANEL)):
        values = wave(n_channels)
        names = [f"channel {i}" for i in range(n_channels)]
        picture = curves.draw(values, STEPS, curves.ranges([values]), names=names)
        foot = n_channels * height + curves.PAD
        assert picture.dtype == np.uint8 and picture.shape == (foot + curves.FOOT, curves.WIDTH, 3)
        for panel in range(n_channels):
            part = picture[panel * height : (panel + 1) * height]
            assert share(part, rgb(curves.COLOURS[panel % 4])) > 0.005
        other = curves.draw(values, STEPS, curves.ranges([values]), names=["x", *names[1:]])
        changed = np.flatnonzero((other != picture).any((1, 2)))
        assert changed.max() < curves.HEAD + curves.PAD, "names stand above the curves"
        curve = (np.abs(picture.astype(int) - rgb(curves.COLOURS[0])) < 25).all(2)[:height]
        assert np.flatnonzero(curve.any(1)).min() >= curves.HEAD


def test_channels_that_have_no_panel_are_counted() -> None:
    values = wave(curves.MAX_PANELS + 3)
    most, more = (
        curves.draw(some, STEPS, curves.ranges([some]), names=[str(i) for i in range(some.shape[1])])
        for some in (values[:, : curves.MAX_PANELS], values)
    )
    assert more.shape[0] == most.shape[0] + curves.FOOT
    bulk = len(most) - 4  # the last rows are blended with those below them
    assert np.array_equal(more[:bulk], most[:bulk]) and (more[len(most) :] < 200).any()


def test_the_axis_of_time_is_below_the_curves() -> None:
    values = wave()
    limits = curves.ranges([values])
    started = Axis(np.arange(50.0), "h", np.datetime64("2017-03-05T06:00", "us"))
    relative, moments = (curves.draw(values, axis, limits) for axis in (Axis(np.arange(50.0), "h"), started))
    changed = np.flatnonzero((relative != moments).any((1, 2)))
    assert changed.min() >= 2 * curves.PANEL + curves.PAD


def test_missing_values_are_gaps() -> None:
    values = wave(1)
    limits = curves.ranges([values])
    values[20:30] = np.nan
    picture = curves.draw(values, STEPS, limits)
    x = slice(int(curves.RIGHT * 22 / 50), int(curves.RIGHT * 28 / 50))
    assert share(picture[:, x], rgb(curves.COLOURS[0])) == 0 < share(picture, rgb(curves.COLOURS[0]))
    assert [run.tolist() for run in curves.parts(np.array([np.nan, 1, 2, np.nan, 3]))] == [[1, 2], [4]]


def test_marked_steps_have_a_ground_in_the_colour_of_their_class() -> None:
    values, marked = wave(), np.zeros((50, 2), dtype=np.uint8)
    marked[10:20, 1] = 1
    marked[30:40, 0] = 2
    limits = curves.ranges([values])
    plain, shown = (curves.draw(values, STEPS, limits, some) for some in (None, marked))
    assert share(plain, RED) + share(plain, VIOLET) < 0.01
    top, bottom = shown[: curves.PANEL], shown[curves.PANEL :]
    assert share(top, RED) < 0.01 and 0.1 < share(bottom, RED) < 0.3
    assert share(bottom, VIOLET) < 0.01 and 0.1 < share(top, VIOLET) < 0.3


def test_one_scale_for_all_that_are_shown() -> None:
    values = wave(1)
    low, high = curves.ranges([values, 10 * values])[:, 0]
    assert low < -9 and high > 9
