"""Files of boxes: damaged ones of COCO, YOLO and Pascal VOC are read, or refused with the file and the place in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest
from hypothesis import strategies as st

import fuzzing
from synthgen.readers.boxes import coco, voc, yolo
from synthgen.readers.boxes.annotations import Record, located
from synthgen.readers.problems import Problems

COCO = json.dumps(
    {
        "images": [
            {"id": 1, "file_name": "a/1.png", "width": 40, "height": 30},
            {"id": "b", "file_name": "2.png", "split": "test"},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2.5, 10, 8], "iscrowd": 0},
            {"id": 2, "image_id": "b", "category_id": 8, "bbox": [0, 0, 40, 30], "iscrowd": 1},
        ],
        "categories": [{"id": 7, "name": "cell"}, {"id": 8, "name": "dog", "supercategory": "pet"}],
    }
).encode()
YOLO = b"0 0.5 0.5 0.25 0.5\n1 0.1 0.1 0.2 0.1 0.2 0.3\n"
DATA_YAML = b"train: images/train\nnc: 2\nnames:\n  0: cell\n  1: dog\n"
VOC = (
    b"<annotation><filename>1.png</filename><size><width>40</width><height>30</height></size><object><name>cell</name>"
    b"<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>20</xmax><ymax>9.5</ymax></bndbox></object></annotation>"
)
BOMB = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>'


VALUES: tuple[object, ...] = (
    None, True, 0, 1, -1, 7, 10**400, 1.5, float("nan"), float("inf"), "", "1", "a/1.png", "/etc/passwd", "../x.png",
    "C:\\x.png", "\ud800", "a\0b", "\x1b[31m", [], [[]], {}, {"id": 1}, [1, 2, 3], [1, 2, 3, None], [0, 0, 0, 5],
    [1, 1, -4, 5], [30, 20, 30, 30], [1e308, 0, 1e308, 1], ["1", 2, 3, 4], [1, 2, 3, 10**400],
)  # fmt: skip
KEYS = ("id", "image_id", "category_id", "bbox", "iscrowd", "file_name", "name", "width", "height", "split")


@st.composite
def _wrong_types(draw: st.DrawFn) -> bytes:
    """A COCO file with values of any type in a few places."""
    content = json.loads(COCO)
    for _ in range(draw(st.integers(1, 3))):
        entries = content[draw(st.sampled_from(sorted(content)))]
        place = draw(st.integers(0, 1))
        if draw(st.booleans()):
            entries[place] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        elif isinstance(entries[place], dict):
            entries[place][draw(st.sampled_from(KEYS))] = draw(st.sampled_from(VALUES))
    return json.dumps(content).encode()


def _coco(raw: bytes, skip_broken: bool) -> list[Record]:
    problems = Problems(skip_broken)
    found = coco.parse(raw, "boxes.json", problems)
    problems.check()
    return found.records


READERS: dict[str, Callable[[bytes], list[Record]]] = {
    "coco": lambda raw: _coco(raw, False),
    "coco, skipping": lambda raw: _coco(raw, True),
    "yolo": lambda raw: [yolo.parse(raw, "1.txt", "1.png", ("cell", "dog"))],
    "names": lambda raw: [Record("", name) for name in yolo.class_names(raw, "data.yaml")],
    "voc": lambda raw: [voc.parse(raw, "1.xml")],
}


def _inputs(kind: str, *seeds: bytes) -> st.SearchStrategy[tuple[str, bytes]]:
    return st.tuples(st.just(kind), fuzzing.damaged(st.sampled_from(seeds)))


@pytest.mark.slow
def test_damaged_annotations_are_read_or_refused() -> None:
    inputs = st.one_of(
        _inputs("coco", COCO),
        _inputs("coco, skipping", COCO),
        st.tuples(st.sampled_from(["coco", "coco, skipping"]), _wrong_types()),
        _inputs("yolo", YOLO),
        _inputs("names", DATA_YAML),
        _inputs("voc", VOC, BOMB),
    )

    def attempt(example: tuple[str, bytes]) -> None:
        kind, raw = example
        for record in READERS[kind](raw):
            record.file.encode()
            for left, top, width, height in located(record, 40, 30):
                assert min(left, top) >= -1 and left + width <= 41 and top + height <= 31 and min(width, height) > 0

    fuzzing.check("annotations", inputs, attempt)
