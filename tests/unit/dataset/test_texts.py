"""Datasets of texts: generated, verified and loaded, in every kind of file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import helpers
import synthgen
from text_samples import FIELDS, SLOTS, sample

PLUGIN = str(helpers.ROOT / "tests" / "text_plugin.py")


@pytest.mark.parametrize("writer", ["jsonl", "parquet", "webdataset"])
def test_what_is_loaded_is_what_was_generated(cli, tmp_path: Path, writer: str) -> None:
    recipe = helpers.toy(
        samples=18,
        condition={"use": "classes", "quotas": {"one": 1}},
        sampler={"use": "phrases"},
        labelers=[],
        scorers=[],
        keep=[],
        output={"writers": [writer]},
    )
    out = helpers.run(helpers.write(tmp_path, recipe), tmp_path / "out", plugin_files=[PLUGIN]).out
    answer = cli("verify", out)
    assert answer.code == 0, answer.out
    dataset = synthgen.load(out)
    for i in range(len(dataset)):
        loaded = dataset[i]
        assert {name: loaded[name] for name in FIELDS} == sample(int(loaded["key"][1:]))
    batch = synthgen.collate([dataset[0], dataset[1]])
    assert batch["chat"] == [dataset[0]["chat"], dataset[1]["chat"]] and batch["intent"].shape == (2,)
    assert (dataset.classes, dataset.objects) == (("book", "cancel"), SLOTS)
    streamed = {each["key"]: {name: each[name] for name in FIELDS} for each in synthgen.load(out, streaming=True)}
    assert streamed == {f"s{i:09d}": sample(i) for i in range(18)}


def test_a_changed_text_is_found(cli, tmp_path: Path) -> None:
    changes = {"condition": {"use": "classes", "quotas": {"one": 1}}, "sampler": {"use": "phrases"}}
    recipe = helpers.toy(**changes, samples=10, labelers=[], scorers=[], keep=[], output={"writers": ["jsonl"]})
    out = helpers.run(helpers.write(tmp_path, recipe), tmp_path / "out", plugin_files=[PLUGIN]).out
    path = next((out / "jsonl").rglob("*.jsonl"))
    lines = path.read_text("utf-8").split("\n")
    changed = json.loads(lines[0]) | {"utterance": "Something else"}
    path.write_text("\n".join([json.dumps(changed), *lines[1:]]), encoding="utf-8")
    answer = cli("verify", out)
    assert answer.code == 1 and path.name in answer.out + answer.err
