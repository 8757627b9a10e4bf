"""Overlays: objects are shown where they are, in colours of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image

from synthgen.fields import Boxes, DepthMap, Image, InstanceMap
from synthgen.report import overlay
from synthgen.report.sheet import Tile, draw_sheet

SCHEMA = {"image": Image(20, 20, 1), "instances": InstanceMap(20, 20)}


def picture() -> np.ndarray:
    shown = np.full((20, 20, 1), 3, dtype=np.uint8)
    shown[5:10, 5:10] = 9
    return shown


def test_outlines_lie_on_the_inside_of_the_edge() -> None:
    instances = np.zeros((20, 20), dtype=np.uint16)
    instances[5:10, 5:10], instances[5:10, 10:15] = 1, 2
    values = {"image": picture(), "instances": instances}
    shown = overlay.with_objects(picture(), values, SCHEMA)
    factor = overlay.SHOWN_PX // 20
    side = 20 * factor
    assert shown.shape == (side, 2 * side + overlay.GAP_PX, 3)
    plain, drawn = shown[:, :side], shown[:, -side:]
    changed = (plain != drawn).any(2)
    inside = instances.repeat(factor, 0).repeat(factor, 1)
    assert changed.any()
    assert not changed[inside == 0].any()
    assert not changed[7 * factor, 7 * factor]
    first, second = drawn[changed & (inside == 1)], drawn[changed & (inside == 2)]
    lines = [np.unique(colour, axis=0) for colour in (first, second)]
    assert [len(line) for line in lines] == [2, 2]
    assert not np.array_equal(*lines)


def test_outlines_are_seen_on_any_ground() -> None:
    """A bright line and a dark one, in every colour; an object of one pixel has the bright one."""
    instances = np.arange(1, 37, dtype=np.uint16).reshape(6, 6).repeat(10, 0).repeat(10, 1)
    instances[0, 0] = 37
    drawn = np.full((60, 60, 3), 128, dtype=np.uint8)
    overlay.draw_outlines(drawn, instances)
    luma = drawn @ overlay.LUMA
    for number in range(1, 37):
        seen = luma[(instances == number) & (drawn != 128).any(2)]
        assert seen.max() >= overlay.MIN_LINE_LUMA - 1
        assert seen.min() < 64
    assert luma[0, 0] >= overlay.MIN_LINE_LUMA - 1


def test_boxes_have_a_legend_where_there_are_several_classes() -> None:
    schema = {"image": Image(20, 20, 1), "boxes": Boxes(20, 20, ("a", "b"))}
    values = {"boxes": np.array([[2, 2, 8, 8, 1], [9, 9, 18, 18, 2]], dtype=np.float32)}
    drawn = overlay.with_objects(picture(), values, schema)
    found = overlay.legend(schema)
    assert [name for name, _ in found] == ["a", "b"]
    assert all((drawn == colour).all(2).any() for _, colour in found)
    assert overlay.legend({"boxes": Boxes(20, 20, ("a",))}) == []
    tiles = {"": [Tile(drawn, "", "")]}
    sheet = np.asarray(draw_sheet(tiles, "boxes", "two", found))
    assert sheet.shape[0] > draw_sheet(tiles, "boxes", "two").height
    head = sheet[: sheet.shape[0] - draw_sheet(tiles, "boxes", "two").height + 90]
    assert all((head == colour).all(2).any() for _, colour in found)


def test_dark_pictures_are_stretched() -> None:
    shown = overlay.stretched(picture())
    assert (shown.min(), shown.max()) == (0, 255)
    assert overlay.stretched(np.zeros((4, 4, 3), np.uint8)).max() == 0


def test_boxes_over_the_border_are_cut_there() -> None:
    schema = {"image": Image(20, 20, 1), "boxes": Boxes(20, 20, ("a", "b"))}
    boxes = np.array([[-5, -5, 8, 8, 1], [3, 4, 9, 25, 2]], dtype=np.float32)
    shown = overlay.with_objects(picture(), {"boxes": boxes}, schema)
    plain, drawn = shown[:, : shown.shape[0]], shown[:, -shown.shape[0] :]
    colours = np.unique(drawn[(plain != drawn).any(2)], axis=0)
    assert len(colours) == 2


def test_depth_stands_beside_the_picture_and_near_is_bright() -> None:
    depth = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    schema = {"image": Image(20, 20, 1), "depth": DepthMap(20, 20)}
    shown = overlay.with_objects(picture(), {"depth": schema["depth"].show(depth)}, schema)
    side = 20 * (overlay.SHOWN_PX // 20)
    assert shown.shape == (side, 2 * side + overlay.GAP_PX, 3)
    assert (shown[0, -side].tolist(), shown[-1, -1].tolist()) == ([0] * 3, [255] * 3)
    instances = np.zeros((20, 20), dtype=np.uint16)
    both = overlay.with_objects(
        picture(), {"depth": schema["depth"].show(depth), "instances": instances}, {**SCHEMA, **schema}
    )
    assert both.shape == (side, 3 * side + 2 * overlay.GAP_PX, 3)


def test_pictures_without_objects_stay_as_they_are() -> None:
    assert overlay.with_objects(picture(), {}, {"image": Image(20, 20, 1)}) is not None
    assert np.array_equal(overlay.with_objects(picture(), {}, {"image": Image(20, 20, 1)}), picture())


def test_preview_of_a_dataset_shows_them(cli, scenes: Path, tmp_path: Path) -> None:
    answer = cli("preview", scenes, "-o", tmp_path / "sheet.png")
    assert answer.code == 0
    sheet = np.asarray(PIL.Image.open(tmp_path / "sheet.png"))
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 20
