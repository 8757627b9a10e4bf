"""Every kind of damage: `verify` finds it, the next run mends it to the same bytes, and `verify` is content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import helpers
import synthgen
from synthgen.dataset.records import Commit
from synthgen.dataset.verify import Report, verify
from synthgen.errors import StoreError, SynthgenError

DEEP = b'{"a":' * 100_000
Harm = Callable[[Path], object]


def record(out: Path, shard: int) -> Path:
    return out / "commits" / f"shard-{shard:05d}.json"


def change(path: Path, **values: Any) -> None:
    """Changes keys of a record or of the manifest, with a valid hash."""
    content = json.loads(path.read_bytes()) | values
    del content["sha256"]
    text = json.dumps(content, indent=1).removesuffix("\n}").encode()
    path.write_bytes(helpers.signed(text + b',\n "sha256": '))


def forge(out: Path, shard: int, name: str, content: bytes) -> None:
    """Puts a file into a shard with the size and hash in its record that it has."""
    path = record(out, shard)
    old = Commit.from_json(path.read_bytes(), shard)
    (out / name).write_bytes(content)
    now = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files = [dataclasses.replace(file, **now) if file.path == name else file for file in old.files]
    path.write_bytes(dataclasses.replace(old, files=files).to_json())


def swap(a: Path, b: Path) -> None:
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)


def folder_instead(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def link_instead(out: Path, path: Path) -> None:
    target = out.parent / "elsewhere"
    os.replace(path, target)
    path.symlink_to(target)


def flip_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


def lose_a_row(out: Path) -> None:
    """An index without its last try, and a record that has the hash of it."""
    name = "index/shard-00001.parquet"
    table = pq.read_table(out / name)
    pq.write_table(table.slice(0, len(table) - 1), out / "short")
    forge(out, 1, name, (out / "short").read_bytes())
    (out / "short").unlink()


def other_members(out: Path) -> None:
    """A tar file whose members are others than the index says, and a record that has the hash of it."""
    name = "data/train/shard-00002.tar"
    raw = (out / name).read_bytes()
    forge(out, 2, name, raw.replace(b"s000000020", b"s000000120"))


def swap_text(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def beyond(out: Path) -> None:
    """A valid record of this dataset, and its files, of a shard that nobody asked for."""
    old = Commit.from_json(record(out, 3).read_bytes(), 3)
    files = [dataclasses.replace(f, path=f.path.replace("00003", "00099")) for f in old.files]
    for before, after in zip(old.files, files, strict=True):
        shutil.copy(out / before.path, out / after.path)
    record(out, 99).write_bytes(dataclasses.replace(old, shard=99, files=files).to_json())


def foreign_manifest(out: Path) -> None:
    other = helpers.write(out.parent, helpers.toy(seed=8, samples=4), "other.yaml")
    helpers.run(other, out.parent / "other")
    shutil.copy(out.parent / "other" / "manifest.json", out / "manifest.json")


HARMS: dict[str, Harm] = {
    "record: empty": lambda out: record(out, 1).write_bytes(b""),
    "record: cut": lambda out: record(out, 1).write_bytes(record(out, 1).read_bytes()[:300]),
    "record: one byte": lambda out: flip_byte(record(out, 1)),
    "record: deep": lambda out: record(out, 1).write_bytes(DEEP),
    "record: a list": lambda out: record(out, 1).write_bytes(b"[]"),
    "record: a folder": lambda out: folder_instead(record(out, 1)),
    "record: a link": lambda out: link_instead(out, record(out, 1)),
    "record: swapped with another": lambda out: swap(record(out, 1), record(out, 2)),
    "record: another shard's": lambda out: change(record(out, 1), shard=2),
    "record: no files": lambda out: change(record(out, 1), files=[]),
    "record: wrong types": lambda out: change(record(out, 1), accepted="10"),
    "record: other counts": lambda out: change(record(out, 1), accepted=9, n_slots=9),
    "record: of another dataset": lambda out: change(record(out, 1), digest="0" * 64),
    "record: of a shard that is not there": lambda out: shutil.copy(record(out, 3), record(out, 99)),
    "record: of a shard beyond the end": beyond,
    "record: gone": lambda out: record(out, 1).unlink(),
    "data: same size, other bytes": lambda out: flip_byte(out / "data/train/shard-00001.tar"),
    "data: cut": lambda out: os.truncate(out / "data/train/shard-00001.tar", 700),
    "data: gone": lambda out: (out / "parquet/train/shard-00001.parquet").unlink(),
    "data: a folder": lambda out: folder_instead(out / "data/train/shard-00001.tar"),
    "data: a link": lambda out: link_instead(out, out / "data/train/shard-00001.tar"),
    "data: unlike the index": other_members,
    "data: a stray file": lambda out: (out / "data/train/shard-00077.tar").write_bytes(b"x"),
    "index: damaged": lambda out: flip_byte(out / "index/shard-00001.parquet"),
    "index: fewer rows than the record": lose_a_row,
    "manifest: cut": lambda out: os.truncate(out / "manifest.json", 700),
    "manifest: deep": lambda out: (out / "manifest.json").write_bytes(DEEP),
    "manifest: a folder": lambda out: folder_instead(out / "manifest.json"),
    "manifest: other sums": lambda out: change(out / "manifest.json", tries=1),
    "manifest: of another dataset": foreign_manifest,
    "identity: cut": lambda out: os.truncate(out / ".synthgen/identity.json", 70),
    "identity: a folder": lambda out: folder_instead(out / ".synthgen/identity.json"),
    "identity: another seed": lambda out: swap_text(out / ".synthgen/identity.json", '"seed":7', '"seed":8'),
    "card: edited": lambda out: swap_text(out / "README.md", "synthgen", "somebody"),
    "card: a folder": lambda out: folder_instead(out / "README.md"),
    "recipe: edited": lambda out: swap_text(out / "recipe.yaml", "seed: 7", "seed: 8"),
    "recipe: gone": lambda out: (out / "recipe.yaml").unlink(),
    "croissant: gone": lambda out: (out / "croissant.json").unlink(),
}


def found(report: Report) -> bool:
    return bool(report.damaged or report.unexpected or report.manifest or report.papers)


@pytest.mark.parametrize("name", HARMS)
def test_found_mended_and_content(name: str, finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    recipe = helpers.write(tmp_path, helpers.toy())
    before = helpers.snapshot(out)
    HARMS[name](out)
    report = verify(out)
    assert found(report) and not report.ok
    assert helpers.run(recipe, out).complete
    assert helpers.snapshot(out) == before
    again = verify(out)
    assert again.ok, again
    assert len(synthgen.load(out)) == 40


@pytest.mark.parametrize(
    "name", [name for name in HARMS if not name.startswith(("data: unlike", "data: same", "data: a"))]
)
def test_a_run_alone_mends_what_it_can_see(name: str, finished: Path, tmp_path: Path) -> None:
    """Without `verify`: the run mends the damage, or says that `verify` does."""
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    recipe = helpers.write(tmp_path, helpers.toy())
    before = helpers.snapshot(out)
    HARMS[name](out)
    try:
        helpers.run(recipe, out)
    except StoreError as error:
        assert "synthgen verify" in str(error)
        verify(out)
        helpers.run(recipe, out)
    if not verify(out).ok:
        helpers.run(recipe, out)
    assert verify(out).ok
    assert helpers.snapshot(out) == before


def test_a_growing_dataset_is_sound(finished: Path, tmp_path: Path) -> None:
    """Records of a larger dataset beside the seal of the smaller one are no damage, also when files were replaced."""
    small = helpers.write(tmp_path, helpers.toy(samples=15), "small.yaml")
    out = tmp_path / "out"
    assert helpers.run(small, out).complete
    broken = helpers.toy(samples=40, sampler={"use": "smooth", "size": 4, "fail_shard_at": 35})
    result = helpers.run(helpers.write(tmp_path, broken, "broken.yaml"), out)
    assert (result.complete, result.sealed, result.manifest["samples"]) == (False, 15, 30)
    report = verify(out)
    assert report.ok and report.growing
    assert len(synthgen.load(out)) == 15
    kept = sorted((out / ".synthgen" / "sealed").iterdir())
    flip_byte(kept[0])
    assert any("is damaged" in text for text in verify(out).manifest)
    assert helpers.run(helpers.write(tmp_path, helpers.toy()), out).complete
    assert helpers.snapshot(out) == helpers.snapshot(finished)
    assert verify(out).ok


@pytest.mark.parametrize("text", [b"", b"{", b"[1]\n", DEEP, b'{"samples": "many"}\n', b"\xff\xfe"])
def test_logs_and_locks_block_nothing(text: bytes, finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    for name in ("log/runs.jsonl", "log/shards.jsonl"):
        (out / name).write_bytes(text)
    lock = out / ".synthgen" / "lock"
    lock.write_bytes(text)
    os.utime(lock, (0, 0))
    assert len(synthgen.load(out)) == 40
    assert verify(out).ok
    assert helpers.run(helpers.write(tmp_path, helpers.toy()), out).complete


def test_folders_in_place_of_logs_and_locks(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    for name in ("log/runs.jsonl", "log/shards.jsonl"):
        folder_instead(out / name)
    (out / ".synthgen" / "lock" / "inside").mkdir(parents=True)
    assert len(synthgen.load(out)) == 40
    record(out, 1).unlink()
    assert helpers.run(helpers.write(tmp_path, helpers.toy()), out).complete
    assert (out / "log" / "runs.jsonl").is_file()


def test_a_damaged_manifest_blocks_nothing_that_the_records_prove(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    os.truncate(out / "manifest.json", 700)
    with pytest.warns(UserWarning, match=r"manifest\.json is no JSON .* `synthgen run` writes it again"):
        assert len(synthgen.load(out)) == 40
    (out / "commits" / "shard-00002.json").unlink()
    with pytest.warns(UserWarning), pytest.raises(StoreError, match=r"has a manifest.json that is no JSON"):
        synthgen.load(out)


@pytest.mark.parametrize(
    "path", ["../../victim", "/etc/victim", "..", "run/../../victim", "a/b/c", "run\\victim", "x\0y"]
)
def test_records_that_reach_outside_are_refused(path: str, finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    victim = tmp_path / "victim"
    victim.write_text("mine")
    content = json.loads(record(out, 1).read_bytes())
    for key in ("staged", "path"):
        files = [content["files"][0] | {key: path}, *content["files"][1:]]
        change(record(out, 1), files=files)
        with pytest.raises(SynthgenError):
            Commit.from_json(record(out, 1).read_bytes(), 1)
        assert helpers.run(helpers.write(tmp_path, helpers.toy()), out).complete
        assert victim.read_text() == "mine"
    entry = helpers.manifest(out)["shards"][0]
    change(out / "manifest.json", shards=[entry | {"files": [entry["files"][0] | {"path": path}]}])
    with pytest.warns(UserWarning, match="manifest.json"):
        assert len(synthgen.load(out)) == 40


def test_linked_folders_are_refused(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    for name in ("data", "data/train", "commits", "index"):
        (out / name).rename(tmp_path / "elsewhere")
        (out / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(StoreError, match=r"is a link.*Put the folder itself in its place"):
            synthgen.load(out)[0]
        with pytest.raises(StoreError, match="is a link"):
            helpers.run(helpers.write(tmp_path, helpers.toy()), out)
        (out / name).unlink()
        (tmp_path / "elsewhere").rename(out / name)
    (tmp_path / "name").symlink_to(out)
    assert len(synthgen.load(tmp_path / "name")) == 40


def test_records_of_format_1_are_read(finished: Path, tmp_path: Path) -> None:
    """They have no hash of themselves; neither has their manifest."""
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    for path in [*(out / "commits").iterdir(), out / "manifest.json"]:
        content = json.loads(path.read_bytes()) | {"format": 1}
        del content["sha256"]
        path.write_text(json.dumps(content))
    assert len(synthgen.load(out)) == 40
    assert verify(out).ok
    result = helpers.run(helpers.write(tmp_path, helpers.toy(samples=45)), out)
    assert (result.complete, result.n_rendered) == (True, 1)
    assert helpers.manifest(out)["format"] == 2
