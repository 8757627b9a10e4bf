"""The contact sheet: images in an even grid, each with its class under it, rejected ones marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.base.names import printable

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

PAPER, INK, GREY, LINE, RED = "#ffffff", "#1f2328", "#6e7781", "#d0d7de", "#cf222e"
MIN_PX, MIN_PX_OF_FEW, MAX_PX, FEW = 112, 168, 256, 12
MARGIN, GAP, BLOCK_GAP, LINE_PX, LEGEND_PX = 28, 10, 26, 16, 24
ASPECT, WIDEST = 1.3, 1600


@dataclass(frozen=True, slots=True)
class Tile:
    """One image, uint8 (height, width, channels) with 1 or 3 channels, and the words under it.

    `caption` is a line in ink, `note` smaller ones below it; both in red if `rejected`. The image may be made of
    several side by side, `n_panels`. `pixels` are those of each class id in its map of regions. One that is `exact` was
    drawn in the size that it is shown in.
    """

    picture: np.ndarray
    caption: str
    note: str = ""
    rejected: bool = False
    n_panels: int = 1
    pixels: Mapping[int, int] = field(default_factory=dict)
    exact: bool = False


Legend = Sequence[tuple[str, tuple[int, int, int]]]
"""Words and their colours."""


def draw_sheet(groups: Mapping[str, Sequence[Tile]], title: str, subtitle: str = "", legend: Legend = ()) -> Picture:
    """One RGB image of all tiles; each group, usually a class, stands together.

    Images under 112 pixels (168 if there are few) are enlarged by a whole factor with hard pixel edges, so that every
    pixel can be seen; those above 256, each panel of them, are reduced; exact ones are left as they are. Captions that
    are too long end in dots.

    Raises:
        ValueError: there is no tile.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw

    tiles = [tile for group in groups.values() for tile in group]
    if not tiles:
        raise ValueError("a sheet needs at least one image")
    width, height = cell_size(tiles)
    cell_px = height + GAP + 26 + LINE_PX * max(len(tile.note.splitlines()) for tile in tiles)
    rows = split_rows(list(groups.values()), width + GAP, cell_px)
    block_px = max(len(block) for row in rows for block in row) * (width + GAP) - GAP
    used = max(len(row) for row in rows)
    sheet_px = max(2 * MARGIN + used * block_px + (used - 1) * BLOCK_GAP, 420)
    lines = legend_lines(legend, sheet_px - 2 * MARGIN)
    head_px = (68 if subtitle else 46) + LEGEND_PX * len(lines)
    size = (sheet_px, MARGIN + head_px + len(rows) * cell_px + MARGIN // 2 - GAP)
    sheet = Pillow.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN - 4), fit(title, size[0] - 2 * MARGIN, 24), INK, _font(24))
    pen.text((MARGIN, MARGIN + 32), fit(subtitle, size[0] - 2 * MARGIN, 14), GREY, _font(14))
    solid = any(tile.pixels for tile in tiles)
    for i, line in enumerate(lines):
        _draw_legend(pen, line, MARGIN + (58 if subtitle else 36) + i * LEGEND_PX, solid)
    for r, row in enumerate(rows):
        top = MARGIN + head_px + r * cell_px
        for b, block in enumerate(row):
            left = MARGIN + b * (block_px + BLOCK_GAP)
            for i, tile in enumerate(block):
                _draw_tile(sheet, pen, tile, (left + i * (width + GAP), top, width, height))
    return sheet


