"""Text as small images, of a size that all share."""

from __future__ import annotations

import textwrap

import numpy as np

from synthgen.base.names import printable

WIDTH, HEIGHT, PAD, FONT_PX, LINE_PX, COLUMNS = 232, 116, 6, 11, 14, 38
INK, PAPER = "#1f2328", "#ffffff"


def draw(text: str) -> np.ndarray:
    """The beginning of a text, uint8 RGB: lines are broken to fit, and what has no room is cut."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(FONT_PX)
    lines = [part for line in text.splitlines() for part in textwrap.wrap(printable(line), COLUMNS) or [""]]
    for i, line in enumerate(lines[: (HEIGHT - 2 * PAD) // LINE_PX]):
        pen.text((PAD, PAD + i * LINE_PX), line, INK, font)
    return np.asarray(picture)
