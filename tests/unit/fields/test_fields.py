"""Fields: what is accepted, and that every stored form reads back."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import PIL.Image
import pytest

from synthgen import fields
from synthgen.errors import DataError, PluginError
from synthgen.fields import (
    Boxes,
    DepthMap,
    Events,
    Image,
    InstanceMap,
    Label,
    Number,
    Numbers,
    Probabilities,
    SegmentationMap,
    Series,
    StepClasses,
    StepLabels,
    Text,
    Times,
    class_field,
    classes_of,
    label_of,
)
from synthgen.parts.fields import from_description
from synthgen.writers.webdataset import member_name

STEPS = StepClasses(3, ("x", "y"), ("spike", "drift"))
GOING_ON = StepLabels(3, ("idle", "busy"))
HAPPENED = Events(3, ("spike", "drift"), ("x", "y"), "h")
EVENT: dict[str, Any] = {
    "kind": "drift",
    "start": 1,
    "end": 3,
    "start_time": 0.5,
    "end_time": 1.5,
    "channels": ["x", "y"],
    "severity": 4.25,
}


def picture(height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("codec", ["png", "webp"])
def test_lossless_codecs_keep_every_pixel(codec: Any, channels: int) -> None:
    kind = Image(5, 7, channels, codec)
    value = picture(5, 7, channels)
    stored = kind.encode(value)
    assert np.array_equal(kind.decode(stored), value)
    assert PIL.Image.open(io.BytesIO(stored)).format == codec.upper()
    assert PIL.Image.open(io.BytesIO(stored)).size == (7, 5)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (InstanceMap(3, 4), np.array([[0, 1, 2, 65535]] * 3, dtype=np.uint16)),
        (InstanceMap(1, 1), np.zeros((1, 1), dtype=np.uint16)),
        (DepthMap(3, 4), np.array([[0, 1, 256, 65535]] * 3, dtype=np.uint16)),
        (SegmentationMap(2, 2, ("a", "b")), np.array([[0, 1], [2, 255]], dtype=np.uint8)),
        (Boxes(9, 9, ("a", "b")), np.array([[0.25, 1, 3.5, 4.75, 1], [-1, 2, 9, 9, 2]], dtype=np.float32)),
        (Boxes(9, 9, ("a",)), np.zeros((0, 5), dtype=np.float32)),
        (Numbers(), np.array([0.1, -2.5])),
        (Numbers(), np.zeros(0)),
        (Probabilities(("a", "b")), np.array([0.3, 0.7], dtype=np.float32)),
        (STEPS, np.array([[0, 1], [2, 0], [0, 0]], dtype=np.uint8)),
        (GOING_ON, np.array([0, 2, 1], dtype=np.uint8)),
    ],
)
def test_maps_boxes_and_numbers_read_back(kind: fields.Field, value: np.ndarray) -> None:
    kind.check("it", value)
    stored = kind.encode(value)
    back = kind.decode(stored)
    assert back.dtype == value.dtype
    assert np.array_equal(back, value)
    assert kind.encode(back) == stored
    if not isinstance(stored, bytes):
        assert json.loads(json.dumps(stored)) == stored
    assert from_description(json.loads(json.dumps(kind.describe()))) == kind


@pytest.mark.parametrize("value", [[], [EVENT], [EVENT | {"severity": None}, EVENT | {"kind": "spike"}]])
def test_events_read_back(value: list[dict[str, Any]]) -> None:
    HAPPENED.check("it", value)
    stored = HAPPENED.encode(value)
    text = json.dumps(stored, sort_keys=True, allow_nan=False)
    assert HAPPENED.decode(json.loads(text)) == value
    assert repr(HAPPENED.decode(json.loads(text))) == repr(stored), "the order of keys is part of the stored form"
    assert from_description(json.loads(json.dumps(HAPPENED.describe()))) == HAPPENED


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (STEPS, np.array([[0, 1], [2, 0], [0, 0]], dtype=np.uint8)),
        (Series(2, ("x",), ("1",)), np.array([[0.1], [np.nan]], dtype=np.float32)),
        (Times(2, "h"), np.array([0.1, 0.2])),
        (HAPPENED, [EVENT, EVENT | {"severity": None}]),
        (HAPPENED, []),
    ],
)
def test_what_happens_in_series_reads_back_from_a_table(kind: fields.Field, value: Any) -> None:
    import pyarrow as pa

    stored = kind.encode(value)
    column = kind.to_cells([stored, stored, stored], ["a", "b", "c"])
    assert column.type == kind.arrow()
    assert str(column) == str(pa.array(column.to_pylist(), type=kind.arrow()))
    assert list(kind.from_cells(column)) == [stored] * 3
    assert list(kind.from_cells(column.slice(1, 1))) == [stored], "a slice is read from where it begins"
    assert len(kind.to_cells([], [])) == 0


def test_boxes_are_stored_as_coco_has_them() -> None:
    stored = Boxes(9, 9, ("a", "b")).encode(np.array([[1, 2, 4, 8, 2]], dtype=np.float32))
    assert stored == {"bbox": [[1.0, 2.0, 3.0, 6.0]], "category": [1]}


def test_members_have_the_usual_endings() -> None:
    names = {"image": "png", "label": "cls", "segmentation": "seg.png", "instances": "inst.png", "depth": "depth.png"}
    for name, ending in names.items():
        assert member_name(name, ending.rpartition(".")[2]) == ending
    assert member_name("sam_instances", "png") == "sam_instances.png"


def test_jpeg_is_close() -> None:
    smooth = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    kind = Image(32, 32, 3, "jpeg")
    assert np.abs(kind.decode(kind.encode(smooth)).astype(int) - smooth).max() < 12


def test_decoded_pictures_may_be_written_to() -> None:
    kind = Image(2, 2, 1)
    kind.decode(kind.encode(picture(2, 2, 1)))[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Image(2, 2, 1), np.zeros((2, 2, 1), dtype=np.float32)),
        (Image(2, 2, 1), np.zeros((2, 2), dtype=np.uint8)),
        (Image(2, 2, 1), np.zeros((2, 2, 3), dtype=np.uint8)),
        (Image(2, 2, 1), "an image"),
        (Label(("a", "b")), 2),
        (Label(("a", "b")), -1),
        (Label(("a", "b")), 0.0),
        (Number(), math.nan),
        (Number(), math.inf),
        (Number(), "1"),
        (InstanceMap(2, 2), np.zeros((2, 2), dtype=np.int32)),
        (InstanceMap(2, 2), np.zeros((2, 3), dtype=np.uint16)),
        (SegmentationMap(2, 2, ("a",)), np.full((2, 2), 2, dtype=np.uint8)),
        (SegmentationMap(2, 2, ("a",)), np.zeros((2, 2))),
        (DepthMap(2, 2), np.zeros((2, 2))),
        (DepthMap(2, 2), np.zeros((2, 3), dtype=np.uint16)),
        (Boxes(4, 4, ("a",)), np.zeros((1, 4), dtype=np.float32)),
        (Boxes(4, 4, ("a",)), np.array([[2, 2, 2, 3, 1]], dtype=np.float32)),
        (Boxes(4, 4, ("a",)), np.array([[1, 2, 3, 3, 2]], dtype=np.float32)),
        (Boxes(4, 4, ("a",)), np.array([[1, np.nan, 3, 3, 1]], dtype=np.float32)),
        (Numbers(), np.array([np.inf])),
        (Numbers(), 1.0),
        (Probabilities(("a", "b")), np.array([0.3, 0.7])),
        (Probabilities(("a", "b")), np.array([1], dtype=np.float32)),
        (Probabilities(("a", "b")), np.array([0.3, 0.6], dtype=np.float32)),
        (Probabilities(("a", "b")), np.array([1.5, -0.5], dtype=np.float32)),
        (Probabilities(("a", "b")), np.array([np.nan, 1], dtype=np.float32)),
        (Text(), 1),
        (GOING_ON, np.zeros(3, dtype=np.int64)),
        (GOING_ON, np.zeros((3, 1), dtype=np.uint8)),
        (GOING_ON, np.full(3, 3, dtype=np.uint8)),
        (STEPS, np.zeros((3, 2), dtype=np.int64)),
        (STEPS, np.zeros((2, 3), dtype=np.uint8)),
        (STEPS, np.full((3, 2), 3, dtype=np.uint8)),
        (HAPPENED, "drift"),
        (HAPPENED, [{"kind": "drift"}]),
        (HAPPENED, [EVENT | {"kind": "flood"}]),
        (HAPPENED, [EVENT | {"end": 4}]),
        (HAPPENED, [EVENT | {"start": 3}]),
        (HAPPENED, [EVENT | {"end_time": 0.5}]),
        (HAPPENED, [EVENT | {"channels": []}]),
        (HAPPENED, [EVENT | {"channels": ["z"]}]),
        (HAPPENED, [EVENT | {"severity": math.nan}]),
    ],
)
def test_wrong_values_are_refused_by_name(kind: fields.Field, value: Any) -> None:
    with pytest.raises(DataError, match="field `it`"):
        kind.check("it", value)


@pytest.mark.parametrize("kind", [Image(2, 3, 1, "webp"), Label(("a", "b")), Number("px")])
def test_a_description_gives_the_field_back(kind: fields.Field) -> None:
    assert from_description(kind.describe()) == kind


def test_a_field_of_the_future_is_refused() -> None:
    with pytest.raises(PluginError, match=r"field of type `hologram`.*--plugin FILE"):
        from_description({"type": "hologram"})


def test_columns_must_be_what_was_promised() -> None:
    schema = {"score": Number()}
    fields.check_columns({"score": [1.0, 2.0]}, schema, 2)
    with pytest.raises(DataError, match="promised the fields"):
        fields.check_columns({"other": [1.0]}, schema, 1)
    with pytest.raises(DataError, match="1 values for 2 samples"):
        fields.check_columns({"score": [1.0]}, schema, 2)
    with pytest.raises(DataError, match="`score`: must be a finite number"):
        fields.check_columns({"score": [math.nan]}, schema, 1)


def test_member_names() -> None:
    assert member_name("image", "png") == "png"
    assert member_name("label", "cls") == "cls"
    assert member_name("mask.soft", "png") == "mask_soft.png"


def test_class_maps_say_their_classes_for_cards_and_exports() -> None:
    both = SegmentationMap(4, 4, ("sky", "car"), ("sky",), ("#0000ff", "#ff0000"))
    assert both.pixel_classes == ("sky", "car") == SegmentationMap(4, 4, ("sky", "car")).pixel_classes
    assert both.class_rows() == [
        {"id": "1", "class": "sky", "kind": "stuff", "colour": "#0000ff"},
        {"id": "2", "class": "car", "kind": "thing", "colour": "#ff0000"},
    ]
    assert SegmentationMap(4, 4, ("sky", "car"), ("sky",)).class_rows()[0] == {
        "id": "1",
        "class": "sky",
        "kind": "stuff",
    }
    assert list(SegmentationMap(4, 4, ("car",)).class_rows()) == []
    assert Number().pixel_classes == () and list(Number().class_rows()) == []


def test_the_class_of_a_sample_is_its_label_wherever_that_stands() -> None:
    seen, label, number = Label(("b", "a")), Label(("a", "b")), Number()
    assert class_field({"seen": seen, "n": number, "label": label}) == "label"
    assert label_of({"seen": seen, "label": label}) == ("label", label)
    assert classes_of({"n": number, "seen": seen}) == ("b", "a") and label_of({"n": number}) == ("", None)
