"""What `plan` says of the machine: its GPU, and what must be downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

import helpers
from synthgen.cli import plan_machine

FOUNDATION = helpers.ROOT / "recipes" / "foundation"
COMMIT = "665f8e2ad61cf5f53d65644ff27c8ee525124610"
COMMAND = "synthgen run"
ASKED = "24 GB are asked for (`gpu_memory_gb`, an estimate)"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def lines(out: str, row: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith(row)]


@pytest.mark.parametrize("path", sorted(FOUNDATION.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_model_of_a_hub_is_named_as_a_download(cli, cache: Path, path: Path) -> None:
    answer = cli("plan", path)
    assert answer.code == 0, answer.err
    wanted = {word.strip('"') for word in path.read_text().split() if plan_machine.HUB_NAME.fullmatch(word)}
    assert wanted
    told = lines(answer.out, "download")
    assert len(told) == len(wanted)
    for name in wanted:
        place, _, commit = name.partition("@")
        assert any(line.startswith(f"{place}, commit {commit[:16]}: not in this machine's cache") for line in told)
    assert len(lines(answer.out, "gpu")) == 1


def test_what_the_cache_holds_is_not_downloaded(cli, cache: Path) -> None:
    snapshot = cache / "models--facebook--sam2.1-hiera-large" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    blob = cache / "blob"
    blob.write_bytes(bytes(5000))
    (snapshot / "model.safetensors").symlink_to(blob)
    facts = json.loads(cli("plan", FOUNDATION / "segmentation.yaml", "--json").out)["machine"]
    by_model = {each["model"]: each["cached_bytes"] for each in facts["downloads"]}
    assert by_model.pop("facebook/sam2.1-hiera-large") == 5000
    assert set(by_model.values()) == {None} and len(by_model) == 2
    assert facts["gpu_memory_gb"] == 24
    assert any("5.0 kB are in this machine's cache" in text for row, text in plan_machine.rows(facts, COMMAND))


@pytest.mark.parametrize(
    ("here", "needed", "text"),
    [
        (
            [],
            24.0,
            f"none on this machine, and {ASKED}: `{COMMAND}` would",
        ),
        ([], 0.0, "none on this machine, so `synthgen run` would use the CPU"),
        ([("L4", 23.6)], 24.0, f"L4 with 23.6 GB; {ASKED}"),
        (
            [("T4", 15.8)],
            24.0,
            f"T4 with 15.8 GB; {ASKED}: `{COMMAND}` would",
        ),
    ],
)
def test_gpus(here: list[tuple[str, float]], needed: float, text: str) -> None:
    facts: dict[str, Any] = {"gpu_memory_gb": needed, "downloads": []}
    facts["gpus"] = [{"name": name, "memory_gb": memory} for name, memory in here]
    downloads = [{"model": "a/b", "revision": COMMIT, "cached_bytes": 1}]
    told = dict(plan_machine.rows(facts | {"downloads": downloads}, COMMAND))["gpu"]
    assert told.startswith(text)
    assert (" refuse" in told) == (" would" in text and needed > 0)


def test_a_recipe_with_a_starter_needs_neither(cli) -> None:
    out = cli("plan", helpers.ROOT / "recipes" / "classification.yaml").out
    assert not lines(out, "gpu") and not lines(out, "download")


def test_the_plan_of_a_model_shows_its_training(cli) -> None:
    out = cli("plan", helpers.ROOT / "recipes" / "train" / "classification.yaml").out
    [line] = lines(out, "training")
    assert line.startswith("3000 steps of 64, a checkpoint every 500; about ")
    assert " on this machine as busy as it is now (" in line and line.endswith(" of memory")
