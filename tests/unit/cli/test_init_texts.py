"""`synthgen init` on files of texts: which tables are texts, what is asked, and recipes that fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.stages.resolve import resolve

PAIRS = "".join(f"the {i} red houses\tdie {i} roten Häuser\n" for i in range(40))
INTENTS = "text,intent\n" + "".join(f"send {i} letters home,{'pay' if i % 2 else 'ask'}\n" for i in range(40))


def test_a_file_of_texts_brings_one_recipe_that_is_sound(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "My mails.csv").write_text(INTENTS)
    answer = cli("init", "My mails.csv")
    assert answer.code == 0, answer.err
    assert "utterances" in answer.out and "ask 20, pay 20" in answer.out and "note" not in answer.out
    checked = resolve("my-mails.yaml")
    assert checked.real is not None and checked.real["texts"] == "My mails.csv"
    assert checked.recipe.condition.settings["quotas"] == {"ask": 500, "pay": 500}


def test_columns_without_names_bring_a_question(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "en-de.tsv").write_text(PAIRS)
    answer = cli("init", "en-de.tsv")
    assert answer.code == 1 and "--kind utterances or --kind pairs" in answer.err
    answer = cli("init", "en-de.tsv", "--kind", "pairs")
    assert answer.code == 0, answer.err
    assert resolve("en-de.yaml").recipe.condition.settings["quotas"] == {"text": 1000}


def test_folders_of_splits_and_of_classes(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):
        (tmp_path / "two").mkdir(exist_ok=True)
        more = "write on,new\n" if split == "test" else ""
        (tmp_path / "two" / f"{split}.csv").write_text(INTENTS.replace("send", split) + more)
    (tmp_path / "two" / "README.md").write_text("# Two")
    answer = cli("init", "two")
    assert answer.code == 0, answer.err
    assert "note" not in answer.out and "test:" not in (tmp_path / "two.yaml").read_text()
    found = resolve("two.yaml").recipe
    assert found.condition.settings["quotas"] == {"ask": 500, "pay": 500}, "of `new` there is nothing to learn"
    assert [labeler.use for labeler in found.labelers] == ["class-label"]
    for kind in ("spam", "other"):
        (tmp_path / "mails" / kind).mkdir(parents=True)
        for i in range(12):
            (tmp_path / "mails" / kind / f"{i}.txt").write_text(f"{kind} number {i}, with words")
    answer = cli("init", "mails")
    assert answer.code == 0, answer.err
    assert resolve("mails.yaml").recipe.condition.settings["quotas"] == {"other": 500, "spam": 500}


def test_a_table_of_numbers_is_no_table_of_texts(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"2024-01-{1 + i // 24:02d}T{i % 24:02d}:00:00,{i % 7},{i % 5 + 0.5}\n" for i in range(240))
    (tmp_path / "flows.csv").write_text(f"time,source,target\n{rows}")
    answer = cli("init", "flows.csv")
    assert answer.code == 0, answer.err
    assert "channels: source, target" in answer.out


def test_a_list_beside_images_makes_no_texts_of_them(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(np.full((16, 16, 3), 20 * i, np.uint8)).save(tmp_path / "pets" / name / f"{i}.png")
    (tmp_path / "pets" / "classes.txt").write_text("cat\ndog\n")
    answer = cli("init", "pets")
    assert answer.code == 0, answer.err
    assert (tmp_path / "pets-model.yaml").exists()
