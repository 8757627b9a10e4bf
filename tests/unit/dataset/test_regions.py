"""Pixels by class: counted when a shard is made, and shown by whatever says what a dataset holds."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import helpers
import synthgen
from synthgen.dataset import ledger
from synthgen.dataset.records import Commit, Region
from synthgen.errors import RecordError

NAMES = ("sky", "road", "car", "moon")
SIDE = 32


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images with maps of sky, road and cars, some of them unknown, in two shards; look, do not touch."""
    folder = tmp_path_factory.mktemp("streets")
    for name in ("images", "maps"):
        (folder / name).mkdir()
    random = np.random.default_rng(0)
    for i in range(6):
        ids = np.full((SIDE, SIDE), 1, dtype=np.uint8)
        ids[: 4 + i] = 0
        ids[24:, : i + 1] = 11
        ids[16:20, 4:8] = 2 if i % 2 else 1
        Image.fromarray(ids).save(folder / "maps" / f"s{i}.png")
        Image.fromarray(random.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)).save(folder / "images" / f"s{i}.png")
    data = {"path": str(folder), "images": "images", "masks": "maps", "mask_kind": "semantic", "zero": "class"}
    data |= {"unknown": [11], "objects": list(NAMES)}
    recipe = helpers.toy(
        condition={"use": "real-layouts", "size": SIDE, "data": data},
        sampler={"use": "layout-to-image", "model": model(folder / "model"), "steps": 1},
        labelers=[],
        scorers=[],
        keep=[],
        samples=6,
        shard_size=4,
        splits={"train": 1.0},
    )
    return helpers.run(helpers.write(folder, recipe), folder / "out").out


def model(place: Path) -> str:
    """A small model of such images with random weights."""
    import torch

    from synthgen.models.images.layout_to_image import LayoutToImagePipeline
    from synthgen.models.losses import Edm
    from synthgen.trainers.images.diffusion import NetworkConfig, unet

    torch.manual_seed(0)
    network = unet(NetworkConfig(patch_size=2, channels=[8, 16]), (SIDE, SIDE), 3, len(NAMES), 1)
    made = LayoutToImagePipeline(network.eval(), Edm(0.5).scheduler(), 2, 1.0, NAMES, {0: "picture"}, stuff=NAMES)
    made.save_pretrained(place)
    return str(place)


def counted(out: Path) -> dict[str, dict[str, int]]:
    """Pixels and images by class as its samples say."""
    pixels: Counter[str] = Counter()
    images: Counter[str] = Counter()
    named = {0: "background", **dict(enumerate(NAMES, start=1)), 255: "unknown"}
    for sample in synthgen.load(out):
        found, n = np.unique(sample["segmentation"], return_counts=True)
        pixels.update({named[cls]: k for cls, k in zip(found.tolist(), n.tolist(), strict=True)})
        images.update(named[cls] for cls in found.tolist())
    return {name: {"pixels": pixels[name], "images": images[name]} for name in [*NAMES, "unknown"]}


def test_status_and_manifest_say_what_the_samples_hold(cli, streets: Path) -> None:
    want = counted(streets)
    assert want["moon"] == {"pixels": 0, "images": 0} and 0 < want["car"]["images"] < 6 and want["unknown"]["pixels"]
    assert json.loads(cli("status", streets, "--json").out)["regions"] == want
    assert helpers.manifest(streets)["regions"] == want
    total = sum(n["pixels"] for n in want.values())
    assert total == 6 * SIDE * SIDE
    said = cli("status", streets).out
    for name, n in want.items():
        share = 100 * n["pixels"] / total
        assert re.search(rf"{name} +{share:.2f} %  in {n['images']} of 6 images\n", said), said
    assert said.index("road") < said.index("moon")


def test_card_and_report_have_a_table_of_them(cli, streets: Path, tmp_path: Path) -> None:
    car = counted(streets)["car"]
    share = f"{100 * car['pixels'] / (6 * SIDE * SIDE):.2f} %"
    assert f"| car | {share} | {car['images']} |\n" in (streets / "README.md").read_text()
    assert cli("report", streets, "-o", tmp_path / "r.html").code == 0
    page = (tmp_path / "r.html").read_text()
    assert f"</i>car</td><td>{share}</td><td>{car['images']}</td>" in page
    legend = re.findall(r"<li><i [^>]*></i>([^<]+)</li>", page)
    assert legend[-1] == "unknown" and set(legend) == {"sky", "road", "car", "unknown"}


def test_records_from_before_pixels_were_counted_are_read(cli, streets: Path, dataset: Path) -> None:
    record = ledger.read(streets).commits[0]
    old = dataclasses.replace(record, regions={}).to_json()
    again = Commit.from_json(old, 0)
    assert b"regions" not in old
    assert again.regions == {} and again.accepted == record.accepted
    assert Commit.from_json(record.to_json(), 0) == record
    assert b"regions" not in (dataset / "commits" / "shard-00000.json").read_bytes()
    assert "regions" not in helpers.manifest(dataset)
    assert "pixels" not in cli("status", dataset).out


def test_a_record_with_more_images_than_samples_is_refused(streets: Path) -> None:
    record = ledger.read(streets).commits[0]
    wrong = dataclasses.replace(record, regions={**record.regions, "road": Region(5000, 5)})
    with pytest.raises(RecordError, match="regions"):
        Commit.from_json(wrong.to_json(), 0)
