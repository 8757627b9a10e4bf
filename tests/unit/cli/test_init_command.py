"""`synthgen init`: a folder of images by class to recipes that work."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import helpers
import synthgen
import tiny
from synthgen.readers.series import scaffold as series
from synthgen.stages.resolve import resolve


def paint(folder: Path, counts: dict[str, int], size: tuple[int, int] = (12, 12), mode: str = "L") -> Path:
    """Images of noise, brighter class by class."""
    generator = np.random.default_rng(0)
    for level, (name, n) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
            pixels = generator.integers(0, 60, shape) + 60 * level
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


def test_own_folder_to_own_dataset_in_three_commands(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paint(tmp_path / "My Photos", {"black": 12, "Grey one": 40, "no": 41})
    answer = cli("init", "My Photos")
    assert answer.code == 0, answer.err
    assert "93 in 3 classes" in answer.out
    assert sorted(path.name for path in tmp_path.glob("*.yaml")) == ["my-photos-model.yaml", "my-photos.yaml"]
    assert all(path.read_text().count("#") > 8 for path in tmp_path.glob("*.yaml"))
    small = ["--set", "trainer.steps=3", "--set", "trainer.network.channels=[16, 32]"]
    assert cli("train", "my-photos-model.yaml", "--device", "cpu", *small).code == 0
    quotas = 'condition.quotas={black: 3, Grey one: 2, "no": 1}'
    ran = cli("run", "my-photos.yaml", "--device", "cpu", "-o", "out", "--set", quotas, "--set", "sampler.steps=2")
    assert ran.code == 0, ran.err
    dataset = synthgen.load(tmp_path / "out")
    assert dataset.classes == ("black", "Grey one", "no")
    assert dataset[0]["image"].shape == (12, 12, 1)
    assert dataset.manifest is not None
    assert dataset.manifest["sources"][0]["licence"] == "unknown"


def test_enough_images_bring_a_filter_model(cli, tmp_path: Path) -> None:
    folder = paint(tmp_path / "pets", {"cat": 45, "dog": 90}, (30, 24), "RGB")
    answer = cli("init", folder, "-o", tmp_path / "recipes")
    assert answer.code == 0
    assert sorted(path.name for path in (tmp_path / "recipes").iterdir()) == [
        "pets-filter.yaml",
        "pets-model.yaml",
        "pets.yaml",
    ]
    assert "not all images are square" in answer.out
    assert "24 x 24 pixels" in answer.out


def test_nothing_is_overwritten_unasked(cli, tmp_path: Path) -> None:
    folder = paint(tmp_path / "pets", {"cat": 8, "dog": 8})
    words = ("init", folder, "-o", tmp_path)
    assert cli(*words).code == 0
    (tmp_path / "pets.yaml").write_text("mine")
    answer = cli(*words)
    assert answer.code == 2
    assert "pets.yaml exist already" in answer.err
    assert (tmp_path / "pets.yaml").read_text() == "mine"
    assert cli(*words, "--force").code == 0
    assert (tmp_path / "pets.yaml").read_text() != "mine"


def test_folders_that_will_not_do(cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "has no subfolders" in cli("init", tmp_path / "empty").err
    few = cli("init", paint(tmp_path / "few", {"cat": 3, "dog": 20}))
    assert few.code == 1
    assert "too few: cat (3)" in few.err
    assert cli("init", tmp_path / "nowhere").code == 2
    wrong = cli("init", paint(tmp_path / "ok", {"a": 8, "b": 8}), "--name", "Not Good")
    assert wrong.code == 2
    assert "lower-case" in wrong.err


def test_broken_files_are_named(cli, tmp_path: Path) -> None:
    folder = paint(tmp_path / "pets", {"cat": 9, "dog": 9})
    (folder / "cat" / "torn.png").write_bytes(b"not an image")
    (folder / "cat" / "notes.txt").write_text("words")
    answer = cli("init", folder, "-o", tmp_path)
    assert answer.code == 0
    assert "torn.png" in answer.out
    assert ".txt 1" in answer.out


def test_the_three_commands_of_the_docs_are_these() -> None:
    page = (helpers.ROOT / "docs" / "classification.md").read_text()
    for command in ("synthgen init my_images/", "synthgen train my_images-model.yaml", "synthgen run my_images.yaml"):
        assert command in page


def test_pictures_with_masks_to_a_dataset_in_three_commands(cli, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny.masks(), tmp_path / "cells")
    answer = cli("init", "cells")
    assert answer.code == 0, answer.err
    assert "16 with masks" in answer.out
    assert "instances: each number is one object" in answer.out
    assert answer.out.endswith("  synthgen train cells-filter.yaml\n")
    assert sorted(path.name for path in tmp_path.glob("*.yaml")) == [
        "cells-filter.yaml",
        "cells-model.yaml",
        "cells.yaml",
    ]
    small = ["--set", "trainer.steps=3", "--set", "trainer.network.channels=[8, 16]", "--set", "trainer.batch_size=2"]
    assert cli("train", "cells-model.yaml", "--device", "cpu", *small).code == 0
    assert cli("train", "cells-filter.yaml", "--device", "cpu", "--set", "trainer.steps=2").code == 0
    head, marker, rest = (tmp_path / "cells.yaml").read_text().partition("# Reject")
    explained, *optional = rest.partition("\n\n")[0].splitlines()
    text = "\n".join(line.removeprefix("# ") for line in optional).replace(">= 0.3", ">= 0")
    (tmp_path / "cells.yaml").write_text(f"{head}{marker}{explained}\n{text}\n\n{rest.partition(chr(10) * 2)[2]}")
    ran = cli("run", "cells.yaml", "--device", "cpu", "-o", "out", "--samples", 4, "--set", "sampler.steps=2")
    assert ran.code == 0, ran.err
    assert "filter_iou" in synthgen.load(tmp_path / "out")[0]


@pytest.mark.parametrize("form", ["images", "unlabelled", "annotations", "one"])
def test_images_without_masks_are_learned_from(cli, tmp_path: Path, monkeypatch, form: str) -> None:
    """Four of sixteen have masks: all in images/, the others in unlabelled/, masks in annotations/ or beside them."""
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(tiny.masks(), tmp_path / "cells"))
    for i in range(4, 16):
        (folder / "masks" / f"p{i:02d}.png").unlink()
        if form == "unlabelled":
            (folder / "unlabelled").mkdir(exist_ok=True)
            (folder / "images" / f"p{i:02d}.png").rename(folder / "unlabelled" / f"p{i:02d}.png")
    if form == "annotations":
        (folder / "masks").rename(folder / "annotations")
    if form == "one":
        for path in (folder / "masks").iterdir():
            path.rename(folder / "images" / f"{path.stem}_mask.png")
        (folder / "masks").rmdir()
    answer = cli("init", "cells")
    assert answer.code == 0, answer.err
    place = "cells/unlabelled" if form == "unlabelled" else "cells/images"
    assert f"12 images in {place} have no mask: the model learns from them, too" in answer.out
    small = ["--set", "trainer.steps=3", "--set", "trainer.network.channels=[8, 16]", "--set", "trainer.batch_size=2"]
    assert cli("train", "cells-model.yaml", "--device", "cpu", *small).code == 0
    assert "images without masks | 11, 50% of a batch" in (tmp_path / "models" / "cells" / "README.md").read_text()
    ran = cli("run", "cells.yaml", "--device", "cpu", "-o", "out", "--samples", 2, "--set", "sampler.steps=2")
    assert ran.code == 0, ran.err


def test_masks_of_other_names_are_named(cli, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny.masks(), tmp_path / "cells"))
    (folder / "masks" / "p03.png").rename(folder / "masks" / "x03.png")
    answer = cli("init", folder, "-o", tmp_path / "recipes")
    assert answer.code != 0 and "p03.png: has no mask of the same name" in answer.err


def test_class_maps_are_told_from_instances(cli, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny.masks(), tmp_path / "cells"))
    for path in (folder / "masks").iterdir():
        numbers = np.asarray(Image.open(path))
        Image.fromarray(np.where(numbers > 0, 1 + numbers % 2, 0).astype(np.uint8)).save(path)
    answer = cli("init", folder, "-o", tmp_path / "recipes")
    assert answer.code == 0, answer.err
    assert "class_1, class_2" in answer.out


def test_loose_pictures_are_told_and_hidden_files_are_not(cli, tmp_path: Path) -> None:
    folder = paint(tmp_path / "pets", {"cat": 9})
    for name in (".DS_Store", "cat/.DS_Store", "notes.txt", "alone.png"):
        (folder / name).write_bytes(b"")
    (folder / "cat" / "torn.png").write_bytes(b"")
    answer = cli("init", folder, "-o", tmp_path)
    assert "9 in 1 class\n" in answer.out
    assert "ignored  .txt 1\n" in answer.out
    assert "1 image beside the folders of the classes will not be used" in answer.out
    assert "2 images cannot be read and are left out: " in answer.out
    assert "unlabelled" not in (tmp_path / "pets-model.yaml").read_text()


@pytest.mark.parametrize("named", [True, False])
def test_images_without_labels_are_learned_from(cli, tmp_path: Path, named: bool) -> None:
    folder = paint(tmp_path / "pets", {"cat": 9, "dog": 9, "unlabeled": 5})
    if not named:
        for path in (folder / "unlabeled").iterdir():
            path.rename(folder / f"new-{path.name}")
    place = folder / "unlabeled" if named else folder
    answer = cli("init", folder, "-o", tmp_path)
    assert "18 in 2 classes\n" in answer.out
    assert f"5 images in {place} have no class: the model learns from them, too" in answer.out.replace("\n", " ")
    recipe = yaml.safe_load((tmp_path / "pets-model.yaml").read_text())
    assert recipe["trainer"]["data"]["unlabelled"] == str(place)
    steps = [*("--set", "trainer.steps=2"), *("--set", "trainer.batch_size=4")]
    trained = cli("train", tmp_path / "pets-model.yaml", "-o", tmp_path / "model", *steps)
    assert trained.code == 0, trained.err
    assert "images without labels | 4, 50% of a batch" in (tmp_path / "model" / "README.md").read_text()


def test_few_labels_bring_a_filter_that_sees_what_the_model_has_learned(cli, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    paint(tmp_path / "pets", {"cat": 2, "dog": 9, "unlabelled": 20})
    answer = cli("init", "pets")
    assert answer.code == 0, answer.err
    assert "synthgen plan pets-model.yaml   # how long it takes here" in answer.out
    assert answer.out.endswith("synthgen label pets/unlabelled --model models/pets-filter\n")
    model, checks = (yaml.safe_load((tmp_path / f"pets-{name}.yaml").read_text()) for name in ("model", "filter"))
    assert model["trainer"]["unlabelled_share"] == 0.8
    assert model["trainer"]["class_balance"] == 0.5
    assert checks["trainer"] == {
        "use": "feature-classifier",
        "base": "models/pets",
        "data": {"path": "pets", "unlabelled": "pets/unlabelled", "licence": "unknown"},
    }
    steps = [*("--set", "trainer.steps=2"), *("--set", "trainer.batch_size=4")]
    for words in (("train", "pets-model.yaml", *steps), ("train", "pets-filter.yaml")):
        trained = cli(*words, "--device", "cpu")
        assert trained.code == 0, trained.err
    text = (tmp_path / "pets.yaml").read_text()
    for line in text.splitlines():
        if line.startswith(("# scorers:", "#   - ", "#     model", "# keep:")):
            text = text.replace(line, line.removeprefix("# "))
    (tmp_path / "pets.yaml").write_text(text.replace("agreement >= 0.5", "agreement >= 0"))
    ran = cli("run", "pets.yaml", "--device", "cpu", "-o", "out", "--samples", "4", "--set", "sampler.steps=2")
    assert ran.code == 0, ran.err
    assert 0 <= synthgen.load(tmp_path / "out")[0]["agreement"] <= 1
    labelled = cli("label", "pets/unlabelled", "--model", "models/pets-filter", "--device", "cpu")
    assert labelled.code == 0, labelled.err


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("when,level\n2024-01-01,1\n2024-01-02,2\n2024-01-03,4\n", {"time": "when"}),
        ("date,level\n2024-01-03,1\n2024-01-02,2\n2024-01-01,4\n", {"time": "date", "newest_first": True}),
        ("hour,who,level\n1,a,1\n2,a,2\n1,b,1\n2,b,2\n", {"entity": "who", "time": "hour"}),
        ("level,flow\n3,1\n2,2\n1,3\n", {}),
    ],
)
def test_what_the_columns_of_a_table_mean(tmp_path: Path, text: str, settings: dict[str, object]) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    found = series.look(str(path))
    assert found.settings == settings and "level" in found.channels


def test_a_table_brings_one_recipe_that_is_sound(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "My sales.csv").write_text("time,sold\n" + "".join(f"{t},{t % 7}\n" for t in range(120)))
    answer = cli("init", "My sales.csv")
    assert answer.code == 0, answer.err
    assert (
        "windows  of 12 steps, one step apart: 97 for training, 1 for validation" in answer.out
        and "synthgen run my-sales.yaml" in answer.out
    )
    checked = resolve("my-sales.yaml")
    assert checked.own is not None and checked.own.data == "My sales.csv"
    assert checked.real is not None and checked.real["time"] == "time" and checked.real["channels"] == ["sold"]
    assert cli("init", "My sales.csv").code == 2, "nothing is overwritten unasked"


def test_a_file_that_is_no_table(cli, tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").write_text("hello")
    answer = cli("init", tmp_path / "notes.pdf")
    assert answer.code == 2 and "must be a folder of images, a table" in answer.err


def test_columns_that_are_left_out_are_told_and_numbers_are_no_entities(cli, tmp_path: Path) -> None:
    rows = "".join(
        f"2024-01-{1 + i // 24:02d}T{i % 24:02d}:00,{i % 9},{i % 5},{'calm' if i % 3 else ''}\n" for i in range(240)
    )
    good = tmp_path / "good.csv"
    good.write_text("time,level,count,weather\n" + rows)
    answer = cli("init", good, "-o", tmp_path)
    assert answer.code == 0 and "left out: weather (text, such as `calm`)" in answer.out
    assert "channels: level, count" in answer.out and "entity" not in answer.out
    twice = tmp_path / "twice.csv"
    twice.write_text(good.read_text() + "2024-01-10T23:00,1,1,calm\n")
    answer = cli("init", twice, "-o", tmp_path)
    assert answer.code == 0 and "some values of time occur more than once; `step: 1h` averages the rows" in answer.out
    data = yaml.safe_load((tmp_path / "twice.yaml").read_text())["data"]
    assert data["step"] == "1h"


def test_a_folder_of_tables_has_a_recording_a_file(cli, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.csv").write_text("time,level\n" + "".join(f"{t},{t % 7}\n" for t in range(60)))
    answer = cli("init", folder, "-o", tmp_path)
    assert answer.code == 0 and "120 of 2 recordings" in answer.out, answer.err
    assert resolve(tmp_path / "tables.yaml").own is not None


SMALL = ("--device", "cpu", "--set", "trainer.steps=2", "--set", "trainer.network.channels=[16, 32]")


@pytest.mark.parametrize(
    ("name", "note", "setting"),
    [
        ("twelve", "hold values from 0 to 4095; 0 to 4095 become 0 to 255 (`range` changes it)", ""),
        ("floats", "nothing says which of them are black and white: all is taken", "range: [-3.0, 800.0]"),
        ("torn", "2 images cannot be read and are left out: ", "skip_broken: true"),
    ],
)
def test_pictures_as_people_have_them_are_said_and_trained(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, note: str, setting: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = paint(tmp_path / name, {"Old cat": 10, "dog.2": 12})
    generator = np.random.default_rng(0)
    for path in sorted(folder.rglob("*.png")):
        if name == "torn":
            continue
        whole = generator.integers(0, 4096, (12, 12))
        whole[0, :2] = 0, 4095
        path.unlink()
        floats = (whole / 4095 * 803 - 3).astype(np.float32)
        picture = Image.fromarray(whole.astype(np.uint16) if name == "twelve" else floats)
        picture.save(path.with_suffix(".PNG" if name == "twelve" else ".TIF"))
    if name == "torn":
        torn = folder / "Old cat" / "1.png"
        torn.write_bytes(torn.read_bytes()[:50])
        raw = (folder / "dog.2" / "1.png").read_bytes()
        (folder / "dog.2" / "1.png").write_bytes(raw.replace(raw[33:37], b"\0\0\0\x05"))
    answer = cli("init", name)
    assert answer.code == 0, answer.err
    assert note in answer.out
    assert setting in (tmp_path / f"{name}-model.yaml").read_text()
    planned = cli("plan", f"{name}-model.yaml")
    assert (planned.code, note in planned.out) == (0, name == "twelve"), planned.err
    trained = cli("train", f"{name}-model.yaml", *SMALL)
    assert trained.code == 0, trained.err
    said = "-3 to 800 become 0 to 255 as set" if name == "floats" else note
    assert said in trained.err
    card = (tmp_path / "models" / name / "README.md").read_text().replace("\\", "")
    assert said in card


def test_init_and_train_agree_about_what_can_be_read(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = paint(tmp_path / "pets", {"cat": 9, "dog": 9})
    Image.new("RGB", (5, 5)).save(folder / "cat" / "drawn.eps")
    (folder / "cat" / "drawn.eps").rename(folder / "cat" / "drawn.png")
    frames = [Image.new("L", (5, 5), level) for level in (0, 9)]
    frames[0].save(folder / "dog" / "moving.gif", save_all=True, append_images=frames[1:])
    said = cli("init", "pets").out
    assert "2 images cannot be read and are left out: pets/cat/drawn.png, pets/dog/moving.gif" in said
    refused = cli("train", "pets-model.yaml", *SMALL, "--set", "trainer.data.skip_broken=false")
    assert refused.code == 1
    assert "cat/drawn.png: is no readable image: its content has no known format" in refused.err
    assert "dog/moving.gif: holds several images or pages" in refused.err


def test_entities_that_are_shorter_than_a_window_are_named(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lengths = {"short": 15, **{f"e{i}": 300 for i in range(4)}}
    rows = [f"{who},{t},{(7 * t + n) % 31}" for who, n in lengths.items() for t in range(n)]
    (tmp_path / "shops.csv").write_text("\n".join(["shop,time,sales", *rows]) + "\n")
    said = "note: 1 of 5 entities is shorter than `length: 24` and is left out, with 1.2 % of all rows: short (15 rows)"
    made = cli("init", "shops.csv")
    assert made.code == 0 and said in made.out
    planned = cli("plan", "shops.yaml")
    assert planned.code == 0 and said in planned.out, planned.err
