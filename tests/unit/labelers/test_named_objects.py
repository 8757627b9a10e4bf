"""Boxes of named objects by OWLv2 and Grounding DINO: as the library finds them, and which are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers

import tiny
from synthgen.errors import DataError, ModelError
from synthgen.fields import Boxes, Image
from synthgen.labelers import detected
from synthgen.labelers.detected import DetectSettings
from synthgen.labelers.grounding_dino import GroundingDino, prompt
from synthgen.labelers.owlv2 import Owlv2

HEIGHT, WIDTH = 24, 36
OBJECTS = {"cat": "a cat", "dog": "a wild dog"}
ALL = {"min_score": 0.0, "nms_iou": 1.0, "max_boxes": 10_000}


def pictures(n: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(n)]


def labeler(cls: Any, **settings: Any) -> Any:
    model = tiny.owlv2() if cls is Owlv2 else tiny.grounding_dino()
    part = cls(cls.Config(**{"model": model, "objects": OBJECTS, **ALL, **settings}))
    assert part.bind({"image": Image(HEIGHT, WIDTH, 3)}) == []
    part.setup("cpu")
    return part


def found(part: Any, images: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    added = part.annotate({"image": images}, [0] * len(images))
    return list(zip(added["found_boxes"], added["found_score"], strict=True))


def of_library(part: Any, image: np.ndarray, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores of one text in one image by the library's own call, best first."""
    processor = transformers.AutoProcessor.from_pretrained(part.config.model)
    model = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(part.config.model).eval()
    texts = {"text": [[text]]} if isinstance(part, Owlv2) else {"text": f"{text}."}
    inputs = processor(images=image, return_tensors="pt", **texts)
    with torch.no_grad():
        out = model(**inputs)
    more = {} if isinstance(part, Owlv2) else {"input_ids": inputs["input_ids"]}
    (result,) = processor.post_process_grounded_object_detection(
        out, threshold=0.0, target_sizes=[(HEIGHT, WIDTH)], **more
    )
    boxes = result["boxes"].numpy().clip(0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    shown = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(1)
    boxes, scores = boxes[shown], result["scores"].numpy()[shown]
    order = np.argsort(-scores, kind="stable")
    return boxes[order], scores[order]


@pytest.mark.parametrize("cls", [Owlv2, GroundingDino])
def test_boxes_and_scores_are_those_of_the_library(cls: Any) -> None:
    part, (image,) = labeler(cls), pictures(1)
    ((boxes, scores),) = found(part, [image])
    assert len(boxes) > 5
    for number, text in enumerate(OBJECTS.values(), start=1):
        rows = boxes[:, 4] == number
        theirs, sure = of_library(part, image, text)
        order = np.lexsort(boxes[rows, :4].T), np.lexsort(theirs.T)
        np.testing.assert_allclose(boxes[rows, :4][order[0]], theirs[order[1]], atol=1e-4)
        np.testing.assert_allclose(np.sort(scores[rows]), np.sort(sure), atol=1e-6)


@pytest.mark.parametrize("cls", [Owlv2, GroundingDino])
def test_other_texts_and_other_pictures_change_no_score(cls: Any) -> None:
    images = pictures(4)
    both, one = labeler(cls), labeler(cls, objects={"dog": OBJECTS["dog"]})
    several, alone = found(both, images), found(one, images)
    for (boxes, scores), (fewer, theirs) in zip(several, alone, strict=True):
        rows = boxes[:, 4] == 2
        assert np.array_equal(boxes[rows, :4], fewer[:, :4])
        assert np.array_equal(scores[rows], theirs)
    turned = found(both, [images[0], *images[:0:-1]])
    assert np.array_equal(turned[0][0], several[0][0]) and np.array_equal(turned[0][1], several[0][1])
    assert not np.array_equal(several[0][1], several[1][1])


@pytest.mark.parametrize("cls", [Owlv2, GroundingDino])
def test_thresholds(cls: Any) -> None:
    images = pictures(2)
    everything = found(labeler(cls), images)
    limit = float(np.median(np.concatenate([scores for _, scores in everything])))
    kind = Boxes(HEIGHT, WIDTH, tuple(OBJECTS))
    for (boxes, scores), (fewer, sure) in zip(everything, found(labeler(cls, min_score=limit), images), strict=True):
        kind.check("boxes", boxes)
        assert (np.diff(scores) <= 0).all()
        assert np.array_equal(sure, scores[scores >= limit])
        assert np.array_equal(fewer, boxes[scores >= limit])
    assert [len(scores) for _, scores in found(labeler(cls, max_boxes=3), images)] == [3, 3]


def test_boxes_are_cut_at_the_edges_and_never_without_area() -> None:
    given = np.array(
        [[-5, -3, 8, 9], [30, 20, 50, 40], [36, 2, 40, 8], [4, 4, 4.5, 20], [9, 9, 7, 11]], dtype=np.float64
    )
    scores = np.array([0.5, 0.9, 0.8, 0.7, 0.6])
    boxes, sure = detected.kept(settings(), [(given, scores)], (HEIGHT, WIDTH))
    assert boxes.tolist() == [[30, 20, 36, 24, 1], [0, 0, 8, 9, 1]]
    assert sure.tolist() == [0.9, 0.5]


def test_of_two_boxes_of_one_thing_the_better_one_stays_whatever_their_classes() -> None:
    cat = np.array([[2, 2, 12, 12], [20, 2, 30, 12]]), np.array([0.6, 0.7])
    dog = np.array([[2, 2, 12, 13]]), np.array([0.8])
    boxes, sure = detected.kept(settings(nms_iou=0.5), [cat, dog], (HEIGHT, WIDTH))
    assert boxes.tolist() == [[2, 2, 12, 13, 2], [20, 2, 30, 12, 1]]
    assert sure.tolist() == [0.8, 0.7]
    assert len(detected.kept(settings(nms_iou=1.0), [cat, dog], (HEIGHT, WIDTH))[0]) == 3
    assert len(detected.kept(settings(min_score=0.9), [cat, dog], (HEIGHT, WIDTH))[0]) == 0


def settings(**more: Any) -> DetectSettings:
    return DetectSettings(model="owner/name", objects=OBJECTS, **more)


def test_a_prompt_is_written_as_the_model_learnt_it() -> None:
    assert [prompt(text) for text in ("A cat", " a cat. ", "a.cat")] == ["a cat.", "a cat.", "a.cat."]


def test_a_text_that_is_not_read_to_its_end_is_an_error() -> None:
    with pytest.raises(DataError, match=r"the model reads 512 tokens and this text has \d+: a+"):
        labeler(Owlv2, objects={"long": "a" * 600})
    with pytest.raises(DataError, match=r"the model reads 256 tokens and this text has \d+"):
        labeler(GroundingDino, objects={"long": "a " * 600})


def test_another_type_of_model_is_refused() -> None:
    with pytest.raises(ModelError, match="holds a model of the type owlv2; grounding-dino is needed here"):
        GroundingDino(GroundingDino.Config(model=tiny.owlv2(), objects=OBJECTS))


@pytest.mark.parametrize("cls", [Owlv2, GroundingDino])
def test_a_recipe_can_be_tried_without_weights(cls: Any, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = {"model": "owner/name@" + "0" * 40, "objects": OBJECTS, "min_score": 0.1}
    small = cls.smoke(asked)
    assert small | {"model": ""} == asked | {"model": ""}
    part = cls(cls.Config(**small))
    assert part.bind({"image": Image(HEIGHT, WIDTH, 1)}) == []
    part.setup("cpu")
    assert len(found(part, [picture[..., :1] for picture in pictures(1)])[0][0]) > 0
