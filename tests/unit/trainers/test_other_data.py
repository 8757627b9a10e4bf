"""A training does not go on with other data, however many there are of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

import helpers
import synthgen
import tiny
from synthgen.errors import ModelError
from synthgen.training.trainer import GradientTrainer, data_sha256

STEPS = {"steps": 2, "checkpoint_every": 2, "batch_size": 2, "warmup_steps": 1}
CROPS = {**STEPS, "crop": 32}
UNET = {"network": {"patch_size": 1, "channels": [8, 16]}, "sample_every": 9}
SAM = {"image_size": 32, "embed_dim": 16, "depth": 1, "num_heads": 2, "global_attn_indexes": [0], "prompt_dim": 32}


def masks(root: Path) -> dict[str, Any]:
    shutil.copytree(tiny.masks(), root)
    return tiny.mask_data(path=str(root))


def boxes(root: Path) -> dict[str, Any]:
    shutil.copytree(tiny.masks(), root)
    return tiny.box_data(path=str(root))


def captioned(root: Path) -> dict[str, Any]:
    shutil.copytree(tiny.captioned(), root)
    return tiny.wall(path=str(root))


def shades(root: Path) -> dict[str, Any]:
    random = np.random.default_rng(0)
    for name, value in (("dark", 30), ("bright", 200)):
        (root / name).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(random.integers(value, value + 40, (8, 8), np.uint8)).save(root / name / f"{i}.png")
    return {"path": str(root), "validation": 0.3}


def series(root: Path) -> dict[str, Any]:
    root.mkdir()
    shutil.copy(tiny.sensors(), root / "sensors.csv")
    return tiny.series_data(path=str(root / "sensors.csv"))


def texts(root: Path) -> dict[str, Any]:
    root.mkdir()
    shutil.copy(tiny.texts(), root / "pairs.tsv")
    return tiny.text_data(texts=str(root / "pairs.tsv"))


TRAINERS: dict[str, tuple[Callable[[Path], dict[str, Any]], dict[str, Any]]] = {
    "class-conditional": (shades, STEPS | UNET),
    "classifier": (shades, {**STEPS, "widths": [8]}),
    "detector": (boxes, {**CROPS, "widths": [8, 16]}),
    "layout": (masks, CROPS | UNET),
    "layout-to-image": (masks, CROPS | UNET),
    "segment-anything": (masks, {**CROPS, "network": SAM}),
    "segmenter": (masks, {**CROPS, "widths": [8, 16]}),
    "series": (series, {**STEPS, "sample_every": 9}),
    "text": (texts, {**STEPS, "preset": "tiny"}),
    "text-to-image": (captioned, {**STEPS, "sample_every": 2, "sample_steps": 1, "resolution": 16}),
}


def change(root: Path) -> None:
    """One image is turned upside down, or one number of a table is another, or one letter of a text."""
    pairs = root / "pairs.tsv"
    if pairs.exists():
        pairs.write_text(pairs.read_text().replace("red car 1", "rad car 1", 1))
        return
    table = root / "sensors.csv"
    if table.exists():
        lines = table.read_text().splitlines()
        cells = lines[5].split(",")
        changed = [cell if i < len(cells) - 1 else str(float(cell or 0) + 0.5) for i, cell in enumerate(cells)]
        table.write_text("\n".join([*lines[:5], ",".join(changed), *lines[6:]]) + "\n")
        return
    path = min(path for path in root.rglob("*.png") if "mask" not in str(path.relative_to(root)))
    with Image.open(path) as image:
        ImageOps.invert(image.convert("RGB" if image.mode == "RGB" else "L")).save(path)


@pytest.mark.parametrize("use", sorted(TRAINERS))
def test_other_data_of_equal_size_are_refused(use: str, tmp_path: Path) -> None:
    make, settings = TRAINERS[use]
    data = make(tmp_path / "data")
    base = {"base": tiny.stable_diffusion()} if use == "text-to-image" else {}
    recipe = {"kind": "model", "name": "m", "trainer": {"use": use, "data": data, **base, **settings}}
    path = helpers.write(tmp_path, recipe)
    synthgen.train(path, tmp_path / "out", device="cpu")
    synthgen.train(path, tmp_path / "out", device="cpu")  # the same data are gone on with
    scores = json.loads((tmp_path / "out" / "training" / "scores.json").read_text())
    assert scores["last"]["step"] == scores["best"]["step"] == 2
    assert scores["metric"] in scores["last"]
    change(tmp_path / "data")
    with pytest.raises(ModelError, match=r"was made with other settings or data \(data\); undo the change"):
        synthgen.train(path, tmp_path / "out", device="cpu")


@pytest.mark.parametrize("use", ["class-conditional", "layout-to-image", "series"])
def test_other_data_without_labels_are_refused_too(use: str, tmp_path: Path) -> None:
    make, settings = TRAINERS[use]
    data, more = make(tmp_path / "data"), make(tmp_path / "more")
    change(tmp_path / "more")  # those that are the labelled ones are left out
    place = Path(str(more["path"]))
    data["unlabelled"] = str(place / "images" if use == "layout-to-image" else place)
    for path in place.rglob("*.png") if place.is_dir() else ():
        with Image.open(path) as image:
            ImageOps.flip(image).save(path)
    if use == "series":
        table = place.read_text().replace("s0", "t0").replace("s1", "t1")
        place.write_text(table)
    recipe = helpers.write(tmp_path, {"kind": "model", "name": "m", "trainer": {"use": use, "data": data, **settings}})
    synthgen.train(recipe, tmp_path / "out", device="cpu")
    change(tmp_path / "more")
    with pytest.raises(ModelError, match=r"was made with other settings or data \(data\); undo the change"):
        synthgen.train(recipe, tmp_path / "out", device="cpu")


def test_every_trainer_is_here() -> None:
    from synthgen.parts.registry import Plugins

    plugins = Plugins(())
    names = plugins.names("trainers")
    assert set(TRAINERS) == {name for name in names if issubclass(plugins.find("trainers", name), GradientTrainer)}


def test_the_hash_of_data_is_of_their_values() -> None:
    rows = np.arange(6, dtype=np.float32)
    same = [data_sha256((rows, ["a", None])), data_sha256((rows.reshape(6, 1)[:, 0].copy(), ("a", None)))]
    others = [
        (rows.reshape(2, 3), ["a", None]),
        (rows.astype(np.float64), ["a", None]),
        (rows, ["a", "None"]),
        (rows, ["a"], None),
        (rows[::-1], ["a", None]),
    ]
    assert same[0] == same[1]
    assert len({same[0], *map(data_sha256, others)}) == 1 + len(others)
