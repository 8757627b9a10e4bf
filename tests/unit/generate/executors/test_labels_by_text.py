"""Text to images to boxes to masks, classes, depth and scores: from one recipe, with the same bytes everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

import helpers
import synthgen
import tiny

OBJECTS = {"cat": "a cat", "dog": "a dog"}


def recipe(folder: Path) -> Path:
    """24 images of 16 pixels in 3 shards."""
    content = {
        "kind": "dataset",
        "name": "animals",
        "shard_size": 8,
        "batch_size": 4,
        "tries": 30,
        "samples": 24,
        "condition": {
            "use": "prompts",
            "template": "a {animal} {place}",
            "axes": {"animal": ["cat", "dog"], "place": ["indoors", "outdoors"]},
            "label": "animal",
        },
        "sampler": {"use": "text-to-image", "model": tiny.stable_diffusion(), "steps": 2},
        "labelers": [
            {"use": "owlv2", "model": tiny.owlv2(), "objects": OBJECTS, "max_boxes": 4, "min_score": 0.1},
            {"use": "sam2", "model": tiny.sam2(), "of": "found_boxes", "min_area_px": 1},
            {"use": "grounding-dino", "model": tiny.grounding_dino(), "objects": OBJECTS, "field": "dino"},
            {"use": "zero-shot-class", "model": tiny.clip(), "classes": OBJECTS},
            {"use": "depth", "model": tiny.depth_anything()},
            {"use": "sam3-tracker", "model": tiny.sam3_tracker(), "of": "found_boxes", "field": "tracked"},
            {"use": "segment-anything", "model": tiny.segment_anything(), "of": "found_boxes", "field": "first"},
            {"use": "sam3", "model": tiny.sam3(), "objects": OBJECTS, "min_score": 0.0, "min_area_px": 1},
            {"use": "attention-masks", "model": tiny.stable_diffusion(), "of": "animal", "levels": [0.5]},
        ],
        "scorers": [
            {"use": "presence", "boxes": "found_boxes", "scores": "found_score", "of": "animal"},
            {"use": "clip-similarity", "model": tiny.siglip()},
            {"use": "image-statistics", "real": tiny.real_pictures()},
            {"use": "nsfw", "model": tiny.vit()},
            {"use": "near-duplicate", "folder": tiny.real_pictures(), "model": tiny.dinov2()},
        ],
        "keep": ["presence >= 0.2", "sharpness_percentile >= 5", "nsfw < 0.9", "copy_bits > 2"],
        "output": {"writers": ["webdataset", "parquet"]},
    }
    path = folder / "animals.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.mark.slow
@pytest.mark.ray
def test_one_process_and_two_actors_write_the_same_bytes(cluster: str, tmp_path: Path) -> None:
    path = recipe(tmp_path)
    helpers.run(path, tmp_path / "local")
    done = helpers.call(helpers.command("run", path, "-o", tmp_path / "ray", "--device", "cpu", "--address", cluster))
    assert done.returncode == 0, done.stderr
    assert helpers.snapshot(tmp_path / "local") == helpers.snapshot(tmp_path / "ray")
    manifest = helpers.manifest(tmp_path / "local")
    assert manifest["complete"] and manifest["tries"] > 24
    assert set(manifest["rejected"]) == {"presence >= 0.2"}
    check_samples(tmp_path / "local")
    check_papers(tmp_path / "local")


def check_samples(out: Path) -> None:
    dataset = synthgen.load(out)
    for sample in dataset:
        cls = 1 + dataset.fields["found_boxes"].classes.index(sample["meta"]["condition"]["animal"])  # type: ignore
        assert sample["presence"] == pytest.approx(max(sample["found_score"][sample["found_boxes"][:, 4] == cls]))
        assert sample["presence"] >= 0.2
        assert np.array_equal(sample["sam_instances"] > 0, sample["sam_segmentation"] > 0)
        assert sample["depth"].dtype == np.uint16 and sample["depth"].max() == 65535
        assert 0 <= sample["sharpness_percentile"] <= 100
        assert len(sample["dino_boxes"]) == len(sample["dino_score"]) > 0
        assert len(sample["attention_presence"]) == len(OBJECTS)
        assert all(len(sample[name]) for name in ("first_predicted_iou", "tracked_predicted_iou", "sam3_score"))


def check_papers(out: Path) -> None:
    """The card and the metadata know every field, and other readers read depth as it was written."""
    import datasets

    card = (out / "README.md").read_text()
    assert "| `depth` | depth, 16 x 16, 16-bit PNG, 0 farthest to 65535 nearest of each image |" in card
    assert "depth-estimation" in card
    fields = json.loads((out / "croissant.json").read_text())["recordSet"][0]["field"]
    assert {field["name"]: field["dataType"] for field in fields}["depth"] == "sc:ImageObject"
    files = sorted(str(path) for path in out.glob("parquet/*/*.parquet"))
    read = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(out.parent / "cache"))
    ours = {sample["key"]: sample["depth"] for sample in synthgen.load(out)}
    assert all(np.array_equal(np.asarray(row["depth"]), ours[row["key"]]) for row in read)
