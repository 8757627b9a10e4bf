"""Datasets with masks and boxes, read by the packages that people train with."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import synthgen


@pytest.fixture
def samples(scenes: Path) -> dict[str, dict[str, Any]]:
    dataset = synthgen.load(scenes)
    return {sample["key"]: sample for sample in (dataset[i] for i in range(len(dataset)))}


def test_webdataset_reads_masks_and_boxes(scenes: Path, samples: dict) -> None:
    import webdataset

    files = sorted(str(path) for path in scenes.glob("data/*/*.tar"))
    read = list(webdataset.WebDataset(files, shardshuffle=False))
    assert len(read) == 10
    for entry in webdataset.WebDataset(files, shardshuffle=False).decode("pil"):
        sample = samples[entry["__key__"]]
        assert np.array_equal(np.asarray(entry["png"]), sample["image"])
        assert entry["json"]["boxes"]["category"] == (sample["boxes"][:, 4] - 1).tolist()
    raw = {entry["__key__"]: entry for entry in read}
    for key, sample in samples.items():
        for name, member in (("instances", "inst.png"), ("segmentation", "seg.png")):
            stored = raw[key][member]  # the package's own image decoders make RGB of everything
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(stored))), sample[name])


@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_hf_datasets_reads_masks_and_boxes(kind: str, scenes: Path, samples: dict, tmp_path: Path) -> None:
    import datasets

    folder, suffix = {"parquet": ("parquet", "parquet"), "webdataset": ("data", "tar")}[kind]
    files = sorted(str(path) for path in scenes.glob(f"{folder}/*/*.{suffix}"))
    read = datasets.load_dataset(kind, data_files={"whole": files}, split="whole", cache_dir=str(tmp_path))
    names = ("key", "instances", "segmentation") if kind == "parquet" else ("__key__", "inst.png", "seg.png")
    assert len(read) == 10
    for entry in read:
        sample = samples[entry[names[0]]]
        assert np.array_equal(np.asarray(entry[names[1]]), sample["instances"])
        assert np.array_equal(np.asarray(entry[names[2]]), sample["segmentation"])
        boxes = (entry if kind == "parquet" else entry["json"])["boxes"]
        found = np.array(boxes["bbox"]).reshape(-1, 4)
        found[:, 2:] += found[:, :2]
        assert np.array_equal(found, sample["boxes"][:, :4])
    if kind == "parquet":
        assert read.features["boxes"]["category"].feature.names == ["cell", "debris"]
