"""`synthgen init` on class maps: what it asks, what it prints, and recipes that run as they are."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import helpers
import streets
import synthgen
from synthgen.readers.masks import colour_table
from synthgen.recipe import reading

FLAGS = ("--masks", "semantic", "--zero", "class", "--unknown", 5)
NAMES = ",".join(streets.CLASSES)
CITYSCAPES = np.array([(70, 130, 180), (70, 70, 70), (128, 64, 128), (0, 0, 142), (153, 153, 153), (0, 0, 0)])


def trainer(path: Path) -> dict:
    return dict(yaml.safe_load(path.read_text())["trainer"])


@pytest.mark.slow
def test_street_maps_to_a_dataset_without_editing_a_file(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    streets.camvid(tmp_path / "drives")
    answer = cli("init", "drives", *FLAGS, "--classes", NAMES)
    assert answer.code == 0, answer.err
    assert "numbers   0 is a class, 5 is unknown" in answer.out
    assert re.search(r"road +28\.0 % +100\.0 %", answer.out) and re.search(r"pole +0\.78 % +50\.0 %", answer.out)
    assert "scenes of 64 x 48 pixels" in answer.out and "about 28 min on one core" in answer.out
    small = ("--device", "cpu", "--set", "trainer.steps=2")
    assert cli("train", "drives-model.yaml", *small).code == 0
    assert cli("train", "drives-filter.yaml", *small).code == 0
    ran = cli("run", "drives.yaml", "--samples", 4, "--device", "cpu", "-o", "plain")
    assert ran.code == 0, ran.err
    dataset = synthgen.load(tmp_path / "plain")
    assert "instances" not in dataset.fields and dataset.fields["segmentation"].classes == streets.CLASSES
    shape, ids = dataset[0]["segmentation"].shape, np.unique([sample["segmentation"] for sample in dataset])
    assert shape == (48, 64) and set(ids) <= {1, 2, 3, 4, 5, 255} and {1, 2, 3, 255} <= set(ids)
    text = (tmp_path / "drives.yaml").read_text()
    text = re.sub(r"^( *)# (?=require|labelers:|  - \{use|scorers:|keep:|  - filter_miou)", r"\1", text, flags=re.M)
    (tmp_path / "all.yaml").write_text(text.replace(">= 0.3", ">= 0"))
    ran = cli("run", "all.yaml", "--samples", 5, "--device", "cpu", "-o", "out", "--set", "sampler.steps=2")
    assert ran.code == 0, ran.err
    assert '"pole": 40, "car": 40' in text
    dataset = synthgen.load(tmp_path / "out")
    share = yaml.safe_load(text)["condition"]["require_share"]
    shown = sum(((sample["segmentation"] == 5).mean() >= share) for sample in dataset)
    assert shown >= 1 and all(0 <= sample["filter_miou"] <= 1 for sample in dataset)


def test_what_numbers_mean_is_never_decided_in_silence(cli, tmp_path: Path) -> None:
    folder = streets.camvid(tmp_path / "drives")
    answer = cli("init", folder, "-o", tmp_path)
    assert answer.code == 1 and not list(tmp_path.glob("*.yaml"))
    assert "of all 12 maps: 0 30.6 %, 1 31.3 %, 2 28.0 %, 3 5.1 %, 4 0.78 %, 5 4.2 %" in answer.err
    assert "--masks semantic if" in answer.err and "--zero class, --zero background or --zero unknown" in answer.err
    assert "--unknown 5 if the highest number means unknown, --unknown 255 if it is a class" in answer.err
    half = cli("init", folder, "-o", tmp_path, "--masks", "semantic", "--zero", "class")
    assert half.code == 1 and "--unknown 5 if" in half.err and "--zero" not in half.err and "--masks" not in half.err
    assert cli("init", folder, "-o", tmp_path, "--masks", "semantic", "--zero", "class", "--unknown", 255).code == 0
    data = trainer(tmp_path / "drives-model.yaml")["data"]
    assert data["zero"] == "class" and "unknown" not in data and data["objects"] == [f"class_{i}" for i in range(6)]


def test_names_say_whether_the_highest_number_is_a_class(cli, tmp_path: Path) -> None:
    folder = streets.camvid(tmp_path / "drives")
    flags = ("init", folder, "-o", tmp_path, "--masks", "semantic", "--zero", "class", "--force", "--classes")
    assert "5 is unknown" in cli(*flags, NAMES).out
    assert cli(*flags, f"{NAMES},bonnet").code == 0
    assert trainer(tmp_path / "drives-model.yaml")["data"]["objects"][-1] == "bonnet"
    assert "--unknown 5 if" in cli(*flags, "sky,road").err
    few = cli(*flags, "sky,road", "--unknown", 255)
    assert few.code == 1 and "names 2 classes, and the masks have ids up to 5" in few.err
    assert "names 6 classes" in cli(*flags, f"{NAMES},bonnet", "--unknown", 5).err
    for wrong in ("sky,,road", "sky,sky", ""):
        assert "must be names between commas" in cli(*flags, wrong).err


def test_a_list_with_a_line_for_each_number_answers_both_questions(cli, tmp_path: Path) -> None:
    folder = streets.camvid(tmp_path / "drives")
    (folder / "classes.txt").write_text("\n".join([*streets.CLASSES, "void"]) + "\n")
    asked = cli("init", folder, "-o", tmp_path)
    assert "--masks semantic" in asked.err and "--zero" not in asked.err and "--unknown" not in asked.err
    assert "5 (void) 4.2 %" in asked.err
    assert "0 is a class, 5 is unknown" in cli("init", folder, "-o", tmp_path, "--masks", "semantic").out
    objects = cli("init", folder, "-o", tmp_path / "objects", "--masks", "classes")
    assert "the number 0 is a class, and 5 and 255 are unknown" in objects.out
    assert trainer(tmp_path / "objects" / "drives-model.yaml")["data"]["unknown"] == [5]


def test_few_objects_on_background_bring_no_questions(cli, tmp_path: Path) -> None:
    for i in range(12):
        numbers = np.zeros((48, 64), dtype=np.uint8)
        for k in range(4):
            numbers[6 + 10 * k : 12 + 10 * k, 5 + 3 * i : 15 + 3 * i] = 1 + k % 2
        for place, array in (("images", numbers * 90), ("masks", numbers)):
            (tmp_path / "cells" / place).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(tmp_path / "cells" / place / f"{i}.png")
    answer = cli("init", tmp_path / "cells", "-o", tmp_path)
    assert answer.code == 0 and "the number 0 is background, and 255 is unknown; if not, say so by --zero" in answer.out
    assert trainer(tmp_path / "cells-model.yaml")["data"]["mask_kind"] == "classes"
    asked = cli("init", tmp_path / "cells", "-o", tmp_path, "--masks", "semantic", "--force")
    assert "--zero" in asked.err and "0 covers" in asked.err


def test_palettes_and_known_colours_go_into_the_recipes(cli, tmp_path: Path) -> None:
    streets.save(tmp_path / "palette", "images/{}.png", "masks/{}.png", colours=CITYSCAPES, palette=True)
    assert cli("init", tmp_path / "palette", "-o", tmp_path, *FLAGS).code == 0
    shown = ["#4682b4", "#464646", "#804080", "#00008e", "#999999"]
    assert trainer(tmp_path / "palette-model.yaml")["data"]["palette"] == shown
    streets.save(tmp_path / "rgb", "images/{}.png", "masks/{}.png", colours=CITYSCAPES)
    asked = cli("init", tmp_path / "rgb", "-o", tmp_path)
    assert "3 (building) 31.3 %" in asked.err and "--masks semantic" in asked.err and "--zero" not in asked.err
    answer = cli("init", tmp_path / "rgb", "-o", tmp_path, "--masks", "semantic")
    assert answer.code == 0 and "they are those of cityscapes" in answer.out, answer.err
    assert re.search(r"building +31\.3 %", answer.out) and "no map that was read shows sidewalk" in answer.out
    data = trainer(tmp_path / "rgb-model.yaml")["data"]
    table = colour_table.place("", "cityscapes")
    assert (data["colours"], data["palette"]) == ("cityscapes", colour_table.palette(table))
    refused = cli("init", tmp_path / "rgb", "-o", tmp_path, *FLAGS)
    assert refused.code == 2 and "--zero, --unknown: of numbers" in refused.err


def test_colours_of_several_tables_or_of_none_are_not_guessed(cli, tmp_path: Path) -> None:
    both = np.array([(128, 0, 0), (128, 128, 0), (64, 0, 128), (192, 128, 128), (0, 0, 0), (0, 0, 0)])
    streets.save(tmp_path / "both", "images/{}.png", "masks/{}.png", colours=both)
    answer = cli("init", tmp_path / "both", "--masks", "semantic")
    assert answer.code == 1 and "fit the tables of camvid-11 and camvid-32 and voc" in answer.err
    streets.save(tmp_path / "none", "images/{}.png", "masks/{}.png", colours=both + 7)
    assert "list them in a file colours.csv" in cli("init", tmp_path / "none", "--masks", "semantic").err
    lines = [f"{r},{g},{b},{name}" for (r, g, b), name in zip(both[:5], [*"abcd", "unknown"], strict=True)]
    (tmp_path / "both" / "colours.csv").write_text("\n".join(["r,g,b,name", *lines]) + "\n")
    answer = cli("init", tmp_path / "both", "--masks", "semantic", "-o", tmp_path)
    assert answer.code == 0 and re.search(r"\(unknown\) +\d", answer.out), answer.err
    assert trainer(tmp_path / "both-model.yaml")["data"]["palette"][1] == "#808000"


def test_scale_is_the_same_in_all_recipes_and_large_folders_are_sampled(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthgen.readers.masks.census.N_COUNTED", 9)
    streets.save(tmp_path / "large", "images/{}.jpg", "masks/{}.png", 10, (256, 192))
    answer = cli("init", tmp_path / "large", "-o", tmp_path, *FLAGS)
    assert answer.code == 0 and "scenes of 96 x 72 pixels, resized by 0.375" in answer.out
    assert "10 with maps of 5 classes" in answer.out
    found = [reading.load_recipe(path) for path in sorted(tmp_path.glob("large*.yaml"))]
    settings = [one.condition.settings if hasattr(one, "condition") else one.trainer.settings for one in found]
    assert [one["data"]["scale"] for one in settings] == [0.375] * 3
    assert [one.get("crop", one.get("size")) for one in settings] == [[96, 72]] * 3


def test_options_for_numbers_of_classes_go_with_class_maps_only(cli, tmp_path: Path) -> None:
    folder = streets.camvid(tmp_path / "drives", 8)
    answer = cli("init", folder, "--masks", "instances", "--zero", "class")
    assert answer.code == 2 and "--zero: of class ids only" in answer.err
    few = cli("init", streets.camvid(tmp_path / "few", 3), *FLAGS)
    assert few.code == 1 and "has 3 images with masks; at least 8 are needed" in few.err
    Image.new("L", (8, 8)).save(folder / "trainannot" / "s00.png")
    assert "s00.png: is 8 x 8, its image is 64 x 48" in cli("init", folder, *FLAGS).err


def on_terminal(words: list[str], typed: str) -> tuple[int, str]:
    """Exit code and output of a command on a terminal where something is typed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=helpers.environment()) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.slow
def test_a_terminal_is_asked_one_question_at_a_time(tmp_path: Path) -> None:
    folder = streets.camvid(tmp_path / "drives")
    words = [sys.executable, "-m", "synthgen", "init", str(folder), "-o", str(tmp_path)]
    code, shown = on_terminal(words, "\nclass\nunknown\n")
    assert code == 0, shown
    assert "6 numbers cover the images" in shown and "(semantic, classes, instances) [semantic]" in shown
    assert "The number 0 covers 30.6 % of the pixels" in shown and "The highest number, 5, covers 4.2 %" in shown
    data = trainer(tmp_path / "drives-model.yaml")["data"]
    assert (data["mask_kind"], data["zero"], data["unknown"]) == ("semantic", "class", [5])
