"""Labelers of masks: boxes, segmenters, pixels set to ignore, prompts, and which masks are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import helpers
import tiny
from synthgen.errors import ModelError
from synthgen.fields import Boxes as BoxesField
from synthgen.fields import Columns, Image, SegmentationMap
from synthgen.labelers import prompted
from synthgen.labelers.boxes import Boxes, boxes_with_classes
from synthgen.labelers.detector import Detector
from synthgen.labelers.noisy_to_ignore import NoisyToIgnore
from synthgen.labelers.prompted import PromptSettings
from synthgen.labelers.sam2 import Sam2
from synthgen.labelers.sam3 import Sam3
from synthgen.labelers.segment_anything import SegmentAnything
from synthgen.labelers.segmenter import Segmenter
from synthgen.models import hub
from synthgen.models.images.segmenter import confidence
from synthgen.vision.layouts import Layout, boxes_of


def test_boxes_have_the_classes_of_their_objects() -> None:
    instances = np.zeros((8, 10), dtype=np.uint16)
    classes = np.zeros((8, 10), dtype=np.uint8)
    instances[1:3, 2:5], instances[5:8, 0:4], instances[0, 9] = 1, 2, 3
    classes[1:3, 2:5], classes[5:8, 0:4], classes[0, 9] = 2, 1, 255
    assert boxes_with_classes(instances, classes).tolist() == [[2, 1, 5, 3, 2], [0, 5, 4, 8, 1]]
    part = Boxes(Boxes.Config())
    assert "needs the instance map" in helpers.bind_messages(part, {"image": Image(8, 8, 3)})[0]


def test_pixels_that_the_network_contradicts_become_255() -> None:
    part = NoisyToIgnore(NoisyToIgnore.Config(model=tiny.segmenter()))
    schema, columns = tiny.pictures(2)
    assert part.bind(schema) == []
    part.setup("cpu")
    added = part.annotate(columns, [0, 0])
    probabilities, _ = part._network.outputs(np.stack(columns["image"]))
    for clean, share, intended, p in zip(
        added["clean_segmentation"], added["ignored"], columns["segmentation"], probabilities, strict=True
    ):
        loss = -np.log(np.take_along_axis(p, intended[None].astype(int), 0)[0])
        limit = 1.25 * np.array([0.1, 0.2])[intended]
        assert np.array_equal(clean == 255, loss > limit)
        assert np.array_equal(clean[clean != 255], intended[clean != 255])
        assert share == pytest.approx((clean == 255).mean())


def masks() -> np.ndarray:
    found = np.zeros((4, 20, 20), dtype=bool)
    found[0, 2:8, 2:8] = found[1, 2:8, 2:9] = found[2, 6:14, 6:14] = True
    found[3, 18, 18] = True
    return found


def test_kept_masks_are_numbered_by_quality_and_share_no_pixel() -> None:
    instances, ious, stability, rows = prompted.kept(
        PromptSettings(min_area_px=2), masks(), np.array([0.8, 0.6, 0.9, 0.99]), np.array([0.5, 0.6, 0.7, 0.8])
    )
    assert instances.max() == 2  # 3 is too small, 1 is a worse copy of 0
    assert ious.tolist() == [0.9, 0.8]
    assert stability.tolist() == [0.7, 0.5]
    assert rows.tolist() == [2, 0]
    assert (instances == 1).sum() == 64
    assert instances[7, 7] == 1


@pytest.mark.parametrize(
    ("settings", "n"),
    [({"min_predicted_iou": 0.85}, 1), ({"min_stability": 0.65}, 1), ({"max_share": 0.1}, 1), ({"nms_iou": 1.0}, 2)],
)
def test_limits(settings: dict, n: int) -> None:
    found = prompted.kept(
        PromptSettings(min_area_px=8, **settings),
        masks(),
        np.array([0.8, 0.6, 0.9, 0.99]),
        np.array([0.5, 0.6, 0.7, 0.8]),
    )
    assert found[0].max() == n


def test_no_masks_give_an_empty_map() -> None:
    instances, ious, stability, rows = prompted.kept(PromptSettings(), masks()[:0], np.zeros(0), np.zeros(0))
    assert instances.shape == (20, 20)
    assert not instances.any()
    assert len(ious) == len(stability) == len(rows) == 0


def test_prompts_of_maps_and_boxes() -> None:
    instances = np.zeros((10, 10), dtype=np.uint16)
    instances[2:7, 2:7] = 1
    assert prompted.prompts_of(instances, "boxes")[0].tolist() == [[2, 2, 7, 7]]
    assert prompted.prompts_of(instances, "points")[1].tolist() == [[4.5, 4.5]]
    boxes = np.array([[1, 2, 3, 4, 1]], dtype=np.float32)
    assert prompted.prompts_of(boxes, "boxes")[0].tolist() == [[1, 2, 3, 4]]
    assert prompted.grid(2, 10, 20).tolist() == [[5, 2.5], [15, 2.5], [5, 7.5], [15, 7.5]]


def test_masks_have_the_classes_of_the_boxes_that_asked_for_them() -> None:
    schema, columns = tiny.pictures(2)
    fields = {**schema, "found_boxes": BoxesField(tiny.SIDE, tiny.SIDE, ("cat", "dog"))}
    corners = [boxes_of(instances)[0] for instances in columns["instances"]]
    boxes = [np.concatenate([c, 1 + np.arange(len(c))[:, None] % 2], axis=1).astype(np.float32) for c in corners]
    part = SegmentAnything(SegmentAnything.Config(model="starter/sam-nuclei", of="found_boxes", stretch=True))
    assert part.bind(fields) == []
    assert part.fields["sam_segmentation"] == SegmentationMap(tiny.SIDE, tiny.SIDE, ("cat", "dog"))
    part.setup("cpu")
    added = part.annotate({**columns, "found_boxes": boxes}, [0, 0])
    for found, true in zip(added["sam_segmentation"], columns["instances"], strict=True):
        intended = np.where(true > 0, 1 + (true - 1) % 2, 0)
        for cls in (1, 2):
            assert ((found == cls) & (intended == cls)).sum() > 0.6 * ((found == cls) | (intended == cls)).sum()
    assert all(
        np.array_equal(a > 0, b > 0) for a, b in zip(added["sam_instances"], added["sam_segmentation"], strict=True)
    )
    other = SegmentAnything(SegmentAnything.Config(model="starter/sam-nuclei"))
    assert other.bind(fields) == []
    assert "sam_segmentation" not in other.fields, "an instance map has no classes"


def test_classes_follow_the_numbers_of_the_masks() -> None:
    instances = np.array([[0, 1], [2, 2]], dtype=np.uint16)
    boxes = np.array([[0, 0, 1, 1, 3], [0, 0, 1, 1, 1], [0, 0, 1, 1, 2]], dtype=np.float32)
    found = prompted.classes_of(instances, np.array([2, 0]), boxes)
    assert found.tolist() == [[0, 2], [3, 3]]
    assert found.dtype == np.uint8


def test_what_prompts_need_is_told() -> None:
    image, boxes = Image(8, 8, 3), BoxesField(8, 8, ("cell",))
    assert "needs an `image`" in prompted.new_fields(PromptSettings(), {})[1][0].message
    assert "no instance map" in prompted.new_fields(PromptSettings(), {"image": image})[1][0].message
    points = PromptSettings(prompts="points", of="boxes")
    assert (
        "takes points from instance maps" in prompted.new_fields(points, {"image": image, "boxes": boxes})[1][0].message
    )
    assert prompted.new_fields(PromptSettings(prompts="auto"), {"image": image})[1] == []


@pytest.mark.parametrize("name", ["facebook/sam2", "facebook/sam2@main", "facebook/sam2@1234", "no/such/folder"])
def test_a_hub_model_needs_a_commit(name: str) -> None:
    with pytest.raises(ModelError, match="40 hexadecimal digits"):
        hub.reference(hub.ModelSettings(model=name), "sam2")


def test_a_hub_model_with_a_commit_is_planned_without_a_download() -> None:
    name = "facebook/sam2.1-hiera-tiny@" + "0123456789" * 4
    part = Sam2(Sam2.Config(model=name))
    assert part.sources[0].name == name
    assert len(part.identity()["model"]) == 64


def test_another_type_of_model_is_refused() -> None:
    with pytest.raises(ModelError, match="holds a model of the type sam2; sam3 is needed here"):
        hub.reference(hub.ModelSettings(model=tiny.sam2()), "sam3")


def test_weights_in_a_pickle_are_not_loaded(tmp_path: Path) -> None:
    import shutil

    import torch

    folder = Path(shutil.copytree(tiny.sam2(), tmp_path / "pickled"))
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded as a Sam2Model"):
        hub.load(hub.reference(hub.ModelSettings(model=str(folder)), "sam2"), "Sam2Model")


def test_a_text_that_finds_nothing_beside_one_that_finds_objects() -> None:
    texts = {"cat": "a cat", "dog": "two dogs and more"}

    def found(objects: dict[str, str], min_score: float) -> Columns:
        part = Sam3(Sam3.Config(model=tiny.sam3(), objects=objects, min_score=min_score, min_area_px=1, nms_iou=1.0))
        image = np.random.default_rng(5).integers(0, 256, (24, 24, 3)).astype(np.uint8)
        assert part.bind({"image": Image(24, 24, 3)}) == []
        part.setup("cpu")
        return part.annotate({"image": [image]}, [0])

    tops = [float(found({name: text}, 0.0)["sam3_score"][0].max()) for name, text in texts.items()]
    between = sum(tops) / 2
    assert min(tops) < between < max(tops)
    kept = found(texts, between)
    assert len(kept["sam3_score"][0])
    assert set(np.unique(kept["sam3_segmentation"][0])) - {0} == {1 + int(np.argmax(tops))}


def test_a_segmenter_of_regions_writes_a_class_map_alone() -> None:
    schema, columns = tiny.street_pictures(3)
    part = Segmenter(Segmenter.Config(model=tiny.street_segmenter()))
    assert part.bind(schema) == []
    assert part.fields == {"segmenter_segmentation": SegmentationMap(*tiny.STREET_SHAPE, tiny.STREET, tiny.STREET)}
    part.setup("cpu")
    added = part.annotate(columns, [0] * 3)
    probabilities, _ = part._network.outputs(np.stack(columns["image"]))
    assert np.array_equal(np.stack(added["segmenter_segmentation"]), probabilities.argmax(1))
    named = Segmenter(Segmenter.Config(model=tiny.street_segmenter(), segmentation="seen"))
    assert named.bind(schema) == [] and set(named.fields) == {"seen"}
    objects = Segmenter(Segmenter.Config(model=tiny.segmenter()))
    assert objects.bind(schema) == [] and set(objects.fields) == {"segmenter_instances"}


def test_masks_are_as_sure_as_the_classes_of_their_pixels() -> None:
    layout = Layout(np.array([[0, 1], [1, 0]], np.uint16), np.array([[0, 2], [1, 0]], np.uint8))
    probabilities = np.array([[[0.9, 0.0], [0.3, 0.8]], [[0.0, 0.3], [0.7, 0.1]], [[0.1, 0.7], [0.0, 0.1]]])
    assert confidence(layout, probabilities) == pytest.approx(0.7)
    nothing = Layout(np.zeros((2, 2), np.uint16), np.zeros((2, 2), np.uint8))
    assert confidence(nothing, probabilities) == pytest.approx(0.5)
    schema, columns = tiny.pictures(3)
    part = Segmenter(Segmenter.Config(model=tiny.segmenter(), segmentation="seen", confidence="sure"))
    assert part.bind(schema) == [] and list(part.fields) == ["segmenter_instances", "seen", "sure"]
    part.setup("cpu")
    added = part.annotate(columns, [0] * 3)
    probabilities, _ = part._network.outputs(np.stack(columns["image"]))
    for seen, sure, p in zip(added["seen"], added["sure"], probabilities, strict=True):
        assert sure == pytest.approx(p[1][seen == 1].mean() if seen.any() else p[0].mean())
    assert "confidence" not in Segmenter(Segmenter.Config(model=tiny.segmenter())).identity()


def test_boxes_are_as_sure_as_their_scores_and_none_as_what_was_too_low() -> None:
    schema, columns = tiny.boxed(3)

    def found(**settings: object) -> Columns:
        part = Detector(Detector.Config.model_validate({"model": tiny.detector(), **settings}))
        assert part.bind(schema) == []
        part.setup("cpu")
        added = part.annotate(columns, [0] * 3)
        assert list(added) == list(part.fields)
        return added

    every = found(min_score=0.0)
    least = float(np.median(every["detector_score"][0]))
    plain, named = found(min_score=least), found(min_score=least, boxes="boxes", confidence="sure")
    for i in range(3):
        assert np.array_equal(plain["detector_boxes"][i], named["boxes"][i])
        scores = plain["detector_score"][i]
        assert np.array_equal(scores, named["detector_score"][i])
        assert not len(scores) or named["sure"][i] == pytest.approx(scores.mean())
    none = found(min_score=1.0, confidence="sure")
    for scores, boxes, sure in zip(every["detector_score"], none["detector_boxes"], none["sure"], strict=True):
        assert len(boxes) == 0 and sure == pytest.approx(1 - scores.max())


def test_noisy_pixels_of_class_maps_become_unknown_and_unknown_ones_stay() -> None:
    part = NoisyToIgnore(NoisyToIgnore.Config(model=tiny.street_segmenter()))
    schema, columns = tiny.street_pictures(2)
    assert part.bind(schema) == []
    assert part.fields["clean_segmentation"] == schema["segmentation"]
    part.setup("cpu")
    added = part.annotate(columns, [0, 0])
    probabilities, _ = part._network.outputs(np.stack(columns["image"]))
    for clean, share, intended, p in zip(
        added["clean_segmentation"], added["ignored"], columns["segmentation"], probabilities, strict=True
    ):
        known = intended != 255
        loss = -np.log(np.take_along_axis(p, np.where(known, intended, 0)[None].astype(int), 0)[0])
        assert np.array_equal(clean == 255, ~known | (loss > 1.25 * 1.5))
        assert np.array_equal(clean[clean != 255], intended[clean != 255])
        assert 0 < share == pytest.approx(((clean == 255) & known).mean())
