"""`synthgen preview`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import helpers


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def red_pixels(path: Path) -> int:
    pixels = np.asarray(Image.open(path)).astype(int)
    return int(((pixels[..., 0] > 180) & (pixels[..., 1:].max(axis=-1) < 80)).sum())


def test_recipe(cli, recipe: Path, folder: Path) -> None:
    answer = cli("preview", recipe, "--plugin", helpers.TOY, "--device", "cpu")
    assert answer.code == 0
    assert "image   toy-preview.png" in answer.out
    assert "all 40" in answer.out
    assert Image.open(folder / "toy-preview.png").mode == "RGB"
    assert sorted(path.name for path in folder.iterdir()) == ["toy-preview.png", "toy.yaml"]


def test_rejected_tries_are_red(cli, recipe: Path, folder: Path) -> None:
    words = ("preview", recipe, "--plugin", helpers.TOY, "--device", "cpu", "--samples", 12, "-o")
    all_kept = cli(*words, "kept.png", "--set", "keep=[]")
    all_rejected = cli(*words, "rejected.png", "--set", "keep=[brightness >= 9]")
    assert "kept" not in all_kept.out.replace("kept.png", "")
    assert "0 of 12 first tries (brightness >= 9 12)" in all_rejected.out
    assert "every try was rejected" in all_rejected.out
    assert red_pixels(folder / "kept.png") == 0
    assert red_pixels(folder / "rejected.png") > 12 * 4 * 100


def test_dataset_same_seed_same_picture(cli, finished: Path, folder: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert cli("preview", finished, "--samples", 8, "--seed", seed, "-o", f"{name}.png").code == 0
    a, b, c = ((folder / f"{name}.png").read_bytes() for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere.yaml",), "no such recipe"),
        ((".",), "is not a synthgen dataset"),
        ((".", "--set", "seed=1"), "are for recipes"),
    ],
)
def test_wrong_targets(cli, words: tuple[str, ...], message: str) -> None:
    answer = cli("preview", *words)
    assert answer.code == 2
    assert message in answer.err


def test_picture_that_cannot_be_written(cli, finished: Path) -> None:
    answer = cli("preview", finished, "-o", "no/such/folder.png")
    assert answer.code == 1
    assert "name another file with -o" in answer.err


def test_an_incomplete_dataset_says_so(cli, dataset: Path, folder: Path) -> None:
    before = cli("preview", dataset, "-o", "before.png")
    next((dataset / "data" / "train").glob("shard-00001.*")).unlink()
    assert cli("verify", dataset).code == 1
    after = cli("preview", dataset, "-o", "after.png")
    assert "note" not in before.out
    assert "is incomplete: damaged shards were handed back" in after.out
    head = [Image.open(folder / f"{name}.png").crop((0, 28, 420, 90)).tobytes() for name in ("before", "after")]
    assert head[0] != head[1]
