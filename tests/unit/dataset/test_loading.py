"""Datasets read back: by synthgen itself, in DataLoaders, by webdataset and by HF datasets, with equal pixels."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import helpers
import synthgen
from synthgen.dataset import card
from synthgen.errors import StoreError, UsageError


@pytest.fixture(scope="module")
def both(finished: Path) -> synthgen.Dataset:
    return synthgen.load(finished)


def keys(samples: object) -> list[str]:
    return [sample["key"] for sample in samples]  # type: ignore[attr-defined]


def test_a_sample(finished: Path, both: synthgen.Dataset) -> None:
    sample = both[0]
    assert sample["image"].shape == (4, 4, 3)
    assert sample["image"].dtype == np.uint8
    assert both.classes == ("dark", "bright")
    assert sample["meta"]["condition"] == {"label": both.classes[sample["label"]]}
    assert sample["brightness"] >= 0.3
    assert set(sample) == {"key", "split", "image", "label", "brightness", "meta"}
    assert len(both) == 40
    assert "40 samples" in repr(both)


def test_every_sample_once_and_splits_apart(finished: Path, both: synthgen.Dataset) -> None:
    assert sorted(keys(both)) == [f"s{i:09d}" for i in range(40)]
    train, val = (synthgen.load(finished, split=split) for split in ("train", "val"))
    assert len(train) + len(val) == 40
    assert not set(keys(train)) & set(keys(val))
    assert {sample["split"] for sample in val} == {"val"}


@pytest.mark.parametrize("streaming", [False, True])
def test_a_shard_that_is_published_after_it_was_found_is_read(finished: Path, tmp_path: Path, streaming: bool) -> None:
    """A driver was interrupted between a shard's record and its files' final names, and another goes on meanwhile."""
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    (out / "manifest.json").unlink()
    record = json.loads((out / "commits" / "shard-00001.json").read_bytes())
    moves = [(out / ".synthgen" / "staging" / file["staged"], out / file["path"]) for file in record["files"]]
    for staged, final in moves:
        staged.parent.mkdir(parents=True, exist_ok=True)
        final.replace(staged)
    found = synthgen.load(out, allow_incomplete=True, streaming=streaming)
    for staged, final in moves:
        staged.replace(final)
    assert sorted(keys(found)) == [f"s{i:09d}" for i in range(40)]


def test_random_access_and_iteration_agree(both: synthgen.Dataset) -> None:
    for place, sample in enumerate(both):
        from_the_end = both[place - len(both)]
        assert from_the_end["key"] == both.__getitem__(place)["key"] == sample["key"]
        assert np.array_equal(from_the_end["image"], sample["image"])
    with pytest.raises(IndexError):
        both[40]


def test_parquet_alone_gives_the_same(tmp_path: Path, both: synthgen.Dataset) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(output={"writers": ["parquet"]}))
    helpers.run(recipe, tmp_path / "out")
    other = synthgen.load(tmp_path / "out")
    for i in (0, 17, 39):
        assert np.array_equal(other[i]["image"], both[i]["image"])
        assert {k: v for k, v in other[i].items() if k != "image"} == {k: v for k, v in both[i].items() if k != "image"}
    assert keys(synthgen.load(tmp_path / "out", streaming=True)) == keys(both)


def test_chosen_fields_and_a_transform(finished: Path) -> None:
    dataset = synthgen.load(finished, fields=["image"], transform=lambda image: image.mean())
    assert set(dataset[0]) == {"key", "split", "image", "meta"}
    assert isinstance(dataset[0]["image"], float)


def test_mistakes_get_a_hint(finished: Path, tmp_path: Path) -> None:
    for call, text in (
        (lambda: synthgen.load(finished, split="trian"), "did you mean `train`"),
        (lambda: synthgen.load(finished, fields=["lable"]), "did you mean `label`"),
        (lambda: synthgen.load(tmp_path), "is not a synthgen dataset"),
        (lambda: synthgen.load(tmp_path / "nowhere"), "no such folder"),
        (lambda: synthgen.load(finished, streaming=True, shard=(2, 2)), "0 <= rank < world size"),
    ):
        with pytest.raises(UsageError, match=text):
            call()


def test_a_folder_that_is_still_written_is_refused(finished: Path, tmp_path: Path) -> None:
    import shutil

    out = Path(shutil.copytree(finished, tmp_path / "out"))
    (out / "manifest.json").unlink()
    with pytest.raises(StoreError, match="was never sealed"):
        synthgen.load(out)
    assert len(synthgen.load(out, allow_incomplete=True)) == 40


def test_tries_and_rejects(both: synthgen.Dataset, finished: Path) -> None:
    manifest = helpers.manifest(finished)
    assert both.tries().num_rows == manifest["tries"]
    rejected = both.rejected()
    assert rejected.num_rows == manifest["tries"] - 40
    assert max(rejected["score.brightness"].to_pylist()) < 0.3


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_loader(both: synthgen.Dataset, finished: Path, workers: int) -> None:
    from torch.utils.data import DataLoader

    def collate(samples: list[dict[str, object]]) -> list[str]:
        return keys(samples)

    for dataset in (both, synthgen.load(finished, streaming=True), synthgen.load(finished, streaming=True, seed=1)):
        read = [
            key for batch in DataLoader(dataset, batch_size=7, num_workers=workers, collate_fn=collate) for key in batch
        ]
        assert sorted(read) == sorted(keys(both))


def test_ranks_share_an_epoch(finished: Path) -> None:
    streams = [synthgen.load(finished, streaming=True, seed=3, shard=(rank, 3)) for rank in range(3)]
    assert {len(stream) for stream in streams} <= {13, 14}
    read = [key for stream in streams for key in keys(stream)]
    assert sorted(read) == [f"s{i:09d}" for i in range(40)]


def test_shuffling_is_repeatable_and_changes_with_the_epoch(finished: Path) -> None:
    stream = synthgen.load(finished, streaming=True, seed=5)
    first = keys(stream)
    assert first == keys(stream)
    stream.set_epoch(1)
    assert keys(stream) != first
    assert sorted(keys(stream)) == sorted(first) != first


def test_a_copy_as_for_another_process(both: synthgen.Dataset) -> None:
    both[3]
    assert keys(copy.deepcopy(both))[:3] == keys(both)[:3]


def test_other_packages_read_the_same_pixels(both: synthgen.Dataset, finished: Path, tmp_path: Path) -> None:
    import datasets
    import webdataset

    ours = {sample["key"]: sample for sample in both}
    tars = sorted(str(path) for path in finished.glob("data/*/*.tar"))
    theirs = list(webdataset.WebDataset(tars, shardshuffle=False).decode("rgb8"))
    assert len(theirs) == 40
    for sample in theirs:
        assert np.array_equal(sample["png"], ours[sample["__key__"]]["image"])
        assert sample["cls"] == ours[sample["__key__"]]["label"]
    files = {split: str(finished / "parquet" / split / "*.parquet") for split in ("train", "val")}
    table = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert table["train"].features["label"].names == ["dark", "bright"]
    for split in table.values():
        for sample in split:
            assert np.array_equal(np.asarray(sample["image"]), ours[sample["key"]]["image"])
            assert sample["label"] == ours[sample["key"]]["label"]


def test_pandas_reads_the_whole_folder_of_parquet_files(finished: Path) -> None:
    import pandas

    table = pandas.read_parquet(finished / "parquet")
    assert sorted(table["key"]) == sorted(keys(synthgen.load(finished)))
    assert len(pandas.read_parquet(finished / "parquet" / "val")) == len(synthgen.load(finished, split="val"))


def test_the_card_of_a_dataset_from_before_parquet_had_a_folder_names_both_folders(finished: Path) -> None:
    manifest = helpers.manifest(finished)
    assert card.patterns(manifest, "parquet", "train") == ["parquet/train/*.parquet"]
    manifest["folders"]["parquet"]["train"] = ["data/train", "parquet/train"]
    (split,) = (s for s in card.front_matter(manifest)["configs"][0]["data_files"] if s["split"] == "train")
    assert split["path"] == ["data/train/*.parquet", "parquet/train/*.parquet"]
    assert card.patterns({}, "parquet", "train") == ["data/train/*.parquet"]


@pytest.mark.parametrize("writers", [["webdataset", "parquet"], ["webdataset"]])
def test_the_folder_itself_is_one_that_hf_datasets_opens(tmp_path: Path, writers: list[str]) -> None:
    import datasets

    helpers.run(helpers.write(tmp_path, helpers.toy(output={"writers": writers})), tmp_path / "out")
    read = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in read.items()} == helpers.manifest(tmp_path / "out")["splits"]
    if "parquet" in writers:
        assert read["train"].features["label"].names == ["dark", "bright"]


def test_a_printed_sample_shows_shapes(both: synthgen.Dataset) -> None:
    lines = repr(both[0]).splitlines()
    assert " 'image': uint8 (4, 4, 3)," in lines
    assert len(lines) == len(both[0])
    assert all(len(line) < 250 for line in lines)


def test_batches_have_lists_where_lengths_differ(scenes: Path) -> None:
    import torch
    from torch.utils.data import DataLoader

    dataset = synthgen.load(scenes)
    assert dataset.objects == ("cell", "debris")
    for size, workers in ((1, 0), (4, 0), (4, 1)):
        loader = DataLoader(dataset, batch_size=size, collate_fn=synthgen.collate, num_workers=workers)
        batches = list(loader)
        assert [key for batch in batches for key in batch["key"]] == keys(dataset)
        for batch in batches:
            n = len(batch["key"])
            assert batch["image"].shape == (n, 48, 48, 3) and batch["image"].dtype == torch.uint8
            assert batch["label"].shape == (n,) and batch["label"].dtype == torch.int64
            assert [boxes.shape[1] for boxes in batch["boxes"]] == [5] * n
            assert isinstance(batch["meta"], list)
        counts = [len(boxes) for batch in batches for boxes in batch["boxes"]]
        assert counts == [len(sample["boxes"]) for sample in dataset]


def test_the_card_s_python_runs(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    import pandas

    monkeypatch.chdir(scenes)
    text = (scenes / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    found: dict = {}
    exec("\n".join(blocks), found)
    assert len(found["batch"]["boxes"]) == 8
    (folder,) = re.findall(r'read_parquet\("<this folder>/(.*?)"\)', text)
    assert len(pandas.read_parquet(folder)) == 10


def test_objects_are_counted_by_class(scenes: Path, finished: Path) -> None:
    counted = {"cell": 0, "debris": 0}
    for sample in synthgen.load(scenes):
        for cls in sample["boxes"][:, 4].astype(int):
            counted[("cell", "debris")[cls - 1]] += 1
    assert helpers.manifest(scenes)["objects"] == counted
    assert f"| debris | {counted['debris']} |" in (scenes / "README.md").read_text(encoding="utf-8")
    assert helpers.manifest(finished)["objects"] == {}
    assert synthgen.load(finished).objects == ()
