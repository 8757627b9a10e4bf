"""`synthgen duplicates`, and loading without what it found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import helpers
import synthgen
from synthgen.errors import StoreError, UsageError

PLUGIN = '''
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict
from PIL import Image as Pillow

from synthgen.fields import Image

ORIGINAL = {3: 1, 17: 1, 22: 8, 29: 17, 38: 30}


class Repeats:
    """Soft coloured spots; some samples repeat an earlier one, but for a grey level here and there."""

    version: ClassVar[int] = 1
    sources = ()

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config):
        self.fields = {"image": Image(32, 32, 3)}

    def identity(self):
        return {}

    def bind(self, condition):
        return []

    def setup(self, device):
        pass

    def sample(self, slots, seeds):
        return {"image": [self.picture(slot.index) for slot in slots]}

    def picture(self, index):
        if index in ORIGINAL:
            noise = np.random.default_rng(index).integers(-2, 3, (32, 32, 3))
            return (self.picture(ORIGINAL[index]) + noise).clip(0, 255).astype(np.uint8)
        coarse = np.random.default_rng(index).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        return np.array(Pillow.fromarray(coarse).resize((32, 32), Pillow.Resampling.BICUBIC))


SYNTHGEN_PLUGINS = {"samplers": {"repeats": Repeats}}
'''
COPIES = [f"s{i:09d}" for i in (3, 17, 22, 29, 38)]


def rendered(folder: Path, name: str, **changes: Any) -> Path:
    (folder / "repeats.py").write_text(PLUGIN)
    recipe = helpers.write(folder, helpers.toy(sampler={"use": "repeats"}, scorers=[], keep=[], **changes))
    helpers.run(recipe, folder / name, plugin_files=[helpers.TOY, str(folder / "repeats.py")])
    return folder / name


@pytest.fixture(scope="module", params=["webdataset", "parquet"])
def once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repeats")
    out = folder / "out"
    assert helpers.in_fork(lambda: rendered(folder, "out", output={"writers": [request.param]})) == 0
    return out


@pytest.fixture
def repeats(once: Path, tmp_path: Path) -> Path:
    """A dataset of 40 images with five copies: three of a kind in two shards, and two pairs."""
    return Path(shutil.copytree(once, tmp_path / "out"))


def keys(samples: Any) -> list[str]:
    return [sample["key"] for sample in samples]


def test_the_selection_leaves_out_exactly_the_copies(cli, repeats: Path) -> None:
    before = helpers.snapshot(repeats)
    answer = cli("duplicates", repeats)
    assert answer.code == 0
    for line in ("compared  40 images", "copies    5 in 3 groups", "kept      35", 'selection="unique"'):
        assert line in answer.out
    assert "4 alike: s000000001, s000000003, s000000017, s000000029" in answer.out
    assert helpers.snapshot(repeats, without="selections") == before, "data files are never rewritten"
    everything, unique = synthgen.load(repeats), synthgen.load(repeats, selection="unique")
    assert len(everything) == 40 and len(unique) == 35
    assert keys(unique) == [key for key in keys(everything) if key not in COPIES]


def test_every_way_of_reading_leaves_them_out(cli, repeats: Path) -> None:
    cli("duplicates", repeats)
    everything = {sample["key"]: sample for sample in synthgen.load(repeats)}
    dataset = synthgen.load(repeats, selection="unique")
    by_number, from_the_end = ([dataset[i] for i in range(start, start + 35)] for start in (0, -35))
    for sample, *others in zip(dataset, by_number, from_the_end, strict=True):
        for other in (*others, everything[sample["key"]]):
            assert other["key"] == sample["key"] and np.array_equal(other["image"], sample["image"])
    with pytest.raises(IndexError):
        dataset[35]
    parts = [synthgen.load(repeats, split=split, selection="unique") for split in ("train", "val")]
    assert sorted(keys(parts[0]) + keys(parts[1])) == sorted(keys(dataset))
    for seed in (None, 4):
        ranks = [
            synthgen.load(repeats, streaming=True, selection="unique", seed=seed, shard=(rank, 3)) for rank in range(3)
        ]
        assert sum(len(stream) for stream in ranks) == 35
        assert sorted(key for stream in ranks for key in keys(stream)) == sorted(keys(dataset))


def test_other_commands_do_not_trip_over_the_folder(cli, repeats: Path, tmp_path: Path) -> None:
    cli("duplicates", repeats)
    assert cli("verify", repeats).code == 0
    assert cli("status", repeats).code == 0
    assert cli("export", repeats, "--to", "imagefolder", "-o", tmp_path / "exported").code == 0


def test_facts_as_json_and_the_number_of_bits(cli, repeats: Path) -> None:
    facts = json.loads(cli("duplicates", repeats, "--json").out)
    assert facts["kept"] == 35 and facts["left_out"] == 5 and facts["groups"] == 3
    assert facts["largest"][0] == ["s000000001", "s000000003", "s000000017", "s000000029"]
    written = json.loads(Path(facts["selection"]).read_text())
    assert written["digest"] == helpers.manifest(repeats)["digest"]
    assert written["left_out"]["1"] == {"s000000017": "s000000001"}
    assert written["left_out"]["2"] == {"s000000022": "s000000008", "s000000029": "s000000001"}
    assert json.loads(cli("duplicates", repeats, "--json", "--max-bits", 16).out)["left_out"] >= 5
    assert cli("duplicates", repeats, "--max-bits", 17).code == 2


def test_a_selection_of_another_dataset_is_refused(cli, repeats: Path, finished: Path) -> None:
    cli("duplicates", repeats)
    path = repeats / "selections" / "unique.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"digest": helpers.manifest(finished)["digest"]}))
    with pytest.raises(
        StoreError, match=r"belongs to another dataset .* `synthgen duplicates .*` writes `unique` again"
    ):
        synthgen.load(repeats, selection="unique")
    path.write_text(json.dumps(content | {"format": 2}))
    with pytest.raises(StoreError, match="has the format 2, and this synthgen reads 1"):
        synthgen.load(repeats, selection="unique")
    path.write_text("{")
    with pytest.raises(StoreError, match="cannot be read as a selection"):
        synthgen.load(repeats, selection="unique")


def test_a_dataset_that_grew_needs_a_new_selection(cli, tmp_path: Path) -> None:
    out = rendered(tmp_path, "out", samples=20)
    assert json.loads(cli("duplicates", out, "--json").out)["left_out"] == 2
    rendered(tmp_path, "out", samples=40)
    with pytest.raises(StoreError, match="was made before the dataset grew"):
        synthgen.load(out, selection="unique")
    assert json.loads(cli("duplicates", out, "--json").out)["left_out"] == 5
    assert len(synthgen.load(out, selection="unique")) == 35


def test_what_is_not_there_is_told(cli, repeats: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no selection `unique`; there are: none; `synthgen duplicates"):
        synthgen.load(repeats, selection="unique")
    with pytest.raises(UsageError, match="is no name of a selection"):
        synthgen.load(repeats, selection="../manifest")
    answer = cli("duplicates", repeats, "--field", "imag")
    assert answer.code == 2 and "did you mean `image`?" in answer.err
    assert cli("duplicates", tmp_path).code == 2


def test_an_unfinished_dataset_only_if_asked_for(cli, repeats: Path) -> None:
    (repeats / "manifest.json").unlink()
    answer = cli("duplicates", repeats)
    assert answer.code == 1 and "was never sealed" in answer.err
    assert cli("duplicates", repeats, "--allow-incomplete").code == 0
    assert len(synthgen.load(repeats, allow_incomplete=True, selection="unique")) == 35


def test_no_copies(cli, finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    answer = cli("duplicates", out, "--max-bits", 0)
    assert answer.code == 0 and "copies    none within 0 bits" in answer.out
    assert keys(synthgen.load(out, selection="unique")) == keys(synthgen.load(out))
