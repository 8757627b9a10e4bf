"""From images with boxes to a detector: what it learns, what it is shown, and data that it cannot learn from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import helpers
import synthgen
import tiny
from synthgen.errors import DataError, RecipeError
from synthgen.labelers.detector import Detector
from synthgen.models import folders
from synthgen.readers.masks.reader import Example
from synthgen.trainers.images.crops import crop
from synthgen.trainers.images.detector import focal_loss, targets

SETTINGS = {
    "batch_size": 4,
    "warmup_steps": 5,
    "crop": 48,
    "widths": [8, 16, 16],
    "ema_decay": 0.8,
    "learning_rate": 1e-2,
}


def squares(root: Path, n: int = 12, side: int = 64) -> dict[str, Any]:
    """Grey images with bright squares and dark ones, two classes, and their COCO file."""
    random = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    categories = [{"id": 1, "name": "bright"}, {"id": 2, "name": "dark"}]
    coco: dict[str, Any] = {"images": [], "annotations": [], "categories": categories}
    for i in range(n):
        pixels = random.normal(128, 5, (side, side, 3))
        coco["images"].append({"id": i, "file_name": f"{i}.png", "split": "test" if i < 3 else "train"})
        for k, (left, top) in enumerate(((4, 4), (36, 4), (4, 36), (36, 36))):
            x, y, size = left + random.integers(0, 8), top + random.integers(0, 8), random.integers(8, 16)
            pixels[y : y + size, x : x + size] = 250 if k % 2 else 5
            box = [int(x), int(y), int(size), int(size)]
            coco["annotations"].append({"id": 4 * i + k, "image_id": i, "category_id": 2 - k % 2, "bbox": box})
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "images" / f"{i}.png")
    (root / "boxes.json").write_text(json.dumps(coco))
    return {"path": str(root), "boxes": "boxes.json", "objects": ["bright", "dark"], "validation": 0.2}


def train(folder: Path, data: dict[str, Any], **settings: Any) -> Path:
    trainer = {"use": "detector", "data": data, **SETTINGS, **settings}
    recipe = helpers.write(folder, {"kind": "model", "name": "tiny", "trainer": trainer}, "detector.yaml")
    return synthgen.train(recipe, folder / "out", device="cpu", quiet=True)


def test_a_detector_learns_squares_and_says_how_well(tmp_path: Path) -> None:
    out = train(tmp_path, squares(tmp_path / "data"), steps=80, checkpoint_every=80, turn=True, test="test")
    index = folders.read_index(out)
    measured = index["measured"]
    assert (measured["split"], measured["pictures"], measured["boxes"]) == ("test", 3, 12)
    found, extra = measured["at"][f"{index['min_score']:.2f}"]
    assert found >= 11
    assert extra <= 1
    card = (out / "README.md").read_text()
    assert "## Scores on the 3 real images of the test split" in card
    assert "recall, dark" in card
    part = Detector(Detector.Config(model=str(out)))
    picture = np.asarray(Image.open(tmp_path / "data" / "images" / "0.png"))
    schema, _ = tiny.boxed(1)
    assert part.bind(schema) == []
    part.setup("cpu")
    columns = part.annotate({"image": [picture]}, [0])
    assert sorted(columns["detector_boxes"][0][:, 4]) == [1, 1, 2, 2]
    assert list(part.fields) == ["detector_boxes", "detector_score"]


def test_boxes_are_cut_and_turned_with_their_pictures() -> None:
    picture = np.zeros((40, 50, 3), dtype=np.uint8)
    picture[10:18, 20:25] = 255
    box = np.array([[20, 10, 25, 18]], dtype=np.float32)
    item = Example("a", picture, 0, None, box, np.array([1]), np.zeros((40, 50, 1)))
    for seed in range(20):
        view = crop(item, (32, 32), torch.Generator().manual_seed(seed), turn=True)
        rows, columns = np.nonzero(view.image[..., 0])
        assert view.boxes is not None
        left, top, right, bottom = np.clip(view.boxes[0], 0, 32)
        if len(rows):
            assert [left, top, right, bottom] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_targets_of_whole_objects_and_of_cut_ones() -> None:
    """Boxes in a crop of 32 px: whole, a third of it inside, and a tenth of it inside, which counts for nothing."""
    boxes = np.array([[4, 4, 12, 12], [-20, 20, 10, 28], [22, 31, 30, 41]], dtype=np.float32)
    item = Example("a", np.zeros((32, 32, 3), np.uint8), 0, None, boxes, np.array([1, 2, 1]))
    heat, known, wanted, weights = targets(item, 2, 32, 2)
    assert [tuple(at) for at in np.argwhere(heat == 1)] == [(0, 4, 4), (1, 12, 2)]
    assert wanted[12, 2].tolist() == [0, 20, 10, 28], "the part that can be seen"
    assert np.isclose(weights.sum(), 2)
    assert np.argwhere(known[0] == 0).tolist() == [[15, column] for column in range(11, 15)]


def test_places_that_are_not_known_cost_nothing() -> None:
    heat, known = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    heat[0, 0, 1, 1] = 1
    logits = torch.full((1, 1, 4, 4), -8.0)
    logits[0, 0, 1, 1], logits[0, 0, 3, 3] = 8.0, 4.0
    alarmed = focal_loss(logits, heat, known)
    known[0, 0, 3, 3] = 0
    assert alarmed > 3
    assert focal_loss(logits, heat, known) < 1e-3


def test_data_that_it_cannot_learn_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"learns from boxes; name the COCO file in `data.boxes`"):
        train(tmp_path, tiny.mask_data(), steps=1)
    with pytest.raises(DataError, match=r"crop: is 96 px, and images are smaller.*at most"):
        train(tmp_path, tiny.box_data(), steps=1, crop=96)
    with pytest.raises(RecipeError, match="crop must be a multiple of 4, because `widths` has 3 levels"):
        train(tmp_path, tiny.box_data(), steps=1, crop=42)
