"""Series as small images: a panel for each channel, on one scale for all series that are shown together."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence

import numpy as np

from synthgen.fields.names import with_units
from synthgen.fields.shown import Curves

WIDTH, PANEL, PAD, FINER = 232, 58, 4, 4
MAX_PANELS, LEAST_PANEL, HEIGHT = 40, 22, 4 * PANEL
"""Panels of many channels are lower, so that four of the usual height make an image's, but not below the least."""

COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df")
LINE, PAPER, INK = "#d0d7de", "#ffffff", "#8c959f"
TEXT_PX = 8
MARGIN_QUANTILE = 0.002


def ranges(series: Sequence[np.ndarray]) -> np.ndarray:
    """Lowest and highest value of each channel over all series, (2, C); a few outliers do not count."""
    stacked = np.concatenate(series)
    with np.errstate(all="ignore"):
        found = np.nanquantile(stacked, [MARGIN_QUANTILE, 1 - MARGIN_QUANTILE], axis=0)
    known: np.ndarray = np.nan_to_num(found)
    return known


def draw(
    values: np.ndarray,
    times: np.ndarray | None,
    limits: np.ndarray,
    marked: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> np.ndarray:
    """One series (L, C) as an image, uint8 RGB: a panel a channel with its limits, gaps where values are missing.

    Args:
        names: of the channels with their units, written into the panels.
        times: (L,), rising; None for regular steps.
        limits: what `ranges` found.
        marked: class ids (L, C), 0 where nothing is marked; each class has its colour of `mark_colours`.
    """
    from PIL import Image, ImageDraw, ImageFont

    n_panels = min(values.shape[1], MAX_PANELS)
    height = max(LEAST_PANEL, min(PANEL, HEIGHT // n_panels))
    size = (WIDTH * FINER, (height * n_panels + PAD) * FINER)
    picture = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(TEXT_PX * FINER)
    when = np.arange(len(values)) if times is None else times
    x = PAD + (when - when[0]) / max(when[-1] - when[0], 1e-12) * (WIDTH - 2 * PAD)
    for panel in range(n_panels):
        low, high = limits[:, panel]
        share = (values[:, panel] - low) / max(high - low, 1e-12)
        y = height * panel + PAD + (1 - share.clip(-0.05, 1.05)) * (height - PAD)
        bottom = (height * (panel + 1) + PAD // 2) * FINER
        if panel < n_panels - 1:
            pen.line((0, bottom, size[0], bottom), LINE, FINER)
        for run, colour in [] if marked is None else _marks(marked[:, panel]):
            left, right = float(x[run[0]]) - 1, float(x[run[-1]]) + 1
            pen.rectangle((left * FINER, height * panel * FINER + 2 * FINER, right * FINER, bottom - FINER), colour)
        top = (height * panel + PAD // 2) * FINER
        if names:
            pen.text((PAD * FINER, top), names[panel], INK, font, "la")
        for value, place, anchor in ((high, top, "ra"), (low, bottom, "rd")) if height > 2 * TEXT_PX else ():
            pen.text(((WIDTH - 1) * FINER, place), number(value), INK, font, anchor)
        for part in parts(values[:, panel]):
            points = [(float(x[i]) * FINER, float(y[i]) * FINER) for i in part]
            if len(points) > 1:
                pen.line(points, COLOURS[panel % len(COLOURS)], round(1.3 * FINER), joint="curve")
            else:
                left, top = points[0]
                pen.ellipse((left - FINER, top - FINER, left + FINER, top + FINER), COLOURS[panel % len(COLOURS)])
    return np.asarray(picture.resize((size[0] // FINER, size[1] // FINER), Image.Resampling.LANCZOS))


def number(value: float) -> str:
    """`49,900`, `31.2`, `0.0357`: as short as a panel is small."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def parts(values: np.ndarray) -> list[np.ndarray]:
    """Runs of step numbers without a missing value between them."""
    there = np.flatnonzero(~np.isnan(values))
    return [run for run in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1) if len(run)]


def _marks(ids: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int, int]]]:
    """Runs of steps of one class, with the colour of the class."""
    colours = mark_colours(int(ids.max(initial=0)))
    for cls in np.unique(ids[ids > 0]).tolist():
        for run in parts(np.where(ids == cls, 0.0, np.nan)):
            yield run, colours[cls - 1]


def mark_colours(n: int) -> list[tuple[int, int, int]]:
    """Pale colours of the classes from 1 on, neighbours far apart in hue."""
    table = [colorsys.hsv_to_rgb((0.618034 * i) % 1, 0.3, 1.0) for i in range(n)]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in table]


def legend(shown: Curves) -> list[tuple[str, tuple[int, int, int]]]:
    """Names of the channels that are shown, with units, and their colours."""
    named = with_units(shown.channels, shown.units)[:MAX_PANELS]
    return [(name, rgb(COLOURS[i % len(COLOURS)])) for i, name in enumerate(named)]


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of a colour such as `#0969da`."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
