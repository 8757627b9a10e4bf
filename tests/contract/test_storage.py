"""What every `Storage` promises: a folder, objects in memory, and objects of an S3 server."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

import helpers
import synthgen
from bucket import Server
from synthgen import api
from synthgen.dataset import ledger, object_lease
from synthgen.dataset.layout import COMMITS, LEASE, STAGING, commit_path, data_path, index_path
from synthgen.dataset.loading import Dataset
from synthgen.dataset.local import LocalStorage
from synthgen.dataset.objects import ObjectStorage
from synthgen.dataset.records import Commit, ShardFile
from synthgen.dataset.storage import Storage
from synthgen.dataset.store import Store
from synthgen.dataset.verify import verify
from synthgen.dataset.view import View
from synthgen.errors import StoreError
from synthgen.generate import driver
from synthgen.generate.executors.local import InProcess
from synthgen.generate.executors.worker import Job

KINDS = ["local", "memory", "s3"]


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setattr(object_lease, "STALE_S", 0.3)
    monkeypatch.setattr(object_lease, "HEARTBEAT_S", 600.0)
    made: Storage
    if request.param == "local":
        made = LocalStorage(tmp_path / "out")
    elif request.param == "memory":
        made = ObjectStorage("s3://memory", store=MemoryStore())
    else:
        made = ObjectStorage(request.getfixturevalue("server").place())
    made.create()
    return made


@contextlib.contextmanager
def taken_over(storage: Storage, staged: Callable[[Store], Any]) -> Iterator[tuple[Store, Any]]:
    """A driver that has staged something and sleeps, while the block is the next driver's time."""
    with contextlib.ExitStack() as stack:
        sleeper = Store(stack.enter_context(storage.lease()))
        found = staged(sleeper)
        expire(storage)
        yield sleeper, found


def expire(storage: Storage) -> None:
    """As if the driver had not been heard of for a minute."""
    if isinstance(storage, ObjectStorage):
        of_another_machine = json.loads(storage.read(LEASE) or b"") | {"host": "elsewhere"}
        assert storage.replace(LEASE, json.dumps(of_another_machine).encode(), storage.token(LEASE))
    else:
        storage.delete(".synthgen/lock")


def shard(store: Store, content: bytes = b"abc", number: int = 0) -> Commit:
    """The record of a shard with one sample: a staged data file and a staged index."""
    entries: list[ShardFile] = []
    for path, kind, split in ((data_path("train", number, "tar"), "tar", "train"), (index_path(number), "index", "")):
        with store.stage(path, kind, split, 1) as file:
            file.write(content)
        assert file.entry is not None
        entries.append(file.entry)
    return Commit("d" * 64, number, 1, 1, 1, {}, {}, [], "env", entries, epoch=store.epoch)


def test_nothing_is_there_at_first(storage: Storage) -> None:
    assert storage.read("commits/a") is None and storage.size("commits/a") == -1 and storage.token("commits/a") is None
    assert storage.list("commits") == [] and storage.last_lease() is None and storage.holder() == {}
    with pytest.raises(FileNotFoundError):
        storage.reader("commits/a").read(1)
    storage.delete("commits/a")
    storage.delete("elsewhere/")


