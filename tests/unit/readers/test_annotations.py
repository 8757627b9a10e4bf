"""Files of boxes: what is read of COCO, YOLO and Pascal VOC, and what is said of what is wrong in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.readers.boxes import coco, voc, yolo
from synthgen.readers.boxes.annotations import Annotations, Record, located
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import MaskData
from synthgen.readers.problems import Problems

IMAGES = [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}, {"id": 2, "file_name": "b.png"}]
CATEGORIES = [{"id": 7, "name": "cell"}, {"id": 8, "name": "dog", "supercategory": "pet"}]


def annotation(**changes: object) -> dict:
    return {"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2, 10, 8], **changes}


def parsed(skip_broken: bool = False, **changes: object) -> Annotations:
    content = {"images": IMAGES, "annotations": [annotation()], "categories": CATEGORIES, **changes}
    problems = Problems(skip_broken)
    found = coco.parse(json.dumps(content).encode(), "b.json", problems)
    problems.check()
    return found


def test_coco_boxes_and_crowds() -> None:
    found = parsed(annotations=[annotation(), annotation(id=2, iscrowd=1, bbox=None)])
    assert found.classes == ("cell", "dog")
    assert [(r.file, r.size, r.boxes, r.names) for r in found.records] == [
        ("a.png", (40, 30), ((1, 2, 10, 8),), ("cell",)),
        ("b.png", None, (), ()),
    ]
    assert found.notes == ["b.json: crowds (`iscrowd`) are no objects, and are left out: 1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": [annotation(bbox=[1, 2, float("nan"), 3])]}, r"annotations\[0\]: bbox: must be four finite"),
        ({"annotations": [annotation(bbox=[1, 2, 3])]}, "bbox: must be four finite"),
        ({"annotations": [{"id": 1, "image_id": 1, "category_id": 7}]}, r"bbox: must be four finite .*\(got None\)"),
        ({"annotations": [annotation(bbox=[1, 2, 0, 3])]}, "width of 0 and a height of 3; both must be above 0"),
        ({"annotations": [annotation(bbox=[1, 2, 4, -3])]}, "both must be above 0"),
        ({"annotations": [annotation(category_id=9)]}, "category_id: 9 is no id of a category"),
        ({"annotations": [annotation(image_id=9)]}, "image_id: must be the id of an image"),
        ({"annotations": [annotation(), annotation(image_id=2)]}, "id: 1 is the id of another annotation, too"),
        ({"annotations": [annotation(iscrowd="yes")]}, "iscrowd: must be 0 or 1"),
        ({"annotations": ["x"]}, "image_id: must be the id of an image of this file"),
        ({"images": [IMAGES[0], {**IMAGES[1], "id": 1}]}, r"images\[1\]: id: 1 is the id of another image, too"),
        ({"images": [IMAGES[0], {"id": 2, "file_name": "a.png"}]}, "`a.png` is that of image 1, too"),
        ({"images": [IMAGES[0], {"file_name": "b.png"}]}, "must be an object with `id` and `file_name`"),
        ({"images": [{"id": 1}]}, "file_name must name a file"),
        ({"images": [{"id": 1, "file_name": "/etc/passwd"}]}, "must be a path below the folder"),
        ({"images": [{"id": 1, "file_name": "a/../../b.png"}]}, "must be a path below the folder"),
        ({"images": [{"id": 1, "file_name": "C:\\b.png"}]}, "must be a path below the folder"),
        ({"images": [{**IMAGES[0], "width": "40"}]}, "width: must be a whole number of pixels"),
        ({"categories": [CATEGORIES[0], {"id": 8, "name": "cell"}]}, "the name `cell` is there twice"),
        ({"categories": [CATEGORIES[0], {"id": 7, "name": "dog"}]}, "the id 7 is that of `cell`, too"),
        ({"categories": [{"id": 7}]}, "needs an `id` and a `name`"),
        ({"categories": {}}, "must hold the lists"),
    ],
)
def test_what_is_wrong_with_a_coco_file(changes: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parsed(**changes)


def test_all_problems_at_once_or_pictures_left_out() -> None:
    wrong = [annotation(id=i, image_id=1 + i % 2, bbox=[0, 0, 0, 0]) for i in range(30)]
    with pytest.raises(DataError) as error:
        parsed(annotations=wrong)
    lines = str(error.value).splitlines()
    assert len(lines) == 22
    assert lines[20] == "and 10 more"
    assert "skip_broken: true" in lines[21]
    found = parsed(skip_broken=True, annotations=[annotation(bbox=[0, 0, 0, 0]), annotation(id=2, image_id=9)])
    assert [record.file for record in found.records] == ["b.png"], "an object left out would be background"
    assert found.notes == ["b.json: annotations of no image of the file are left out: 1"]


def test_boxes_are_compared_with_the_picture() -> None:
    record = Record("b.json: a.png", "a.png", None, None, ((0.5, 0.5, 0.5, 0.25),), ("cell",), relative=True)
    assert located(record, 40, 20) == [(20, 10, 20, 5)]
    outside = Record("b.json: a.png", "a.png", (40, 20), None, ((30, 10, 12, 5),), ("cell",))
    with pytest.raises(DataError, match=r"box 1 \(cell\) reaches out of the image: left 30, top 10, right 42"):
        located(outside, 40, 20)
    with pytest.raises(DataError, match=r"says 40 x 20 pixels, and a.png has 20 x 40"):
        located(outside, 20, 40)


def test_yolo_lines() -> None:
    found = yolo.parse(b"\xef\xbb\xbf1 0.5 0.5 0.5 0.25\r\n\n0 0 0 1 0 1 0.5\n", "a.txt", "a.png", ("cell", "dog"))
    assert found.names == ("dog", "cell")
    assert found.boxes == ((0.25, 0.375, 0.5, 0.25), (0, 0, 1, 0.5))
    with pytest.raises(DataError) as error:
        yolo.parse(b"2 .5 .5 .1 .1\n0 .5 .5 .1\n0 320 240 10 10\nx .5 .5 .1 .1\n0 .5 .5 0 .1", "a.txt", "", ("cell",))
    assert [line.split(": ")[0] for line in str(error.value).splitlines()] == [f"a.txt:{i}" for i in range(1, 6)]
    assert yolo.class_names(b"names: {1: dog, 0: cell}", "data.yaml") == ("cell", "dog")
    assert yolo.class_names(b"cell\nwhite cell\n", "classes.txt") == ("cell", "white cell")
    with pytest.raises(DataError, match=r"names a class twice: cell"):
        yolo.class_names(b"cell\ncell\n", "classes.txt")


def test_keypoints_follow_a_box_and_predictions_are_no_polygons() -> None:
    line = b"0 0.5 0.5 0.2 0.4 0.45 0.35 0.55 0.40 0.48 0.62 0.52 0.66\n0 0.5 0.5 0.5 0.5\n"
    found = yolo.parse(line, "a.txt", "", ("tiger",), 8)
    np.testing.assert_allclose(located(found, 100, 80), [(40, 24, 20, 32), (25, 20, 50, 40)])
    with pytest.raises(DataError, match=r"a.txt:1: must be .* with the 6 numbers of keypoints .*\(got 13 values\)"):
        yolo.parse(line, "a.txt", "", ("tiger",), 6)
    with pytest.raises(
        DataError, match=r"a.txt:1: ends with a confidence and the number of a track, .*\(0.91 1\); must"
    ):
        yolo.parse(b"0 0.5 0.5 0.2 0.2 0.91 1\n", "a.txt", "", ("ship",))
    assert yolo.parse(b"0 0.5 0.5 0.2 0.2 0.91 1.0\n", "a.txt", "", ("ship",)).boxes == ((0.2, 0.2, 0.71, 0.8),)


def yolo_folder(folder: Path, label: str, **files: str) -> MaskData:
    """An image of 100 x 80 with its labels, and other files by their names."""
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    Image.fromarray(np.full((80, 100, 3), 9, dtype=np.uint8)).save(folder / "images" / "0.png")
    (folder / "labels" / "0.txt").write_text(label)
    for name, text in files.items():
        (folder / name.replace("__", "/").replace("_yaml", ".yaml").replace("_txt", ".txt")).write_text(text)
    return MaskData(path=str(folder), boxes="labels", objects=["tiger"])


def test_the_shape_of_keypoints_is_in_the_file_of_names(tmp_path: Path) -> None:
    label = "0 0.5 0.5 0.2 0.4 0.45 0.35 0.55 0.40 0.48 0.62 0.52 0.66\n"
    data = yolo_folder(tmp_path, label, data_yaml="kpt_shape: [4, 2]\nnames: {0: tiger}\n")
    boxes = reader.read(data).items[0].boxes
    assert boxes is not None
    np.testing.assert_allclose(boxes, [[40, 24, 60, 56]], rtol=1e-6)
    (tmp_path / "data.yaml").write_text("kpt_shape: 4\nnames: {0: tiger}\n")
    with pytest.raises(DataError, match=r"data.yaml: kpt_shape: must be \[number of keypoints, 2 or 3\] \(got 4\)"):
        reader.read(data)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("names: [helmet, vest]", r"labels/classes.txt: calls class 0 `tiger`, and .*data.yaml calls it `helmet`"),
        ("names: [tiger, vest, cat]\nnc: 2", r"data.yaml: says `nc: 2`, and `names` has 3"),
        ("nc: 3", r"classes.txt: names 2 classes, and .*data.yaml says `nc: 3`"),
        ("names: [tiger, vest]", ""),
        ("names: [tiger]", ""),
        ("train: images", ""),
        ("a: [", ""),
    ],
)
def test_files_of_names_agree(tmp_path: Path, names: str, message: str) -> None:
    data = yolo_folder(tmp_path, "0 .5 .5 .2 .2\n", labels__classes_txt="tiger\nvest\n", data_yaml=names)
    if message:
        with pytest.raises(DataError, match=message):
            reader.read(data)
    else:
        assert reader.read(data).items[0].n_objects == 1
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(
        DataError, match=r"categories \['tiger'\], as .*classes.txt calls them, which `objects: \['a'\]"
    ):
        reader.read(data.model_copy(update={"objects": ["a"]}))


def test_files_of_names_of_other_data_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "classes.txt").write_text("helmet\n")
    data = yolo_folder(tmp_path / "own", "0 .5 .5 .2 .2\n", data_yaml="names: [tiger]")
    assert reader.read(data).items[0].n_objects == 1


def test_shares_of_images_are_no_pixels() -> None:
    shares = [annotation(bbox=[0.1, 0.2, 0.3, 0.4]), annotation(id=2, bbox=[0, 0, 1, 1])]
    with pytest.raises(DataError, match=r"b.json: bbox: every box lies within 0 and 1.*in pixels are accepted"):
        parsed(annotations=shares)
    assert len(parsed(annotations=[*shares, annotation(id=3)]).records[0].boxes) == 3
    box = b"<bndbox><xmin>0.1</xmin><ymin>0.2</ymin><xmax>0.4</xmax><ymax>0.6</ymax></bndbox>"
    with pytest.raises(DataError, match=r"a.xml: bndbox: every corner lies within 0 and 1"):
        voc.parse(b"<annotation><object><name>cell</name>" + box + b"</object></annotation>", "a.xml")


def test_voc_counts_from_one_and_needs_no_document_type() -> None:
    box = b"<bndbox><xmin>1</xmin><ymin>3</ymin><xmax>10</xmax><ymax>4</ymax></bndbox>"
    found = voc.parse(b"<annotation><object><name>cell</name>" + box + b"</object></annotation>", "a.xml")
    assert (found.boxes, found.names, found.size) == (((0, 2, 10, 2),), ("cell",), None)
    for prefix in (
        b'<!DOCTYPE a [<!ENTITY b "bb">]>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a>'.encode("utf-16"),
    ):
        with pytest.raises(DataError, match=r"has a document type"):
            voc.parse(prefix + b"<annotation/>", "a.xml")
    with pytest.raises(DataError, match=r"object 1: .*needs a <bndbox>"):
        voc.parse(b"<annotation><object><name>cell</name></object></annotation>", "a.xml")


def test_a_picture_that_does_not_fit_its_record_stops_or_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name, side in (("a", 30), ("b", 20)):
        Image.fromarray(np.full((30, side + 10, 3), 9, dtype=np.uint8)).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "images" / "c.png").write_bytes(b"torn")
    images = [*IMAGES[:1], {**IMAGES[1], "width": 90, "height": 30}, {"id": 3, "file_name": "c.png"}]
    content = {"images": images, "annotations": [annotation()], "categories": CATEGORIES}
    (tmp_path / "b.json").write_text(json.dumps(content))
    data = MaskData(path=str(tmp_path), boxes="b.json", objects=["cell"])
    with pytest.raises(DataError) as error:
        reader.read(data)
    assert "b.png: says 90 x 30 pixels" in str(error.value)
    assert "c.png: is no readable image" in str(error.value)
    found = reader.read(data.model_copy(update={"skip_broken": True}))
    assert len(found) == 1
    assert found.notes == ("2 images cannot be read and are left out: b.png, c.png",)
    content["annotations"] = []
    (tmp_path / "b.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"there is no object in any of the 1 images"):
        reader.read(data.model_copy(update={"skip_broken": True}))
