"""Real data in a bucket are those of the same files in a folder: hashes, samples, and what is said of wrong ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import bucket
import helpers
from bucket import Server
from synthgen import api
from synthgen.base import cache, fetched
from synthgen.cli.init import command as init
from synthgen.conditions.prompt_file import PromptFile
from synthgen.errors import DataError, SynthgenError
from synthgen.readers import origin
from synthgen.readers.images import captioned, gallery, labelled
from synthgen.readers.masks import reader as masks
from synthgen.readers.series import reader as series
from synthgen.readers.texts import reader as text_reader

READERS: dict[str, Any] = {
    "photos": lambda data: labelled.read(data["path"], skip_broken=data.get("skip_broken", False)),
    "captions": lambda data: captioned.read(captioned.CaptionData(**data), 8),
    "gallery": lambda data: gallery.listed(data["path"]).picture(0, 8, 8),
    "masks": lambda data: masks.read(masks.MaskData(**data)),
    "boxes": lambda data: masks.read(masks.MaskData(**data)),
    "series": lambda data: series.read(series.SeriesData(**data)),
    "texts": lambda data: text_reader.read(text_reader.TextData(**data)),
    "prompts": lambda data: PromptFile(PromptFile.Config(**data)),
}
SECTIONS: dict[str, dict[str, Any]] = {
    "photos": {"path": "photos"},
    "captions": {"path": "photos/disc", "caption": "a disc"},
    "masks": {"path": "cells", "mask_kind": "binary", "table": "rows.csv"},
    "boxes": {"path": "cells", "boxes": "boxes.json", "objects": ["cell"]},
    "series": {"path": "stays", "length": 2, "entity": "who", "static": ["age"], "static_table": "stays/who.csv"},
    "texts": {"texts": "queries/train.csv", "test": "queries/test.csv"},
}
WRONG: dict[str, dict[str, Any]] = {
    "photos": {"path": "wrong/photos"},
    "captions": {"path": "wrong/captions"},
    "gallery": {"path": "wrong/photos"},
    "masks": {"path": "wrong/cells", "mask_kind": "binary"},
    "boxes": {"path": "wrong/cells", "boxes": "boxes.json", "objects": ["cell"]},
    "series": SECTIONS["series"] | {"static_table": "wrong/who.csv"},
    "texts": {"texts": "wrong/queries.csv"},
    "prompts": {"path": "wrong/prompts.csv"},
}
PLACES = ("path", "texts", "test", "static_table")
"""Settings that name a place."""


def make(root: Path) -> None:
    """Small data of every kind, and wrong ones."""
    for i in range(4):
        ground = np.zeros((12, 12, 3), dtype=np.uint8) + np.uint8(20 * i)
        mask = np.zeros((12, 12), dtype=np.uint8)
        mask[2:7, 3 + i : 8] = 255
        for name, pixels in {
            f"photos/{('disc', 'field')[i % 2]}/{i}": ground,
            f"cells/images/{i}": ground,
            f"cells/masks/{i}": mask,
            f"wrong/cells/images/{i}": ground,
            f"wrong/cells/masks/{i}": mask[:-i, :] if i else mask,
            f"wrong/captions/{i}": ground,
        }.items():
            save(root / f"{name}.png", pixels)
    box = {"id": 1, "image_id": 0, "category_id": 0, "bbox": [2, 3, 5, 4]}
    coco = {"images": [{"id": i, "file_name": f"{i}.png"} for i in range(4)], "categories": [{"id": 0, "name": "cell"}]}
    texts = {
        "cells/rows.csv": "id,split\n" + "".join(f"{i},train\n" for i in range(4)),
        "cells/boxes.json": json.dumps(coco | {"annotations": [box]}),
        "wrong/cells/boxes.json": json.dumps(coco | {"annotations": [box | {"bbox": [1]}]}),
        "wrong/photos/disc/1.png": "no image",
        "stays/a.csv": "who,hr\nA,1\nA,2\nA,3\n",
        "stays/b.csv": "who,hr\nB,1\nB,2\nB,4\n",
        "stays/who.csv": "who,age\nA,50\nB,60\n",
        "wrong/who.csv": "who,age\nA,50\n",
        "wrong/prompts.csv": "prompt,prompt\na,b\n",
        "queries/train.csv": "text,label\nmy card,card\nmy bill,bill\n",
        "queries/test.csv": "text,label\na card,card\n",
        "wrong/queries.csv": "text,label\nmy card\n",
        "prompts.csv": "prompt,place\na cat,here\na dog,there\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def places(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The same data in a folder and below an address."""
    folder = tmp_path_factory.mktemp("data")
    make(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cache.VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield str(folder), bucket.upload_folder(server, folder)
    fetched.forget()


def at(root: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with the places in them below `root`."""
    return {key: f"{root}/{value}" if key in PLACES else value for key, value in settings.items()}


def said_of(name: str, settings: dict[str, Any], root: str) -> list[str]:
    with pytest.raises(DataError) as caught:
        READERS[name](at(root, settings))
    return [text.replace(root, "ROOT") for text in caught.value.messages]


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_are_named_by_their_address(name: str, places: tuple[str, str]) -> None:
    here, there = (said_of(name, WRONG[name], root) for root in places)
    assert here == there and "ROOT/" in here[0]
    with pytest.raises(DataError, match=f"^{places[1]}/nowhere: there is nothing"):
        READERS[name](at(places[1], WRONG[name] | {"texts" if name == "texts" else "path": "nowhere"}))


@pytest.mark.parametrize("name", SECTIONS)
def test_the_hash_is_that_of_the_files(name: str, places: tuple[str, str]) -> None:
    here, there = (origin.sha256(at(root, SECTIONS[name])) for root in places)
    assert here == there
    for root in places:
        READERS[name](at(root, SECTIONS[name]))


def test_images_that_are_left_out_are_named_by_their_address(places: tuple[str, str]) -> None:
    settings = {"path": "wrong/cells", "mask_kind": "binary", "skip_broken": True}
    here, there = (masks.read(masks.MaskData(**at(root, settings))).notes for root in places)
    assert [note.replace(places[0], places[1]) for note in here] == list(there)
    assert any(f"{places[1]}/wrong/cells" in note for note in there)


def test_samples_are_those_of_a_folder(places: tuple[str, str], tmp_path: Path) -> None:
    for root, out in zip(places, ("here", "there"), strict=True):
        recipe = helpers.toy(
            condition={"use": "prompt-file", "path": f"{root}/prompts.csv"},
            scorers=[
                {"use": "image-statistics", "real": f"{root}/photos"},
                {"use": "near-duplicate", "folder": f"{root}/photos"},
            ],
            keep=[],
            labelers=[],
            samples=8,
            shard_size=4,
        )
        helpers.run(helpers.write(tmp_path, recipe), tmp_path / out)
    here, there = (helpers.snapshot(tmp_path / out / "data") for out in ("here", "there"))
    assert here == there and here
    texts = [path.read_text() for path in (tmp_path / "there").rglob("*") if path.suffix in (".json", ".md", ".yaml")]
    assert texts and not any(str(cache.folder()) in text for text in texts)


def test_init_writes_the_address(places: tuple[str, str], tmp_path: Path) -> None:
    for root, name in zip(places, ("here", "there"), strict=True):
        done = CliRunner().invoke(init, [f"{root}/stays/a.csv", "-o", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    here, there = ((tmp_path / name / "a.yaml").read_text() for name in ("here", "there"))
    assert here.replace(places[0], places[1]) == there and f'path: "{places[1]}/stays/a.csv"' in there


def test_a_recipe_says_where_it_names_what_is_not_there(places: tuple[str, str], tmp_path: Path) -> None:
    recipe = helpers.toy(scorers=[{"use": "image-statistics", "real": f"{places[1]}/nowhere"}], keep=[])
    path = helpers.write(tmp_path, recipe)
    with pytest.raises(SynthgenError) as caught:
        api.prepare(path, plugin_files=[helpers.TOY])
    assert len(caught.value.messages) == 1
    assert f"toy.yaml:{line_of(path, 'image-statistics')}" in str(caught.value)
    assert f"{places[1]}/nowhere: there is nothing" in str(caught.value)


def line_of(path: Path, word: str) -> int:
    return next(i for i, line in enumerate(path.read_text().split("\n"), 1) if word in line)
