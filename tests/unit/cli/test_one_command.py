"""`synthgen run`, `plan` and `preview` of a recipe that trains its own model: the one that ships, on a small table."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import helpers
import series_files

RECIPE = helpers.ROOT / "recipes" / "timeseries-from-csv.yaml"


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A folder with `my.csv` of 150 rows, which this process is in; the recipe and overrides for a tiny size."""
    rows = [f"{math.sin(t / 4):.4f},{math.cos(t / 9):.4f}" for t in range(150)]
    series_files.csv(tmp_path / "my.csv", "\n".join(["level,flow", *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    small = ["train.steps=2", "train.batch_size=4", "train.checkpoint_every=2", "evaluate.effort=0.001"]
    return [RECIPE, "--samples", 20, *(word for text in small for word in ("--set", text))]


def test_the_recipe_runs_as_it_is_on_the_table_beside_it(cli, words: list[object], tmp_path: Path) -> None:
    before = json.loads(cli("plan", *words, "--json").out)
    assert before["train"]["trained"] is False and before["train"]["steps"] == 2
    assert before["samples"] == 20 and before["digest"] is None
    assert before["train"]["cost"]["step_s"] > 0 and before["train"]["cost"]["bytes"] > 1e8
    said = cli("plan", *words).out
    assert "will be trained first" in said and "on this machine" in said and "a step), and " in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my.csv"], "a plan writes nothing"
    answer = cli("run", *words, "--json", "--executor", "local", "--workers", 1, "--device", "cpu")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["samples"] == 20 and told["trained_model"] == before["train"]["folder"]
    assert told["evaluation"]["metrics"]["n_synthetic"] == 20
    after = json.loads(cli("plan", *words, "--json").out)
    assert after["train"]["trained"] is True and after["digest"] == told["digest"]
    again = cli("run", *words, "--executor", "local", "--workers", 1, "--device", "cpu")
    assert "is trained already" in again.err and "already finished" in again.out
    assert "nearest real window" in again.out and "reports/evaluation.json" in again.out
    shown = cli("preview", *words[:1], *words[3:], "--samples", 4, "--device", "cpu")
    assert shown.code == 0 and (tmp_path / "my-series-preview.png").stat().st_size > 5000


def test_a_table_that_is_not_there(cli, words: list[object], tmp_path: Path) -> None:
    answer = cli("run", *words, "--set", "data.path=mine.csv")
    assert answer.code == 2
    assert "--set data.path: data.path: mine.csv" in answer.err and "no such file" in answer.err


def test_a_table_that_is_too_short(cli, words: list[object], tmp_path: Path) -> None:
    series_files.csv(tmp_path / "my.csv", "level\n" + "1\n2\n" * 10)
    answer = cli("plan", *words)
    assert answer.code == 2 and "has 20 steps; a window has 24" in answer.err
    series_files.csv(tmp_path / "my.csv", "level\n" + "1\n2\n" * 15)
    assert "no windows of 24 steps for `validation`; use a smaller `length`" in cli("plan", *words).err


def test_texts_that_are_not_there_are_missed_under_their_own_key(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = cli("plan", helpers.ROOT / "recipes" / "text-from-table.yaml")
    assert answer.code == 2 and "data.texts: my.tsv: no such file or folder" in answer.err
