"""Segment Anything as a folder: the official predictor and generator on it, conversion of checkpoints."""

from __future__ import annotations

import os
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.build_sam import sam_model_registry

import tiny
from synthgen.errors import ModelError
from synthgen.models import registry
from synthgen.models.segment_anything import convert
from synthgen.models.segment_anything.network import OFFICIAL, SegmentAnything, non_maximum, stretched


@pytest.fixture(scope="module")
def small() -> Any:
    return registry.load_network(Path(tiny.segment_anything()), "cpu")


def picture() -> np.ndarray:
    return tiny.picture(tiny.discs(4, 64, 0), False, 0)


def test_the_official_predictor_and_generator_take_it(small: Any) -> None:
    predictor = SamPredictor(small.sam)
    predictor.set_image(picture())
    masks, scores, _ = predictor.predict(box=np.array([10, 10, 30, 30]))
    assert masks.shape == (3, 64, 64)
    assert scores.shape == (3,)
    generator = SamAutomaticMaskGenerator(
        small.sam, points_per_side=2, pred_iou_thresh=-9, stability_score_thresh=0, box_nms_thresh=1
    )
    for found in generator.generate(picture()):
        assert {"segmentation", "predicted_iou", "stability_score"} <= set(found)


def test_a_batch_gives_what_single_pictures_give(small: Any) -> None:
    images = [picture(), picture()[::-1].copy()]
    box = np.array([[8.0, 8.0, 40.0, 40.0], [20.0, 4.0, 50.0, 30.0]])
    batched = [small.masks(predictor, box, None) for predictor in small.predictors(images)]
    for image, found in zip(images, batched, strict=True):
        official = SamPredictor(small.sam)
        official.set_image(image)
        want = [official.predict(box=one, multimask_output=False) for one in box]
        assert np.array_equal(found[0], np.stack([masks[0] for masks, _, _ in want]))
        assert np.allclose(found[1], [scores[0] for _, scores, _ in want], atol=1e-5)


def test_no_prompts_no_masks(small: Any) -> None:
    masks, ious, stability = small.masks(small.predictors([picture()])[0], np.zeros((0, 4)), None)
    assert masks.shape == (0, 64, 64)
    assert len(ious) == len(stability) == 0


def test_more_prompts_than_fit_at_once(small: Any) -> None:
    points = np.random.default_rng(0).uniform(0, 64, (70, 2))
    predictor = small.predictors([picture()])[0]
    together = small.masks(predictor, None, points)
    assert together[0].shape == (70, 64, 64)
    assert np.array_equal(together[0][66:], small.masks(predictor, None, points[66:])[0])


def test_better_masks_suppress_those_that_overlap() -> None:
    masks = np.zeros((3, 20, 20), dtype=bool)
    masks[0, 2:10, 2:10] = masks[1, 2:10, 2:11] = masks[2, 12:18, 12:18] = True
    assert non_maximum(masks, np.array([0.5, 0.9, 0.7]), 0.7).tolist() == [1, 2]
    assert non_maximum(masks[:0], np.zeros(0), 0.7).tolist() == []


def test_stretching_uses_the_whole_range() -> None:
    dark = (np.arange(256).reshape(16, 16, 1) // 16 + 3).astype(np.uint8)
    shown = stretched(dark)
    assert shown.shape == (16, 16, 3)
    assert (shown.min(), shown.max()) == (0, 255)


def test_official_sizes_are_the_packages() -> None:
    with torch.device("meta"):
        for kind in OFFICIAL:
            ours = {name: p.shape for name, p in SegmentAnything(**OFFICIAL[kind]).sam.state_dict().items()}
            theirs = {name: p.shape for name, p in sam_model_registry[kind]().state_dict().items()}
            assert ours == theirs


def checkpoint(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def test_other_weights_are_refused(tmp_path: Path) -> None:
    small = checkpoint(tmp_path / "a.pth", {"fc.weight": torch.zeros(3, 3)})
    with pytest.raises(ModelError, match="only official Segment Anything checkpoints"):
        convert.convert(small, tmp_path / "out")
    state = SegmentAnything(image_size=64, embed_dim=16, depth=2, num_heads=2, prompt_dim=32).sam.state_dict()
    other = checkpoint(tmp_path / "b.pth", OrderedDict(state))
    with pytest.raises(ModelError, match=r"width 16 and depth 2; known are vit_b \(768, 12\)"):
        convert.convert(other, tmp_path / "out")
    nested = checkpoint(tmp_path / "c.pth", {"model": {"x": torch.zeros(1)}})
    with pytest.raises(ModelError, match="something else than named tensors"):
        convert.convert(nested, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Evil:
    """What a pickle can carry: a call."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_is_refused_before_anything_is_loaded(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "marker"
    path = tmp_path / "evil.pth"
    torch.save({"w": torch.zeros(1), "x": Evil(marker)}, path, pickle_protocol=protocol)
    with pytest.raises(ModelError, match="carries code"):
        convert.convert(path, tmp_path / "out")
    assert not marker.exists()


def test_truncated_and_foreign_files_are_refused(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path / "whole.pth", {"w": torch.zeros(1000)}).read_bytes()
    for name, content in (("half.pth", whole[: len(whole) // 2]), ("text.pth", b"hello"), ("empty.pth", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match="truncated"):
            convert.convert(tmp_path / name, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(ModelError, match=r"no data\.pkl"):
        convert.convert(tmp_path / "zip.pth", tmp_path / "out")


@pytest.mark.slow
def test_command_tells_and_leaves_nothing(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = checkpoint(tmp_path / "wrong.pth", {"fc.weight": torch.zeros(3, 3)})
    answer = cli("models", "convert", path)
    assert answer.code == 1
    assert "only official Segment Anything checkpoints" in answer.err
    assert "Traceback" not in answer.err
    assert not list((tmp_path / "models").iterdir())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="tested on Linux")
def test_official_vit_b_runs_through_the_labeler(cli, tmp_path: Path) -> None:
    """At full size, with random weights, from a `.pth` file, on images of 1024 pixels."""
    from synthgen.fields import Image, InstanceMap
    from synthgen.labelers.segment_anything import SegmentAnything as Labeler

    torch.manual_seed(0)
    checkpoint(tmp_path / "sam_vit_b.pth", sam_model_registry["vit_b"]().state_dict())
    answer = cli("models", "convert", tmp_path / "sam_vit_b.pth", "-o", tmp_path / "vit-b")
    assert answer.code == 0
    assert "vit_b" in answer.out
    part = Labeler(Labeler.Config(model=str(tmp_path / "vit-b"), prompts="boxes", nms_iou=1.0))
    instances = tiny.discs(3, 1024, 0)
    schema = {"image": Image(1024, 1024, 3), "instances": InstanceMap(1024, 1024)}
    assert part.bind(schema) == []
    part.setup("cpu")
    found = part.annotate({"image": [tiny.picture(instances, False, 0)], "instances": [instances]}, [0])
    assert found["sam_instances"][0].shape == (1024, 1024)
    assert len(found["sam_predicted_iou"][0]) == found["sam_instances"][0].max()
