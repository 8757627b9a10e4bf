"""The store: staged files, commits that happen once, publication that can be repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

import pytest

from synthgen.dataset.layout import MANIFEST, commit_path, data_path, index_path
from synthgen.dataset.local import LocalStorage
from synthgen.dataset.records import Commit, ShardFile
from synthgen.dataset.store import Store, Whereabouts
from synthgen.errors import StoreError


def store_of(root: Path) -> Store:
    """What a driver has after a takeover: its lease is the last one, whoever else may still be writing."""
    storage = LocalStorage(root)
    storage.create()
    with storage.lease() as held:
        (root / ".synthgen" / "staging" / held.held.id / "kept").write_bytes(b"")  # else it goes with the lease
    (root / ".synthgen" / "staging" / held.held.id / "kept").unlink()
    return Store(held)


def staged(store: Store, content: bytes = b"abc", shard: int = 0) -> Commit:
    """The record of a shard with one sample: a staged data file and a staged index."""
    entries: list[ShardFile] = []
    for place, kind, split in ((data_path("train", shard, "tar"), "tar", "train"), (index_path(shard), "index", "")):
        with store.stage(place, kind, split, 1) as file:
            file.write(content)
        assert file.entry is not None
        entries.append(file.entry)
    return Commit("d" * 64, shard, 1, 1, 1, {}, {}, [], "env", entries)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_nothing_is_visible_before_the_commit(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    record = staged(store)
    assert store.committed() == []
    assert not (tmp_path / "data").exists()
    assert store.commit(record)
    assert store.publish(record) == []
    assert store.publish(record) == []
    assert (tmp_path / record.files[0].path).read_bytes() == b"abc"
    assert store.committed() == [0]
    assert store.sound_commit(0) == record
    assert not files(tmp_path / store.staging)


class Watched(LocalStorage):
    """A folder in which something happens at the n-th look at a file: what another process does."""

    def __init__(self, root: Path, at: int, happens: Callable[[], object]) -> None:
        super().__init__(root)
        self.left, self.happens = at, happens

    def look(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.happens()

    def size(self, name: str) -> int:
        self.look()
        return super().size(name)

    def reader(self, name: str) -> BufferedReader:
        self.look()
        return super().reader(name)


@pytest.mark.parametrize("at", range(1, 4))
@pytest.mark.parametrize("before", [b"", b"of an earlier record"])
def test_a_file_is_found_whenever_it_is_published(tmp_path: Path, at: int, before: bytes) -> None:
    source, target = tmp_path / "staged", tmp_path / "final"
    source.write_bytes(b"content")
    if before:
        target.write_bytes(before)
    storage = Watched(tmp_path, at, lambda: source.replace(target))
    with Whereabouts(("staged", "final")).reader(storage) as file:
        assert file.read() == b"content"


def test_what_is_nowhere_is_missing(tmp_path: Path) -> None:
    for where in (Whereabouts(("final",)), Whereabouts(("staged", "final")), Whereabouts(("final",), "kept")):
        with pytest.raises(FileNotFoundError):
            where.reader(LocalStorage(tmp_path))


@pytest.mark.parametrize("at", range(1, 4))
def test_what_is_kept_is_read_whenever_another_takes_its_name(tmp_path: Path, at: int) -> None:
    (tmp_path / "final").write_bytes(b"content")
    (tmp_path / "later").write_bytes(b"of a later record")

    def replaced() -> None:
        (tmp_path / "kept").write_bytes(b"content")
        (tmp_path / "later").replace(tmp_path / "final")

    with Whereabouts(("final",), "kept").reader(Watched(tmp_path, at, replaced)) as file:
        assert file.read() == b"content"


def test_the_second_worker_loses_and_leaves_nothing(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    first, second = staged(store, b"first"), staged(store, b"second")
    assert store.commit(first)
    assert not store.commit(second)
    assert store.publish(first) == []
    assert (tmp_path / first.files[0].path).read_bytes() == b"first"
    assert not files(tmp_path / store.staging)


def test_a_record_is_replaced_only_if_it_is_the_one_that_was_seen(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    old, new, late = (staged(store, content) for content in (b"old", b"new", b"late"))
    assert store.commit(old)
    assert store.commit(new, replaces=old)
    assert not store.commit(late, replaces=old)
    assert store.sound_commit(0) == new


def test_a_failed_block_stages_nothing(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    with pytest.raises(RuntimeError), store.stage("data/train/x.tar", "tar", "train", 1) as file:
        file.write(b"half")
        raise RuntimeError
    assert not files(tmp_path / store.staging)


def test_committed_files_survive_the_death_of_their_run(tmp_path: Path) -> None:
    """Committed and not yet published: the next driver publishes them; what was only staged is collected."""
    store = store_of(tmp_path)
    record, _ = staged(store), staged(store, shard=1)
    store.commit(record)
    following = store_of(tmp_path)
    assert following.publish(record) == []
    assert following.collect_orphans() == 2
    assert (tmp_path / record.files[0].path).read_bytes() == b"abc"
    assert list((tmp_path / ".synthgen" / "staging").iterdir()) == [tmp_path / following.staging]


def test_a_run_that_was_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    sleeper = store_of(tmp_path)
    record = staged(sleeper)
    store_of(tmp_path).collect_orphans()
    for work in (
        lambda: sleeper.commit(record),
        lambda: staged(sleeper),
        lambda: sleeper.write(MANIFEST, b"{}"),
        lambda: sleeper.put(MANIFEST, b"{}"),
        lambda: sleeper.log("log/runs.jsonl", "{}"),
        lambda: sleeper.set_aside(record.files[0].path),
        lambda: sleeper.publish(record),
    ):
        with pytest.raises(StoreError, match="another synthgen has taken over"):
            work()
    assert sleeper.committed() == []
    assert not (tmp_path / "manifest.json").exists()


def test_missing_and_cut_files_are_reported(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    record = staged(store)
    store.commit(record)
    store.publish(record)
    (tmp_path / record.files[0].path).write_bytes(b"ab")
    assert store.publish(record) == [record.files[0].path]
    (tmp_path / record.files[0].path).unlink()
    assert store.publish(record) == [record.files[0].path]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b'{"format": 1, "files": []}', b"\xff"])
def test_unreadable_records_count_as_none(tmp_path: Path, raw: bytes) -> None:
    store = store_of(tmp_path)
    (tmp_path / commit_path(3)).write_bytes(raw)
    assert store.sound_commit(3) is None


def test_records_of_a_newer_version_are_never_touched(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    (tmp_path / commit_path(3)).write_text(json.dumps({"format": 99, "files": []}))
    with pytest.raises(StoreError, match="newer synthgen"):
        store.sound_commit(3)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError, match="name another folder with -o"):
        LocalStorage(tmp_path / "out").create()


def test_other_files_among_the_commits_are_ignored(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    for name in ("shard-x.json", "shard-1.json.bak", ".nfs00", "shard-00004.json"):
        (tmp_path / "commits" / name).write_text("")
    assert store.committed() == [4]
