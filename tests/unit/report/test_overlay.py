"""Overlays: objects are shown where they are, in colours of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image

from synthgen.fields import IGNORE, Boxes, DepthMap, Image, InstanceMap, SegmentationMap
from synthgen.fields.shown import Regions
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


STREET = SegmentationMap(6, 8, ("sky", "road", "car"), ("sky", "road", "car"), ("#4682b4", "#804080", "#00008e"))


def street() -> tuple[np.ndarray, np.ndarray]:
    """Image and class map: sky above a road with a car, and a corner that is unknown."""
    ids = np.full((6, 8), 2, dtype=np.uint8)
    ids[:3], ids[3:5, 5:7], ids[4:, :3] = 1, 3, IGNORE
    return np.random.default_rng(0).integers(40, 90, (6, 8, 3)).astype(np.uint8), ids


def panels(shown: np.ndarray, n: int) -> list[np.ndarray]:
    width = (shown.shape[1] + overlay.GAP_PX) // n
    return [shown[:, i * width : (i + 1) * width - overlay.GAP_PX] for i in range(n)]


def test_class_maps_have_the_colours_of_their_field_beside_an_image_as_it_is() -> None:
    image, ids = street()
    schema = {"image": Image(6, 8, 3), "segmentation": STREET}
    plain, drawn, both = panels(overlay.with_objects(image, {"segmentation": ids}, schema), 3)
    factor = overlay.SHOWN_PX // 8
    assert np.array_equal(plain[::factor, ::factor], image)
    large = overlay.enlarged(ids, factor)
    for cls, colour in ((1, (70, 130, 180)), (2, (128, 64, 128)), (3, (0, 0, 142))):
        assert np.unique(drawn[large == cls], axis=0).tolist() == [list(colour)]
    hatch = np.unique(drawn[large == IGNORE], axis=0).tolist()
    assert hatch == sorted([list(overlay.UNKNOWN), list(overlay.HATCH)])
    assert np.abs(both.astype(int) - (plain.astype(int) + drawn) / 2).max() <= 1


def test_class_maps_without_colours_have_those_of_voc_and_grey_images_stay_grey() -> None:
    image, ids = street()
    field = SegmentationMap(6, 8, ("sky", "road", "car"), ("sky", "road", "car"))
    plain, drawn, _ = panels(overlay.with_objects(image[..., :1], {"map": ids}, {"map": field}), 3)
    assert drawn[0, 0].tolist() == [128, 0, 0]
    assert plain[0, 0].tolist() == [image[0, 0, 0]] * 3


def test_objects_among_regions_are_outlined_in_the_map_alone() -> None:
    image, ids = street()
    instances = np.where(ids == 3, 1, 0).astype(np.uint16)
    schema = {"instances": InstanceMap(6, 8), "map": SegmentationMap(6, 8, STREET.classes, ("sky", "road"))}
    plain, drawn, _ = panels(overlay.with_objects(image, {"instances": instances, "map": ids}, schema), 3)
    factor = overlay.SHOWN_PX // 8
    assert np.array_equal(plain[::factor, ::factor], image)
    car = drawn[overlay.enlarged(ids, factor) == 3]
    assert (car == 255).all(1).any() and (car == overlay.region_colours(Regions(STREET.classes))[3]).all(1).any()
    assert not (drawn[overlay.enlarged(ids, factor) == 1] == 255).all(1).any()


def test_large_photos_have_a_map_and_no_third_panel() -> None:
    image, ids = np.zeros((200, 300, 3), np.uint8), np.ones((200, 300), np.uint8)
    field = SegmentationMap(200, 300, ("sky",), ("sky",))
    assert overlay.with_objects(image, {"map": ids}, {"map": field}).shape == (200, 600 + overlay.GAP_PX, 3)


def test_the_legend_of_regions_names_what_occurs_the_most_frequent_first() -> None:
    schema = {"image": Image(6, 8, 3), "segmentation": STREET}
    found = overlay.legend(schema, {0: 3, 2: 5, 3: 900, IGNORE: 1000, 1: 0})
    assert found == [
        ("car", (0, 0, 142)),
        ("road", (128, 64, 128)),
        ("background", (0, 0, 0)),
        ("unknown", overlay.UNKNOWN),
    ]
