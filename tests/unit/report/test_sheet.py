"""The contact sheet's size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthgen.report import sheet
from synthgen.report.sheet import Tile


@pytest.mark.parametrize("groups", [{"": 20}, {"grey": 10, "colour": 3}, {"a": 3, "b": 2}])
@pytest.mark.parametrize("shape", [(96, 193, 3), (28, 28, 1), (64, 640, 3)])
def test_sheets_are_no_wider_than_their_tiles_need_nor_than_a_screen(groups: dict[str, int], shape: Any) -> None:
    tiles = {name: [Tile(np.zeros(shape, np.uint8), name)] * n for name, n in groups.items()}
    pixels = np.asarray(sheet.draw_sheet(tiles, "x").convert("L"))
    dark = np.flatnonzero((pixels < 10).sum(0) > 20)
    assert pixels.shape[1] <= 1700
    assert pixels.shape[1] - dark.max() <= sheet.MARGIN + 2 or pixels.shape[1] == 420
    width = sheet.cell_size([tiles[name][0] for name in tiles])[0]
    assert (pixels < 10).sum() >= sum(groups.values()) * width * 10


def test_a_long_legend_is_broken_into_lines_that_fit() -> None:
    legend = [(f"class number {i}", (i, 0, 0)) for i in range(40)] + [("w" * 200, (40, 0, 0))]
    lines = sheet.legend_lines(legend, 400)
    assert [colour for line in lines for _, colour in line] == [colour for _, colour in legend]
    assert all(sum(18 + sheet._font(14).getlength(word) + 16 for word, _ in line) - 16 <= 400 for line in lines)
    tiles = {"": [Tile(np.zeros((60, 60, 3), np.uint8), "")]}
    short, long = (sheet.draw_sheet(tiles, "x", "", found) for found in (legend[:1], legend))
    assert long.height - short.height == (len(sheet.legend_lines(legend, long.width - 2 * sheet.MARGIN)) - 1) * 24


def test_panels_are_each_as_large_as_an_image_alone() -> None:
    one, two = np.zeros((300, 400, 3), np.uint8), np.zeros((300, 802, 3), np.uint8)
    (width, height), (both, same) = sheet.cell_size([Tile(one, "")]), sheet.cell_size([Tile(two, "", n_panels=2)])
    assert abs(both - 2 * width) <= 2 and abs(height - same) <= 1


def test_what_was_drawn_for_its_size_is_neither_reduced_nor_enlarged() -> None:
    """Panels of 40 channels would be an image of 60 pixels in width."""
    assert sheet.cell_size([Tile(np.zeros((1200, 256, 3), np.uint8), "", exact=True)]) == (256, 1200)
    assert sheet.cell_size([Tile(np.zeros((1200, 256, 3), np.uint8), "")]) == (55, 256)
    assert sheet.cell_size([Tile(np.zeros((80, 100, 3), np.uint8), "", exact=True)]) == (100, 80)
