"""Filter models say which rules real images pass: by the numbers that the scorers give, in card and on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import helpers
import tiny
from synthgen.fields import Boxes, InstanceMap, SegmentationMap
from synthgen.models import folders
from synthgen.models.images.detector import Detector
from synthgen.models.images.segmenter import Segmenter
from synthgen.readers.images.labelled import DIGITS
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.recipe import rules
from synthgen.scorers.box_agreement import BoxAgreement
from synthgen.scorers.class_agreement import ClassAgreement
from synthgen.scorers.mask_agreement import MaskAgreement
from synthgen.trainers.images import detector, segmenter
from synthgen.trainers.images.crops import tiles
from synthgen.training.real_scores import KEY, RealScores

QUICK = {"steps": 2, "batch_size": 2, "checkpoint_every": 2, "warmup_steps": 1}
SHAPE = (16, 16)


def examples(data: dict[str, Any]) -> Examples:
    return reader.read(MaskData.model_validate(data))


def passed(real: RealScores, part: Any, columns: dict[str, list[Any]]) -> None:
    """Checks that the shares which are promised are those that a scorer and rules of a recipe let pass."""
    found = part.annotate(columns, [0] * len(next(iter(columns.values()))))
    assert real.rules and real.n == len(next(iter(found.values())))
    for rule in (*real.rules, *real.of_classes):
        keep = rules.parse(str(rule), None)
        shares = np.mean([keep.holds({rule.score: value}) for value in found[rule.score]])
        assert shares == pytest.approx(rule.passed, abs=1e-4)
        assert rule in real.of_classes or shares >= 0.95


def parts_of(found: Examples) -> list[Example]:
    return [part for item in found.items for part in tiles(item, SHAPE)]


def test_of_objects() -> None:
    found = examples(tiny.mask_data())
    torch.manual_seed(0)
    model = Segmenter(list(tiny.OBJECTS), [8, 16]).eval()
    real = segmenter.real_scores(model, found, SHAPE)
    parts = parts_of(found)
    maps = {
        "instances": [part.layout.instances for part in parts],
        "segmenter_instances": [model.segment(part.image[None])[0].instances for part in parts],
    }
    scorer = MaskAgreement(MaskAgreement.Config.model_validate({k: v for k, v in real.scorer.items() if k != "use"}))
    assert scorer.bind(dict.fromkeys(maps, InstanceMap(*SHAPE))) == []
    passed(real, scorer, maps)


def test_of_class_maps() -> None:
    """A network that knows the colours of the streets' classes by heart."""
    found = examples(tiny.street_data(path=tiny.streets(36)))
    torch.manual_seed(0)
    model = Segmenter(list(tiny.STREET), [8, 16], stuff=list(tiny.STREET)).eval()
    real = segmenter.real_scores(model, found, SHAPE)
    parts = parts_of(found)
    maps = {
        "segmentation": [part.layout.segmentation for part in parts],
        "segmenter_segmentation": [model.segment(part.image[None])[0].segmentation for part in parts],
    }
    settings = {name: value for name, value in real.scorer.items() if name != "use"}
    scorer = ClassAgreement(ClassAgreement.Config.model_validate(settings))
    kind = SegmentationMap(*SHAPE, tiny.STREET, tiny.STREET)
    assert scorer.bind(dict.fromkeys(maps, kind)) == []
    scores = scorer.annotate(maps, [0] * len(parts))
    assert real.n == len(parts)
    for rule in (*real.rules, *real.of_classes):
        share = np.mean([rules.parse(str(rule), None).holds({rule.score: value}) for value in scores[rule.score]])
        assert share == pytest.approx(rule.passed, abs=1e-4)


def test_of_boxes() -> None:
    found = examples(tiny.box_data())
    torch.manual_seed(0)
    model = Detector(list(tiny.OBJECTS), [8, 16], 0.05).eval()
    real = detector.real_scores(model, found, SHAPE[0])
    parts = parts_of(found)
    intended = []
    for part in parts:
        seen = np.clip(part.boxes, 0, SHAPE[0])
        left, whole = ((b[:, 2:] - b[:, :2]).prod(1) for b in (seen, part.boxes))
        intended.append(np.concatenate([seen, part.box_classes[:, None]], axis=1)[left >= 0.25 * whole])
    boxes = {"boxes": intended, "detector_boxes": [model.detect(part.image[None])[0][0] for part in parts]}
    scorer = BoxAgreement(BoxAgreement.Config.model_validate({k: v for k, v in real.scorer.items() if k != "use"}))
    assert scorer.bind(dict.fromkeys(boxes, Boxes(*SHAPE, tiny.OBJECTS))) == []
    passed(real, scorer, boxes)


@pytest.mark.parametrize(
    ("use", "settings", "scorer"),
    [
        ("segmenter", {"crop": 32, "widths": [8, 16], "data": tiny.mask_data()}, "mask-agreement"),
        ("segmenter", {"crop": [32, 24], "widths": [8, 16], "data": tiny.street_data()}, "class-agreement"),
        ("detector", {"crop": 32, "widths": [8, 16], "data": tiny.box_data()}, "box-agreement"),
        ("classifier", {"widths": [8, 16], "data": {"path": DIGITS}}, None),
    ],
)
def test_the_end_prints_the_rules_of_the_card(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: str, settings: dict[str, Any], scorer: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = {"kind": "model", "name": "m", "trainer": {"use": use, **QUICK, **settings}}
    answer = cli("train", helpers.write(tmp_path, recipe, "m.yaml"), "--device", "cpu")
    assert answer.code == 0, answer.err
    real = RealScores.from_json(folders.read_card(Path("models/m"))[KEY])
    assert f"# {real.title}\n" in answer.out and real.scorer.get("use") == scorer
    card = Path("models/m/README.md").read_text(encoding="utf-8")
    assert "## Rules for a recipe" in card and real.title[1:] in card
    text = "\n".join(real.lines)
    assert text in answer.out and text in card
    if real.lines:
        assert yaml.safe_load(text).get("keep", []) == [str(rule) for rule in real.rules]


def test_tiles_lie_side_by_side_and_smaller_images_are_mirrored_on() -> None:
    item = examples(tiny.mask_data()).items[0]
    high, wide = item.image.shape[:2]
    found = tiles(item, (high // 2, wide // 2))
    assert np.array_equal(found[0].image, item.image[: high // 2, : wide // 2])
    assert len(found) == 4 and np.array_equal(found[3].image, item.image[-(high // 2) :, -(wide // 2) :])
    assert len(tiles(item, (high // 8, wide // 8))) == 9
    assert [one.image.shape[:2] for one in tiles(item, (2 * high, wide))] == [(2 * high, wide)]
