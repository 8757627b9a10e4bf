"""Series as small images: a panel for each channel over one axis of time, on one scale for all that are shown."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence

import numpy as np

from synthgen.base.names import printable
from synthgen.base.units import plural
from synthgen.report.time_axis import Axis, number

WIDTH, PANEL, PAD, FINER = 256, 64, 4, 4
RIGHT = WIDTH - 34
"""Where curves end; what is right of it has room for the limits."""

HEAD, FOOT = 9, 12
"""Height of a channel's name above its curve, and of a line of text below the panels."""

MAX_PANELS, LEAST_PANEL, HEIGHT = 40, 30, 5 * PANEL
"""Panels of many channels are lower, so that five of the usual height make an image's, but not below the least."""

COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df")
LINE, PAPER, INK = "#d0d7de", "#ffffff", "#59636e"
TEXT_PX, NAME_LENGTH = 8, 40
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
    axis: Axis,
    limits: np.ndarray,
    marked: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> np.ndarray:
    """One series (L, C) as an image, uint8 RGB: a panel a channel with its limits, gaps where values are missing.

    Below them stands when the series begins and ends, and how many channels more there are, of which no panel is.

    Args:
        names: of the channels with their units, written into the panels.
        limits: what `ranges` found.
        marked: class ids (L, C), 0 where nothing is marked; each class has its colour of `mark_colours`.
    """
    from PIL import Image, ImageDraw, ImageFont

    n_panels = min(values.shape[1], MAX_PANELS)
    more = values.shape[1] - n_panels
    height = max(LEAST_PANEL, min(PANEL, HEIGHT // n_panels))
    head = HEAD if names else 0
    foot = height * n_panels + PAD
    size = (WIDTH * FINER, (foot + FOOT * (2 if more else 1)) * FINER)
    picture = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(TEXT_PX * FINER)
    since = axis.times - axis.times[0]
    x = PAD + since / max(since[-1], 1e-12) * (RIGHT - PAD)
    for panel in range(n_panels):
        low, high = limits[:, panel]
        share = (values[:, panel] - low) / max(high - low, 1e-12)
        y = height * panel + PAD + head + (1 - share.clip(-0.05, 1.05)) * (height - PAD - head)
        bottom = (height * (panel + 1) + PAD // 2) * FINER
        pen.line((0, bottom, size[0], bottom), LINE, FINER)
        for run, colour in [] if marked is None else _marks(marked[:, panel]):
            left, right = float(x[run[0]]) - 1, float(x[run[-1]]) + 1
            pen.rectangle((left * FINER, height * panel * FINER + 2 * FINER, right * FINER, bottom - FINER), colour)
        top = (height * panel + PAD // 2) * FINER
        for part in parts(values[:, panel]):
            points = [(float(x[i]) * FINER, float(y[i]) * FINER) for i in part]
            if len(points) > 1:
                pen.line(points, COLOURS[panel % len(COLOURS)], round(1.3 * FINER), joint="curve")
            else:
                at, level = points[0]
                pen.ellipse((at - FINER, level - FINER, at + FINER, level + FINER), COLOURS[panel % len(COLOURS)])
        for value, place, anchor in ((high, top, "ra"), (low, bottom, "rd")):
            pen.text(((WIDTH - 1) * FINER, place), number(value), INK, font, anchor)
        if names:
            pen.text((PAD * FINER, top), _short(names[panel]), INK, font, "la")
    for word, place, anchor in zip(axis.words(), (PAD, (PAD + RIGHT) / 2, RIGHT), ("la", "ma", "ra"), strict=True):
        pen.text((place * FINER, foot * FINER), word, INK, font, anchor)
    if more:
        pen.text((PAD * FINER, (foot + FOOT) * FINER), f"and {plural(more, 'more channel')}", INK, font, "la")
    return np.asarray(picture.resize((size[0] // FINER, size[1] // FINER), Image.Resampling.LANCZOS))


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 3].rstrip()}..."


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