def test_of_many_who_put_one_wins(storage: Storage) -> None:
    won: list[int] = []
    barrier = threading.Barrier(8)

    def put(n: int) -> None:
        barrier.wait()
        if storage.put("commits/a", b"%d" % n):
            won.append(n)

    threads = [threading.Thread(target=put, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and storage.read("commits/a") == b"%d" % won[0]
    assert not storage.put("commits/a", b"late") and storage.read("commits/a") == b"%d" % won[0]


def test_only_what_was_seen_is_replaced(storage: Storage) -> None:
    assert storage.replace("new/folder/a", b"one", None)
    assert not storage.replace("new/folder/a", b"two", None)
    seen = storage.token("new/folder/a")
    assert storage.replace("new/folder/a", iter([b"o", b"ne"]), seen)
    assert storage.replace("new/folder/a", iter([b"thr", b"ee"]), storage.token("new/folder/a"))
    assert storage.token("new/folder/a") not in (None, seen)
    assert not storage.replace("new/folder/a", b"two", seen)
    assert storage.read("new/folder/a") == b"three" and storage.list("new/folder") == ["new/folder/a"]


def test_ranges_and_sizes(storage: Storage) -> None:
    storage.put("data/a", bytes(range(100)))
    assert storage.size("data/a") == 100
    with storage.reader("data/a") as file:
        file.seek(90)
        assert file.read(4) == bytes(range(90, 94))
        file.seek(2)
        assert file.read() == bytes(range(2, 100))


def test_lists_are_of_one_level(storage: Storage) -> None:
    for name in ("data/b", "data/a/x", "data/a/y/z", "other"):
        storage.put(name, b"")
    assert storage.list("data") == ["data/a/", "data/b"]
    assert {"data/", "other"} <= set(storage.list(""))
    assert storage.sizes("data") == {"data/a/x": 0, "data/a/y/z": 0, "data/b": 0}
    assert storage.sizes("data/a").keys() == {"data/a/x", "data/a/y/z"} and "other" in storage.sizes("")
    assert storage.size("data/a") == -1
    storage.delete("data/a/")
    assert storage.list("data") == ["data/b"]


def test_staged_files_are_stored_at_the_end_of_the_block(storage: Storage) -> None:
    with storage.lease() as held:
        assert held.held is not None
        folder = f"{STAGING}/{held.held.id}"
        with held.stage(f"{folder}/a") as file:
            file.write(b"abc")
        with pytest.raises(ZeroDivisionError), held.stage(f"{folder}/b") as file:
            file.write(b"abc")
            raise ZeroDivisionError
        assert held.list(folder) == [f"{folder}/a"]
        held.put("data/old", b"old")
        held.copy(f"{folder}/a", "kept/a")
        held.copy("data/old", "kept/a")  # whose name is taken
        assert held.move(f"{folder}/a", "data/old")
        assert not held.move(f"{folder}/a", "data/old")  # which another worker did already
        assert held.read("data/old") == held.read("kept/a") == b"abc" and held.list(folder) == []


def test_logs_grow(storage: Storage) -> None:
    assert storage.read_log("log/x.jsonl") == b""
    for epoch in (1, 2):
        with storage.lease() as held:
            for line in (b"a\n", b"b\n"):
                held.append("log/x.jsonl", line * epoch)
        assert storage.read_log("log/x.jsonl") == b"a\nb\n" + b"a\na\nb\nb\n" * (epoch - 1)


def test_one_driver_at_a_time_and_epochs_that_rise(storage: Storage) -> None:
    epochs = []
    for _ in range(3):
        with storage.lease() as held:
            assert held.held == storage.last_lease() and storage.holder()["pid"]
            with pytest.raises(StoreError, match="is being written by another synthgen"), storage.lease():
                pass
            epochs.append(held.held.epoch if held.held else 0)
        assert storage.holder() == {}
    assert epochs == [1, 2, 3]


def test_what_an_older_driver_commits_is_refused(storage: Storage) -> None:
    """It has staged everything when the next one takes over, and neither knows of the other."""
    with taken_over(storage, lambda store: (shard(store), shard(store, number=1))) as (sleeper, (record, other)):
        with storage.lease() as held:
            following = Store(held)
            assert following.epoch > sleeper.epoch
            refuses(sleeper, record, other)
            assert following.collect_orphans() == 2  # the files of `other`: those of `record` its own driver removed
            assert held.sizes(STAGING) == {}
        refuses(sleeper, record, other)  # also when the next one has ended
        assert Store(storage).committed() == [] and storage.size("manifest.json") == -1


def refuses(sleeper: Store, record: Commit, other: Commit) -> None:
    for write in (
        lambda: sleeper.commit(record),
        lambda: sleeper.publish(other),
        lambda: sleeper.write("manifest.json", b"{}"),
        lambda: sleeper.put("manifest.json", b"{}"),
    ):
        with pytest.raises(StoreError, match="another synthgen has taken over"):
            write()


def test_a_record_says_under_which_lease_it_was_written(storage: Storage) -> None:
    for epoch in (1, 2):
        with storage.lease() as held:
            store = Store(held)
            assert store.commit(shard(store, number=epoch))
            assert (found := store.load_commit(epoch)) and found.epoch == epoch
            assert b'"epoch": %d,' % epoch in (storage.read(commit_path(epoch)) or b"")


def test_what_an_older_driver_has_committed_is_published_by_the_next(storage: Storage) -> None:
    def commit(store: Store) -> Commit:
        record = shard(store)
        shard(store, number=1)
        assert store.commit(record)
        return record

    with taken_over(storage, commit) as (_, record), storage.lease() as held:
        following = Store(held)
        assert following.publish(record) == [] and following.collect_orphans() == 2
        assert storage.read(record.files[0].path) == b"abc" and following.load_commit(0) == record


def test_a_record_is_replaced_only_if_it_is_the_one_that_was_seen(storage: Storage) -> None:
    with storage.lease() as held:
        store = Store(held)
        old, new, late = (shard(store, content) for content in (b"old", b"new", b"late"))
        assert store.commit(old) and store.commit(new, replaces=old) and not store.commit(late, replaces=old)
        assert store.sound_commit(0) == new


def run(plan: Any, storage: Storage, folder: Path) -> driver.Result:
    """Renders and seals a plan in this process."""
    content = plan.recipe.model_dump(mode="json") | {"samples": plan.n_samples}
    job = Job(content, plan.digest, "cpu", (helpers.TOY,), str(folder))
    return driver.run(plan, storage, lambda job, plan, n, listen: InProcess(job, plan, listen), job, api.Silent())


def samples(storage: Storage) -> list[tuple[str, bytes]]:
    dataset = Dataset(View(ledger.read(storage), None, None, None))
    assert [dataset[i]["key"] for i in range(len(dataset))] == [sample["key"] for sample in dataset]
    return [(sample["key"], sample["image"].tobytes()) for sample in dataset]


def test_a_whole_run_in_an_object_store(tmp_path: Path, finished: Path, server: Server) -> None:
    """Rendered, damaged, mended and grown: the same bytes as in a folder."""
    storage, recipe = ObjectStorage(server.place()), helpers.write(tmp_path, helpers.toy())
    plan = api.prepare(recipe, plugin_files=[helpers.TOY]).plan
    assert run(plan, storage, tmp_path).complete
    assert contents(storage) == helpers.snapshot(finished)
    assert verify(storage, n_threads=1).ok and not storage.sizes(STAGING)
    assert samples(storage) == [(sample["key"], sample["image"].tobytes()) for sample in synthgen.load(finished)]
    damaged = data_path("train", 2, "tar")
    assert storage.replace(damaged, b"damaged", storage.token(damaged))
    assert verify(storage, n_threads=1).set_aside == [2]
    result = run(plan, storage, tmp_path)
    assert result.complete and result.n_rendered == 1 and contents(storage) == helpers.snapshot(finished)
    assert run(plan, storage, tmp_path).n_rendered == 0
    larger = api.prepare(recipe, 65, plugin_files=[helpers.TOY]).plan
    assert run(larger, storage, tmp_path).complete
    helpers.run(recipe, tmp_path / "at once", samples=65)
    assert contents(storage) == helpers.snapshot(tmp_path / "at once")
    assert len(storage.list(COMMITS)) == 7


def contents(storage: Storage) -> dict[str, str]:
    """The same as `helpers.snapshot`: sha256 of all that a run promises."""
    left_out = ("commits", "log", ".synthgen", "failures")
    names = [name for name in storage.sizes("") if name.split("/")[0] not in left_out]
    return {name: hashlib.sha256(storage.read(name) or b"").hexdigest() for name in names}
