"""From images with masks to model folders: layouts, images that fit them, segmenters, a small Segment Anything."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import helpers
import synthgen
import tiny
from synthgen.errors import DataError, Interrupted
from synthgen.measures.images import segmentation
from synthgen.measures.images.maps import Probe
from synthgen.models import folders, registry
from synthgen.models.images.layout_to_image import HIDDEN
from synthgen.models.losses import Edm, Objective, VPrediction
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.trainers.images.crops import Crops, crop
from synthgen.trainers.images.layout_to_image import without_unboxed
from synthgen.trainers.images.segment_anything import mask_loss, prompts
from synthgen.vision import layouts

QUICK = {"steps": 4, "checkpoint_every": 2, "batch_size": 4, "warmup_steps": 1}
DIFFUSION = {**QUICK, "crop": 32, "sample_every": 4, "network": {"patch_size": 2, "channels": [8, 16]}, "turn": True}


def train(folder: Path, use: str, data: dict[str, Any] | None = None, **settings: Any) -> Path:
    trainer = {"use": use, "data": data or tiny.mask_data(licence="cc0-1.0"), **settings}
    recipe = helpers.write(folder, {"kind": "model", "name": "tiny", "trainer": trainer}, f"{use}.yaml")
    return synthgen.train(recipe, folder / use, device="cpu", quiet=True)


def weights(folder: Path) -> dict[str, str]:
    found = sorted(folder.rglob("*.safetensors"))
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in found if "training" not in p.parts}


def test_pictures_for_layouts(tmp_path: Path) -> None:
    out = train(tmp_path, "layout-to-image", gamma=0.5, **DIFFUSION)
    pipeline = registry.load_pipeline(out, "cpu", torch.float32)
    assert pipeline.classes == ["grey", "colour"]
    assert list(pipeline.config.objects) == ["cell"]
    assert list(pipeline.config.grey) == [0]
    drawn = pipeline(
        np.zeros((2, 1, 32, 32)), [0, 1], num_inference_steps=2, output_type="uint8", guidance_scale=2.0
    ).images
    assert (drawn[0] == drawn[0, ..., :1]).all(), "images of a grey class are grey"
    assert not (drawn[1] == drawn[1, ..., :1]).all()
    card = (out / "README.md").read_text()
    assert "cc0-1.0" in card
    assert "objects (cell)" in card
    assert (out / "training" / "samples-000004.png").exists()


def test_boxes_serve_as_layouts(tmp_path: Path) -> None:
    data = {"path": tiny.masks(), "boxes": "boxes.json", "objects": ["cell"], "validation": 0.2}
    pipeline = registry.load_pipeline(train(tmp_path, "layout-to-image", data, **DIFFUSION), "cpu", torch.float32)
    assert pipeline.classes == ["picture"]


def unboxed_objects() -> Examples:
    """Two light images with two dark squares each, of which one has a box."""
    image = np.full((32, 48, 3), 225, np.uint8)
    image[4:16, 4:16] = image[12:24, 30:42] = 90
    boxes, classes = np.array([[4, 4, 16, 16]], np.float32), np.array([1])
    channels = layouts.from_boxes(boxes, classes, (32, 48), 1).transpose(1, 2, 0)
    items = tuple(Example(name, image, 0, None, boxes, classes, channels) for name in "ab")
    return Examples(items, ("picture",), ("cell",))


def test_what_no_box_covers_is_left_out_of_the_loss() -> None:
    examples = without_unboxed(unboxed_objects())
    known = examples.items[0].known
    assert known is not None
    assert f"{100 * (1 - known.mean()):.1f} % of the pixels are foreground outside the boxes" in examples.notes[0]
    assert known[:20, :20].all() and not known[10:26, 28:44].any(), "with a margin"
    crops = Crops(examples, examples, (32, 48), 1.0, False, 0.5)
    random = torch.Generator().manual_seed(0)
    batch = crops.hide(crops.batch(torch.tensor([0, 1] * 8), random), random)
    assert batch.layout is not None and batch.known is not None
    hidden = (batch.layout == HIDDEN).flatten(1).all(1)
    assert 0 < hidden.sum() < 16
    assert batch.known[hidden].all(), "without a layout, any object may be anywhere"
    assert torch.equal(batch.known[~hidden][0, 0], torch.from_numpy(known))


@pytest.mark.parametrize("objective", [Edm(0.5), VPrediction()])
def test_unknown_pixels_have_no_gradient(objective: Objective) -> None:
    random = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 2, 3, 4, 4, generator=random)
    levels = torch.randn(2, generator=random)
    output = torch.zeros_like(x, requires_grad=True)
    known = torch.ones_like(x, dtype=torch.bool)
    known[:, :, 1:3] = False
    objective.denoise(lambda noisy, time: output, x, levels, noise, known).losses.sum().backward()
    assert output.grad is not None
    assert not output.grad[~known].any()
    assert output.grad[known].all()


def test_training_that_ignores_what_has_no_box(tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny.masks(), tmp_path / "data"))
    coco = json.loads((root / "boxes.json").read_text())
    (root / "boxes.json").write_text(json.dumps(coco | {"annotations": coco["annotations"][::2]}))
    data = {"path": str(root), "boxes": "boxes.json", "objects": ["cell"], "validation": 0.2}
    found = []
    for name, ignore in (("all", False), ("boxed", True)):
        (tmp_path / name).mkdir()
        out = train(tmp_path / name, "layout-to-image", data, **DIFFUSION, ignore_unboxed=ignore)
        found.append(weights(out))
    assert "| foreground outside the boxes | left out of the loss |" in (out / "README.md").read_text()
    assert found[0].keys() == found[1].keys()
    assert found[0] != found[1]


def test_only_boxes_leave_objects_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ignore_unboxed: is for data with boxes, and these have masks"):
        train(tmp_path, "layout-to-image", **DIFFUSION, ignore_unboxed=True)


def test_layouts(tmp_path: Path) -> None:
    out = train(tmp_path, "layout", tiny.mask_data(scale=0.5), **(DIFFUSION | {"crop": 24}))
    pipeline = registry.load_pipeline(out, "cpu", torch.float32)
    found = pipeline.layouts([0, 1], latents=torch.randn(2, 1, 24, 24), num_inference_steps=2)
    assert [layout.shape for layout in found] == [(48, 48), (48, 48)]


@pytest.mark.parametrize("use", ["layout-to-image", "layout", "segmenter", "detector", "segment-anything"])
def test_a_stopped_training_ends_with_the_same_weights(
    use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = {"image_size": 32, "embed_dim": 16, "depth": 1, "num_heads": 2, "global_attn_indexes": [0]}
    settings: dict[str, Any] = {
        "segmenter": {**QUICK, "crop": 32, "widths": [8, 16]},
        "detector": {**QUICK, "crop": 32, "widths": [8, 16], "data": tiny.box_data()},
        "segment-anything": {**QUICK, "crop": 32, "network": network | {"prompt_dim": 32}},
    }.get(use, DIFFUSION)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = train(tmp_path / "whole", use, **settings)
    from synthgen.training import checkpoint

    save = checkpoint.save

    def stop(folder: Path, step: int, *more: Any) -> Path:
        saved = save(folder, step, *more)
        if step == 2:
            raise Interrupted("stopped", 130)
        return saved

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", stop)
        with pytest.raises(Interrupted):
            train(tmp_path / "parts", use, **settings)
    assert weights(train(tmp_path / "parts", use, **settings)) == weights(whole)


def test_a_segmenter_learns_discs_and_knows_its_losses(tmp_path: Path) -> None:
    settings = {"steps": 60, "checkpoint_every": 60, "batch_size": 4, "warmup_steps": 5, "crop": 48, "widths": [8, 16]}
    out = train(tmp_path, "segmenter", learning_rate=1e-2, ema_decay=0.8, turn=True, **settings)
    scores = json.loads((out / "training" / "losses.jsonl").read_text().splitlines()[-1])
    assert scores["validation dice"] > 0.9
    index = folders.read_index(out)
    assert len(index["class_losses"]) == 2
    assert all(0 < loss < 0.5 for loss in index["class_losses"])


def test_masks_are_needed_where_they_are(tmp_path: Path) -> None:
    data = {"path": tiny.masks(), "boxes": "boxes.json", "objects": ["cell"]}
    for use in ("segmenter", "segment-anything"):
        with pytest.raises(DataError, match=r"leave `data.boxes` out"):
            train(tmp_path, use, data, **QUICK)


def test_image_and_layout_are_cut_and_turned_together() -> None:
    item = reader.read(MaskData.model_validate(tiny.mask_data())).items[0]
    seen = set()
    for seed in range(20):
        view = crop(item, (32, 32), torch.Generator().manual_seed(seed), turn=True)
        assert view.layout is not None
        bright = view.image.mean(2) > 100
        assert (bright == (view.layout.instances > 0)).mean() > 0.99
        seen.add(view.image.tobytes())
    assert len(seen) > 10


def test_small_pictures_are_mirrored_on() -> None:
    item = reader.read(MaskData.model_validate(tiny.mask_data())).items[0]
    view = crop(item, (64, 64), torch.Generator().manual_seed(0), turn=False)
    assert view.image.shape == (64, 64, 3)
    assert np.array_equal(view.image[:, 48], view.image[:, 47])


def test_hidden_layouts_are_all_zero() -> None:
    examples = reader.read(MaskData.model_validate(tiny.mask_data()))
    crops = Crops(examples, examples, (32, 32), 1.0, True, layout_dropout=0.5)
    random = torch.Generator().manual_seed(0)
    batch = crops.hide(crops.batch(torch.arange(12), random), random)
    assert batch.layout is not None
    hidden = (batch.layout == 0).flatten(1).all(1)
    assert 0 < hidden.sum() < 12


def test_prompts_lie_where_the_objects_are() -> None:
    item = reader.read(MaskData.model_validate(tiny.mask_data())).items[0]
    assert item.layout is not None
    boxes, points, truth = prompts(item, torch.Generator().manual_seed(0))
    assert len(truth) == len(points) == len(boxes) + 2
    for (x, y), mask in zip(points.tolist(), truth, strict=True):
        inside = item.layout.instances[int(y), int(x)] > 0
        assert inside == bool(mask.any())
        assert not inside or bool(mask[int(y), int(x)])


def test_the_mask_loss_prefers_the_right_mask_and_the_right_iou() -> None:
    truth = torch.zeros(1, 8, 8, dtype=torch.bool)
    truth[:, 2:6, 2:6] = True
    right = torch.where(truth[:, None], 9.0, -9.0).expand(1, 4, 8, 8)
    ones, zeros = torch.ones(1, 4), torch.zeros(1, 4)
    assert mask_loss(right, ones, truth) < 0.01
    assert mask_loss(right, zeros, truth) > 0.9
    assert mask_loss(-right, zeros, truth) > 10
    empty = torch.zeros_like(truth)
    assert mask_loss(right, zeros, empty) < 0.01  # where nothing is, any mask will do, if its IoU is said to be 0


@pytest.mark.parametrize("use", ["segmenter", "detector"])
def test_networks_know_which_values_were_black_and_white(cli: Any, tmp_path: Path, use: str) -> None:
    """Dark images of 16 bits are labelled by the range of those that were learned from, not by their own."""
    shutil.copytree(tiny.masks(), tmp_path / "deep")
    for path in (tmp_path / "deep" / "images").iterdir():
        grey = np.asarray(Image.open(path).convert("L"))
        Image.fromarray(grey.astype(np.uint16) * 16).save(path)
    mask_kind = {"boxes": "boxes.json"} if use == "detector" else {}
    data = {"path": str(tmp_path / "deep"), "objects": ["cell"], **mask_kind}
    model = train(tmp_path, use, data, **QUICK, crop=32, widths=[8, 16])
    (tmp_path / "dark").mkdir()
    Image.fromarray(np.full((48, 48), 160, np.uint16)).save(tmp_path / "dark" / "a.png")
    answer = cli("label", tmp_path / "dark", "--model", model, "--size", 48, "-o", tmp_path, "--device", "cpu")
    assert answer.code == 0, answer.err
    assert "range: [0.0, 4095.0]" in (tmp_path / "dark-labels.yaml").read_text()


@pytest.mark.slow
def test_evaluation_trains_on_the_dataset_and_on_real_pictures(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset of the real discs themselves is as useful as they are; both are told with their spread."""
    monkeypatch.setattr(segmentation, "PROBE", Probe((8, 16), crop=32))
    recipe = {
        "kind": "dataset",
        "name": "discs",
        "samples": 12,
        "shard_size": 6,
        "batch_size": 6,
        "splits": {"train": 1.0},
        "condition": {"use": "real-layouts", "data": tiny.mask_data(), "size": 32},
        "sampler": {"use": "layout-to-image", "model": tiny.layout_to_image(), "steps": 2},
        "labelers": ["class-label"],
    }
    synthgen.run(helpers.write(tmp_path, recipe), tmp_path / "out", workers=1, device="cpu")
    model = helpers.write(
        tmp_path, {"kind": "model", "name": "m", "trainer": {"use": "segmenter", "data": tiny.mask_data()}}, "m.yaml"
    )
    words = (
        "evaluate",
        tmp_path / "out",
        "--real",
        model,
        "--seeds",
        2,
        "--steps",
        40,
        "--evaluator",
        tiny.segmenter(),
    )
    found = json.loads(cli(*words, "--json").out)
    assert found["n_test"] == {"grey": 3, "colour": 1}
    assert found["n_train"] == {"synthetic": 12, "real": 12, "both": 24}
    real = found["scores"]["real"]["grey"]["dice"]
    assert real["mean"] > 60
    assert len(real["values"]) == 2
    assert found["scores"]["synthetic"]["grey"]["dice"]["mean"] < real["mean"], "images of random weights teach less"
    assert set(found["matched_iou"]) >= {"synthetic, grey", "real test, grey"}
    text = cli(*words[:-4], "--steps", 2, "--seeds", 1).out
    assert "Dice of synthetic over real" in text
    several = (*words[:7], "2,4", "--tricks", "copy-paste,jitter")
    text = cli(*several).out
    assert "2, 4 steps, the best on 3 real validation images:" in text and "  in " in text
    for metric in ("AJI", "PQ"):
        assert f"  {metric} of synthetic less real: " in text and f"  {metric} of both less real: " in text
    assert json.loads(cli(*several, "--json").out)["n_train"] == {"synthetic": 12, "real": 9, "both": 21}
    answer = cli(*words[:8], "--tricks", "cutout")
    assert answer.code == 2
    assert (
        "tricks: `cutout` is none of the measure `segmentation`; accepted: 'averaged', 'copy-paste' or 'jitter'"
        in answer.err
    )
    assert cli("evaluate", tmp_path / "out", "--real", model, "--segmentation", "labels").code == 2
    assert cli("evaluate", tmp_path / "out", "--real", tmp_path / "toy.yaml").code == 2
    (tmp_path / "out" / "manifest.json").unlink()
    few = (*words[:-4], "--steps", 2, "--seeds", 1)
    assert "--allow-incomplete" in cli(*few).err
    assert cli(*few, "--allow-incomplete").code == 0
