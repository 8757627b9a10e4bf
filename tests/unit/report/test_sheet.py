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
    width = sheet.cell_size([tiles[name][0].picture for name in tiles])[0]
    assert (pixels < 10).sum() >= sum(groups.values()) * width * 10