def groups_per_row(n_groups: int, n_wide: int, width: int, height: int) -> int:
    """How many groups of `n_wide` tiles stand side by side: a sheet near 4:3 whose rows are even if possible."""

    def cost(per_row: int) -> float:
        n_rows = -(-n_groups // per_row)
        aspect = per_row * n_wide * width / (n_rows * height)
        wide = per_row > 1 and per_row * n_wide * width > WIDEST
        return abs(math.log(aspect / ASPECT)) + (0.8 if n_groups % per_row else 0.0) + (2.0 if wide else 0.0)

    return min(range(1, n_groups + 1), key=cost)


def split_rows(groups: Sequence[Sequence[Tile]], width: int, height: int) -> list[list[Sequence[Tile]]]:
    """Groups by row, for cells of `width` x `height` pixels.

    Groups stand side by side or each in a row. One that is too wide for the sheet is broken into
    several rows, and so is a single group, of a dataset without classes.
    """
    n_wide, most = max(len(group) for group in groups), max(1, WIDEST // width)
    if len(groups) == 1 and n_wide > FEW:
        most = min(most, math.ceil(math.sqrt(n_wide * ASPECT * height / width)))
    if len(groups) == 1 or n_wide > most:
        return [[group[i : i + most]] for group in groups for i in range(0, len(group), most)]
    per_row = groups_per_row(len(groups), n_wide, width, height)
    return [list(groups[i : i + per_row]) for i in range(0, len(groups), per_row)]


def cell_size(tiles: Sequence[Tile]) -> tuple[int, int]:
    """Width and height in pixels that the image of every tile gets, of several panels side by side or one."""
    n_panels = max(tile.n_panels for tile in tiles)
    height, width = (max(tile.picture.shape[axis] for tile in tiles) for axis in (0, 1))
    if any(tile.exact for tile in tiles):
        return width, height
    side, least = max(height, width // n_panels), MIN_PX_OF_FEW if len(tiles) <= FEW else MIN_PX
    if side < least:
        factor = -(-least // side)
        return width * factor, height * factor
    scale = min(1.0, MAX_PX / side)
    return round(width * scale), round(height * scale)


def fit(text: str, width_px: int, size: int) -> str:
    """`text` on one line, shortened to what fits into `width_px` at a font size."""
    text = printable(text)
    font = _font(size)
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(text + "...") > width_px:
        text = text[:-1]
    return text.rstrip() + "..."


def legend_lines(legend: Legend, width_px: int) -> list[Legend]:
    """The legend, broken into lines that fit into `width_px`; words that do not fit on one are shortened."""
    lines: list[list[tuple[str, tuple[int, int, int]]]] = []
    right = width_px
    for name, colour in legend:
        word = fit(name, width_px - 18, 14)
        width = _word_px(word)
        if right + width > width_px:
            lines.append([])
            right = 0
        lines[-1].append((word, colour))
        right += width + 16
    return list(lines)


def _draw_legend(pen: ImageDraw, line: Legend, top: int, solid: bool) -> None:
    """Squares in colours, `solid` or frames, with the words that they stand for."""
    left = MARGIN
    for word, colour in line:
        pen.rectangle((left, top, left + 11, top + 11), colour if solid else None, colour, 3)
        pen.text((left + 18, top - 3), word, INK, _font(14))
        left += _word_px(word) + 16


def _word_px(word: str) -> int:
    return 18 + int(_font(14).getlength(word))


def _draw_tile(sheet: Picture, pen: ImageDraw, tile: Tile, box: tuple[int, int, int, int]) -> None:
    from PIL import Image as Pillow

    left, top, width, height = box
    grey = tile.picture.shape[2] == 1
    picture = Pillow.fromarray(tile.picture[:, :, 0] if grey else tile.picture).convert("RGB")
    enlarged = picture.width <= width and picture.height <= height
    picture = picture.resize((width, height), Pillow.Resampling.NEAREST if enlarged else Pillow.Resampling.LANCZOS)
    sheet.paste(picture, (left, top))
    edge = (RED, 3) if tile.rejected else (LINE, 1)
    reach = edge[1] if tile.rejected else 1
    pen.rectangle((left - reach, top - reach, left + width + reach - 1, top + height + reach - 1), None, *edge)
    pen.text((left, top + height + 4), fit(tile.caption, width, 14), RED if tile.rejected else INK, _font(14))
    for i, line in enumerate(tile.note.splitlines()):
        place = (left, top + height + 22 + i * LINE_PX)
        pen.text(place, fit(line, width, 12), RED if tile.rejected else GREY, _font(12))


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
