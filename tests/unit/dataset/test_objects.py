"""Datasets in an object store, against a real S3 server: conditions, lost answers, failures, leases, credentials."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import bucket
import helpers
import pages
import synthgen
from bucket import Server
from synthgen.base import object_store
from synthgen.dataset import object_lease, object_packs
from synthgen.dataset.layout import LEASE, SHARDS, commit_path, data_path
from synthgen.dataset.objects import ObjectStorage
from synthgen.dataset.store import Store
from synthgen.dataset.verify import verify
from synthgen.errors import StoreError, UnreachableError
from synthgen.generate import driver


@pytest.fixture
def storage(server: Server, monkeypatch: pytest.MonkeyPatch) -> ObjectStorage:
    """A place where requests are repeated twice, at once."""
    backoff = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=2), "base": 2}
    monkeypatch.setattr(object_store, "RETRY", {"max_retries": 2, "backoff": backoff})
    return ObjectStorage(server.place())


def until(reached: Callable[[], bool]) -> None:
    """Returns when it is so."""
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run(recipe: Path, place: str, **options: Any) -> Any:
    return helpers.run(recipe, place, **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_store_without_conditional_puts_is_refused(recipe: Path, server: Server, finished: Path) -> None:
    place, options = server.place(), ["--plugin", helpers.TOY, "--device", "cpu", "--workers", "1"]
    server.conditions = False
    try:
        refused = helpers.call(helpers.command("run", recipe, "-o", place, *options))
        assert refused.returncode == 1 and "--single-writer" in refused.stderr and place in refused.stderr
        assert ObjectStorage(place).sizes("") == {}
        done = helpers.call(helpers.command("run", recipe, "-o", place, "--single-writer", *options))
        assert done.returncode == 0, done.stderr
    finally:
        server.conditions = True
    assert synthgen.load(place)[0]["image"].tobytes() == synthgen.load(finished)[0]["image"].tobytes()


@pytest.mark.parametrize("status", ["503 Service Unavailable", "500 Internal Server Error"])
def test_a_put_whose_answer_was_lost_was_won(storage: ObjectStorage, server: Server, status: str) -> None:
    with server.failing("^PUT .*commits/a", 1, status, after=True):
        assert storage.put("commits/a", b"mine")
    assert not storage.put("commits/a", b"another's") and storage.read("commits/a") == b"mine"
    token = storage.token("commits/a")
    with server.failing("^PUT .*commits/a", 1, status, after=True):
        assert storage.replace("commits/a", b"later", token)
    assert not storage.replace("commits/a", b"too late", token) and storage.read("commits/a") == b"later"


def test_the_trial_of_a_store_outlasts_lost_answers(storage: ObjectStorage, server: Server) -> None:
    with server.failing("^PUT .*probe", 1, "503 Service Unavailable", after=True):
        storage.create()
    puts, lose = iter(range(9)), server.app

    def third(environ: dict[str, Any], start: Any) -> Any:
        if environ["REQUEST_METHOD"] == "PUT" and next(puts) == 2:
            list(lose(environ, lambda *_: None))
            start("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        return lose(environ, start)

    server.app = third
    try:
        storage.create()
    finally:
        server.app = lose
    assert storage.sizes("") == {}


def test_two_puts_at_once_of_which_none_was_stored(storage: ObjectStorage, server: Server) -> None:
    """S3 answers 409 to one of two, and the other one may fail as well."""
    with server.failing("^PUT .*commits/a", 1, "409 Conflict"):
        assert storage.put("commits/a", b"mine")
    assert storage.read("commits/a") == b"mine"


def test_a_store_that_fails_is_asked_again_and_then_named(storage: ObjectStorage, server: Server) -> None:
    with server.failing("^GET .*commits/a", 2, "503 Service Unavailable"):
        assert storage.read("commits/a") is None
    for step in (lambda: storage.read("commits/a"), lambda: storage.put("commits/a", b""), lambda: storage.list("")):
        with server.failing("", 99, "503 Service Unavailable"), pytest.raises(StoreError) as caught:
            step()
        text = str(caught.value)
        assert storage.place in text and "503 Service Unavailable (Busy: Please try again.)" in text
        assert bucket.KEY not in text and "\n" not in text


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ("503 Slow Down", "SlowDown", "the store throttles: it answers 503 Service Unavailable (SlowDown: Please try"),
        ("503 Server Busy", "ServerBusy", "the store throttles: it answers 503 Service Unavailable (ServerBusy"),
        ("429 Too Many Requests", "Busy", "the store throttles: it answers 429 Too Many Requests (Busy"),
    ],
)
def test_a_store_that_throttles_is_said_to(
    storage: ObjectStorage, server: Server, recipe: Path, status: str, code: str, said: str
) -> None:
    """By a worker, whose message the log keeps, and by a request for a size, whose answer has no text."""
    with (
        server.failing("^PUT .*staging.*shard-00002", 99, status, code=code),
        pytest.raises(StoreError, match=re.escape(said) + ".*fewer workers"),
    ):
        run(recipe, storage.place)
    logged = storage.read_log(SHARDS).decode()
    assert '"failed": "fatal"' in logged and said in logged
    with server.failing("^HEAD", 99, status), pytest.raises(StoreError, match=r"throttles.*--workers"):
        storage.size("commits/a")
    assert run(recipe, storage.place).n_rendered == 2


def test_a_log_that_is_slow_to_be_written_does_not_stop_the_beat(
    storage: ObjectStorage, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_lease, "HEARTBEAT_S", 0.02)
    written = threading.Event()

    def hang(request: str, environ: dict[str, Any], start: Any) -> None:
        if request.startswith("PUT") and "/log/" in request:
            written.wait(60)

    server.faults.append(hang)  # type: ignore[arg-type]
    try:
        with storage.lease() as held:
            line = threading.Thread(target=held.append, args=("log/runs.jsonl", b"{}\n"))
            line.start()
            until(lambda: any("/log/" in request for request in server.requests[-50:]))
            start = json.loads(held.read(LEASE) or b"")["beats"]
            until(lambda: json.loads(held.read(LEASE) or b"")["beats"] > start + 5)
            written.set()
            line.join()
    finally:
        server.faults.remove(hang)  # type: ignore[arg-type]
    assert storage.read_log("log/runs.jsonl") == b"{}\n"


def test_a_record_that_cannot_be_fetched_is_not_taken_for_damaged(
    recipe: Path, storage: ObjectStorage, server: Server
) -> None:
    assert run(recipe, storage.place).complete
    failing = server.failing("^GET .*shard-00001.json", 99, "503 Service Unavailable")
    with failing, pytest.raises(StoreError, match="503"):
        run(recipe, storage.place)
    assert run(recipe, storage.place).n_rendered == 0


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("s3://datasets-of-nobody/x", "there is no such bucket"),
        ("ftp://host/x", "s3://, gs://, az:// are"),
        (f"s3://{bucket.KEY}:{bucket.SECRET}@datasets/x", "put them into the environment"),
        ("s3://ab/x", "three letters or more"),
        ("s3://datasets/a//b", "one slash between"),
        ("s3://datasets/../b", "one slash between"),
        ("s3://datasets/nothing-here", "is not a synthgen dataset"),
    ],
)
def test_addresses_that_cannot_be_used(cli: Any, server: Server, place: str, said: str) -> None:
    answer = cli("status", place)
    assert answer.code == 2 and said in answer.err and bucket.SECRET not in answer.err


def test_no_server(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch, recipe: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match=r"does not answer.*AWS_ENDPOINT_URL"):
        run(recipe, storage.place)


def test_readers_of_a_sealed_dataset_ask_little(recipe: Path, server: Server, finished: Path) -> None:
    place = server.place()
    run(recipe, place)
    with server.counted() as asked:
        dataset = synthgen.load(place)
    assert asked["LIST"] == 0 and asked.total() <= 6
    with server.counted() as asked:
        assert dataset[7]["image"].tobytes() == synthgen.load(finished)[7]["image"].tobytes()
    assert asked["GET"] <= 2  # the index of the shard, and the sample
    keys = [sample["key"] for sample in synthgen.load(finished, streaming=True)]
    with server.counted() as asked:
        assert [sample["key"] for sample in synthgen.load(place, streaming=True)] == keys
    assert asked["LIST"] == 0


def test_requests_of_a_shard_and_of_a_resume(recipe: Path, server: Server) -> None:
    """What the documentation says of them; 4 shards with 4 to 5 files each."""
    place = server.place()
    with server.counted() as asked:
        run(recipe, place)
    shards = [record for number in range(4) if (record := Store(place).load_commit(number))]
    n_files = sum(len(record.files) for record in shards)
    assert asked.total() <= 50 + 4 * 6 + 3 * n_files
    with server.counted() as asked:
        run(recipe, place)
    assert asked["GET"] <= 30 and asked["HEAD"] <= 12 and asked["LIST"] <= 14


def test_records_are_packed_while_a_run_goes_on(
    recipe: Path, server: Server, storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_packs, "WORTH_IT", 1)
    monkeypatch.setattr(driver, "PACK_EVERY", 3)
    with server.failing("^PUT .*commits/shard-00003", 99, "403 Forbidden"), pytest.raises(StoreError, match="403"):
        run(recipe, storage.place)
    before = len(server.requests)
    assert run(recipe, storage.place).n_rendered == 1
    read = [request.rpartition("/")[2] for request in server.requests[before:] if request.startswith("GET")]
    assert not {f"shard-0000{number}.json" for number in range(3)} & set(read)
    changed = Store(storage).load_commit(1)
    assert changed and storage.replace(commit_path(1), b"damaged", storage.token(commit_path(1)))
    assert verify(storage).set_aside == [1], "a pack is believed only of objects that have not changed"


def test_a_driver_lists_a_folder_once(server: Server) -> None:
    """After that it asks by name for what its workers have written; what it has moved away itself is gone."""
    workers = ObjectStorage(server.place())
    first, second, third = map(commit_path, range(3))
    workers.put(first, b"0")
    with ObjectStorage(workers.place).lease() as held:
        assert dict(held.read_folder("commits", [])) == {first: b"0"}
        workers.put(second, b"1")
        assert workers.replace(first, b"longer", workers.token(first))
        with server.counted() as asked:
            found = dict(held.read_folder("commits", [first, second, third]))
        assert found == {first: b"longer", second: b"1"} and not asked["LIST"]
        assert held.move(first, "damaged/0")
        held.delete(second)
        assert held.put(third, b"2")
        assert dict(held.read_folder("commits", [])) == {third: b"2"}


def test_handed_back_shards_are_known_to_readers(recipe: Path, server: Server) -> None:
    storage = ObjectStorage(server.place())
    run(recipe, storage.place)
    damaged = data_path("train", 1, "tar")
    storage.replace(damaged, b"x" * storage.size(damaged), storage.token(damaged))
    assert verify(storage).set_aside == [1]
    with pytest.raises(StoreError, match="handed back"):
        synthgen.load(storage.place)
    assert run(recipe, storage.place).n_rendered == 1
    assert len(synthgen.load(storage.place)) == 40 and verify(storage).ok


def test_a_second_driver_is_refused_and_a_dead_one_replaced(storage: ObjectStorage) -> None:
    with storage.lease() as held:
        with pytest.raises(StoreError, match=f"process {os.getpid()} on "), storage.lease():
            pass
        lease = json.loads(held.read(LEASE) or b"")
    assert storage.holder() == {} and storage.replace(LEASE, _lease(lease, live=True, born="0"), storage.token(LEASE))
    with storage.lease() as following:  # at once: the process is gone
        assert following.held and following.held.epoch == lease["epoch"] + 1


def _lease(lease: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps(lease | changes).encode()


def test_a_lease_of_another_machine_is_watched_for_its_time(
    storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(object_lease, "STALE_S", 0.4)
    monkeypatch.setattr(object_lease, "HEARTBEAT_S", 0.05)
    with storage.lease() as held:
        lease = json.loads(held.read(LEASE) or b"")
    elsewhere = {"live": True, "host": "elsewhere"}
    storage.replace(LEASE, _lease(lease, **elsewhere), storage.token(LEASE))
    stop = threading.Event()

    def beat() -> None:
        for n in range(10_000):
            storage.replace(LEASE, _lease(lease, **elsewhere, beats=n), storage.token(LEASE))
            if stop.wait(0.02):
                return

    alive = threading.Thread(target=beat)
    alive.start()
    with pytest.raises(StoreError, match="on elsewhere, which is alive"), storage.lease():
        pass
    stop.set()
    alive.join()
    logging.getLogger("synthgen").addHandler(caplog.handler)
    with storage.lease() as following:
        assert following.held and following.held.epoch == lease["epoch"] + 1
    logging.getLogger("synthgen").removeHandler(caplog.handler)
    assert "after 0 s this run takes over" in caplog.text


def test_a_driver_meets_its_loss_at_its_next_beat(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_lease, "HEARTBEAT_S", 0.02)
    with storage.lease() as held:
        lease = json.loads(held.read(LEASE) or b"")
        theirs = _lease(lease, id="other", epoch=9, host="elsewhere")
        while not held.replace(LEASE, theirs, held.token(LEASE)):
            pass  # it has beaten in between
        until(lambda: not held._beat.sure)  # type: ignore[union-attr]
        with pytest.raises(StoreError, match="another synthgen has taken over"):
            Store(held).write("manifest.json", b"{}")
    assert storage.read(LEASE) == theirs and storage.read("manifest.json") is None


def test_a_beat_whose_answer_was_lost_is_no_loss(
    storage: ObjectStorage, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_lease, "HEARTBEAT_S", 0.02)
    with storage.lease() as held, server.failing("^PUT .*lease.json", 2, "503 Service Unavailable", after=True):
        start = json.loads(held.read(LEASE) or b"")["beats"]
        until(lambda: json.loads(held.read(LEASE) or b"")["beats"] > start + 5)
        Store(held).write("manifest.json", b"{}")
    assert storage.holder() == {}


@pytest.mark.slow
def test_what_the_page_shows_of_loading(recipe: Path, server: Server) -> None:
    place = server.place()
    run(recipe, place)
    text = "\n".join(block.text for block in pages.blocks("docs/object-stores.md") if block.language == "python")
    shown = helpers.call([sys.executable, "-c", text.replace("s3://datasets/clothes", place)])
    assert shown.stdout.split("\n") == ["(4, 4, 3)", "(4, 4)", "32", ""], shown.stderr


@pytest.mark.slow
def test_credentials_are_nowhere(recipe: Path, server: Server, tmp_path: Path) -> None:
    storage = ObjectStorage(server.place())
    assert storage.read("x") is None
    options = ["--plugin", helpers.TOY, "--device", "cpu", "--workers", "2", "-vv"]
    said = helpers.call(helpers.command("run", recipe, "-o", storage.place, *options))
    assert said.returncode == 0, said.stderr
    texts = [said.stdout, said.stderr]
    for words in (["status", "--json"], ["verify"], ["report"]):
        again = helpers.call(helpers.command(*words, storage.place, "--plugin", helpers.TOY))
        assert again.returncode == 0, again.stderr
        texts += [again.stdout, again.stderr]
    with storage.lease() as held:
        found = [pickle.dumps(held), *(text.encode() for text in texts)]
    found += [storage.read(name) or b"" for name in storage.sizes("")]
    assert any(b"rendering 4 shards" in content for content in found)
    assert not any(secret.encode() in content for content in found for secret in (bucket.KEY, bucket.SECRET))


def test_ranges_of_a_large_object(storage: ObjectStorage, server: Server) -> None:
    content = random.Random(0).randbytes(3_000_000)
    storage.put("data/large", content)
    storage.put("data/empty", b"")
    with storage.reader("data/empty") as file:
        assert file.read() == b"" and file.seek(0, io.SEEK_END) == 0
    with server.counted() as asked, storage.reader("data/large") as file:
        assert file.seek(2_000_000) and file.read(100) == content[2_000_000:2_000_100]
    assert asked.total() == 1
    with server.counted() as asked, storage.reader("data/large") as file:
        assert b"".join(iter(lambda: file.read(1000), b"")) == content
    assert asked.total() <= 7
    with storage.reader("data/large") as file:
        assert file.seek(-10, io.SEEK_END) and file.read() == content[-10:] and file.read(5) == b""
        file.seek(4_000_000)
        assert file.read(5) == b""
        file.seek(0)
        storage.replace("data/large", b"other" * 1000, storage.token("data/large"))
        file.seek(1_000_000)
        with pytest.raises(OSError, match="was replaced while it was read"):
            file.read(5)


def test_a_forked_reader_is_told_to_spawn(storage: ObjectStorage) -> None:
    storage.put("x", b"1")
    reading, writing = os.pipe()

    def child() -> None:
        try:
            storage.read("x")
        except StoreError as error:
            os.write(writing, str(error).encode())

    assert helpers.in_fork(child) == 0
    os.close(writing)
    assert b'multiprocessing_context="spawn"' in os.read(reading, 10_000)
    os.close(reading)


@pytest.mark.slow
def test_a_run_that_was_refused_a_record_goes_on(recipe: Path, server: Server, finished: Path) -> None:
    place = server.place()
    options = ["--plugin", helpers.TOY, "--device", "cpu", "--workers", "1"]
    with server.failing("^PUT .*commits/shard-00002", 99, "403 Forbidden"):
        stopped = helpers.call(helpers.command("run", recipe, "-o", place, *options))
    assert stopped.returncode == 1 and "403 Forbidden" in stopped.stderr
    done = [number for number in range(4) if Store(place).load_commit(number)]
    assert done == [0, 1]
    gone = run(recipe, place)
    assert gone.complete and gone.n_rendered == 2
    dataset, expected = synthgen.load(place), synthgen.load(finished)
    assert [sample["image"].tobytes() for sample in dataset] == [sample["image"].tobytes() for sample in expected]
    assert ObjectStorage(place).read(commit_path(3)) is not None
