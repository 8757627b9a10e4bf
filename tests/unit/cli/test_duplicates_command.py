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


TEXTS = '''
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from synthgen.fields import Chat, Number, Text, Translation

WORDS = "amber birch cedar delta ember fjord glade heron inlet jolly kayak lemon maple north ocean".split()
ORIGINAL = {7: 2, 21: 2, 30: 12}


class Sayings:
    """Sentences of their own; some repeat an earlier one in capitals, with a word more at the end."""

    version: ClassVar[int] = 1
    sources = ()

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config):
        pair = Translation(("en", "de"))
        self.fields = {"title": Text(), "pair": pair, "chat": Chat(), "log_likelihood": Number()}

    def identity(self):
        return {}

    def bind(self, condition):
        return []

    def setup(self, device):
        pass

    def sample(self, slots, seeds):
        indices = [slot.index for slot in slots]
        said = [self.said(index) for index in indices]
        return {
            "title": ["A title"] * len(slots),
            "pair": [{"en": text, "de": text[::-1]} for text in said],
            "chat": [[{"role": "user", "content": f"{i} {i * i} {i ** 3 + 7} {i ** 4}"}] for i in indices],
            "log_likelihood": [-1.0] * len(slots),
        }

    def said(self, index):
        if index in ORIGINAL:
            return self.said(ORIGINAL[index]).upper() + ("  too" if index > 10 else "")
        return " ".join(WORDS[(index * k + k * k + index // 7) % 15] + str(index) for k in range(1, 9))


SYNTHGEN_PLUGINS = {"samplers": {"sayings": Sayings}}
'''


@pytest.fixture(scope="module")
def said_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sayings")
    (folder / "sayings.py").write_text(TEXTS)
    changes = {"sampler": {"use": "sayings"}, "scorers": [], "keep": [], "output": {"writers": ["jsonl"]}}
    recipe = helpers.write(folder, helpers.toy(**changes))
    plugins = [helpers.TOY, str(folder / "sayings.py")]
    assert helpers.in_fork(lambda: helpers.run(recipe, folder / "out", plugin_files=plugins)) == 0
    return folder / "out"


@pytest.fixture
def sayings(said_once: Path, tmp_path: Path) -> Path:
    """A dataset of 40 translations with three that repeat others, in two groups."""
    return Path(shutil.copytree(said_once, tmp_path / "sayings"))


def brute_force(folder: Path, field: str, least: float) -> set[str]:
    """The keys that are left out where every pair of samples is compared."""

    def grams(sample: dict[str, Any]) -> set[str]:
        text = " ".join("\n".join(sample[field].values()).lower().split())
        return {text[i : i + 4] for i in range(len(text) - 3)}

    samples = sorted(synthgen.load(folder), key=lambda sample: sample["key"])
    group = {sample["key"]: sample["key"] for sample in samples}
    for i, first in enumerate(samples):
        for second in samples[i + 1 :]:
            a, b = grams(first), grams(second)
            if len(a & b) / len(a | b) >= least:
                old, new = group[second["key"]], group[first["key"]]
                group = {key: min(old, new) if name in (old, new) else name for key, name in group.items()}
    return {key for key, name in group.items() if key != name}


def test_texts_that_repeat_others_are_left_out(cli, sayings: Path) -> None:
    answer = cli("duplicates", sayings, "--field", "pair")
    assert answer.code == 0
    for line in ("compared  40 texts", "copies    3 in 2 groups, with a similarity of 0.8 or more", "kept      37"):
        assert line in answer.out
    assert "3 alike: s000000002, s000000007, s000000021" in answer.out
    unique = keys(synthgen.load(sayings, selection="unique"))
    assert set(keys(synthgen.load(sayings))) - set(unique) == {f"s{i:09d}" for i in (7, 21, 30)}


@pytest.mark.parametrize("least", [0.1, 0.3, 0.5, 0.9, 1.0])
def test_they_are_those_of_comparing_every_pair(cli, sayings: Path, least: float) -> None:
    facts = json.loads(cli("duplicates", sayings, "--json", "--field", "pair", "--min-similarity", least).out)
    written = json.loads(Path(facts["selection"]).read_text())
    left_out = {key for shard in written["left_out"].values() for key in shard}
    assert left_out == brute_force(sayings, "pair", least) and facts["left_out"] == len(left_out)
    assert written["how"] == {"by": "character n-grams", "field": "pair", "min_similarity": least}


def test_all_texts_of_a_sample_are_compared_together(cli, sayings: Path) -> None:
    facts = json.loads(cli("duplicates", sayings, "--json").out)
    assert facts["left_out"] <= 3
    assert json.loads(Path(facts["selection"]).read_text())["how"]["fields"] == ["title", "pair", "chat"]
    assert json.loads(cli("duplicates", sayings, "--json", "--field", "title").out)["left_out"] == 39
    assert json.loads(cli("duplicates", sayings, "--json", "--field", "chat").out)["left_out"] == 0


def test_options_of_the_other_kind_are_refused(cli, sayings: Path, repeats: Path) -> None:
    answer = cli("duplicates", sayings, "--max-bits", 3)
    assert answer.code == 2 and "--max-bits is for images; texts are compared by --min-similarity" in answer.err
    answer = cli("duplicates", repeats, "--min-similarity", 0.5)
    assert answer.code == 2 and "--min-similarity is for texts" in answer.err
    assert cli("duplicates", sayings, "--min-similarity", 0).code == 2
    answer = cli("duplicates", sayings, "--field", "log_likelihood")
    assert answer.code == 2 and "accepted: title, pair, chat" in answer.err
