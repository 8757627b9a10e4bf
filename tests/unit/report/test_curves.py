"""Series as images: curves, gaps, marked steps, one scale for all."""

from __future__ import annotations

import numpy as np

from synthgen.fields.shown import Curves
from synthgen.report import curves

RED, VIOLET = curves.mark_colours(2)


def wave(n_channels: int = 2) -> np.ndarray:
    return np.stack([np.sin(np.arange(50) / 5 + i) for i in range(n_channels)], 1).astype(np.float32)


def share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture.astype(int) - colour) < 25).all(axis=2).mean())


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def test_every_channel_has_a_panel_and_those_of_many_are_lower() -> None:
    for n_channels, height in ((2, curves.PANEL), (6, 4 * curves.PANEL // 6), (30, curves.LEAST_PANEL)):
        values = wave(n_channels)
        picture = curves.draw(values, None, curves.ranges([values]), names=[f"channel {i}" for i in range(n_channels)])
        assert picture.dtype == np.uint8 and picture.shape == (n_channels * height + curves.PAD, curves.WIDTH, 3)
        for panel in range(n_channels):
            part = picture[panel * height : (panel + 1) * height]
            assert share(part, rgb(curves.COLOURS[panel % 4])) > 0.005
    named, plain = (curves.draw(values, None, curves.ranges([values]), names=names) for names in (["x"] * 30, ()))
    assert (named != plain)[:, :20].any() and (named == plain)[:, 40:].all()


def test_missing_values_are_gaps() -> None:
    values = wave(1)
    limits = curves.ranges([values])
    values[20:30] = np.nan
    picture = curves.draw(values, None, limits)
    x = slice(int(curves.WIDTH * 22 / 50), int(curves.WIDTH * 28 / 50))
    assert share(picture[:, x], rgb(curves.COLOURS[0])) == 0 < share(picture, rgb(curves.COLOURS[0]))
    assert [run.tolist() for run in curves.parts(np.array([np.nan, 1, 2, np.nan, 3]))] == [[1, 2], [4]]


def test_marked_steps_have_a_ground_in_the_colour_of_their_class() -> None:
    values, marked = wave(), np.zeros((50, 2), dtype=np.uint8)
    marked[10:20, 1] = 1
    marked[30:40, 0] = 2
    limits = curves.ranges([values])
    plain, shown = (curves.draw(values, None, limits, some) for some in (None, marked))
    assert share(plain, RED) + share(plain, VIOLET) < 0.01
    top, bottom = shown[: curves.PANEL], shown[curves.PANEL :]
    assert share(top, RED) < 0.01 and 0.1 < share(bottom, RED) < 0.3
    assert share(bottom, VIOLET) < 0.01 and 0.1 < share(top, VIOLET) < 0.3


def test_one_scale_for_all_that_are_shown() -> None:
    values = wave(1)
    low, high = curves.ranges([values, 10 * values])[:, 0]
    assert low < -9 and high > 9


def test_the_legend_names_channels_and_units() -> None:
    found = curves.legend(Curves(("a", "b"), ("mV", "1")))
    assert [name for name, _ in found] == ["a (mV)", "b"] and found[0][1] == rgb(curves.COLOURS[0])


def test_limits_are_written_short() -> None:
    assert [curves.number(value) for value in (49900.3, -1234.0, 31.21, 0.03571, 2e9)] == [
        *("49,900", "-1,234", "31.2", "0.0357", "2e+09")
    ]
