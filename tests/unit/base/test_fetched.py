"""Objects as files of this machine, against a real S3 server: fetched once, whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import bucket
from bucket import Server
from synthgen.base import cache, fetched, object_store
from synthgen.base.fetched import local_path
from synthgen.errors import DataError, StoreError, SynthgenError, UsageError

FILES = {"a/1.png": b"one", "a/x y#%\u00e9.png": b"odd", "b/2.png": b"\0" * 5000, "empty.txt": b"", ".hidden": b"h"}


@pytest.fixture
def address(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Objects that nobody has fetched yet, in a store that is asked twice."""
    backoff = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=2), "base": 2}
    monkeypatch.setattr(object_store, "RETRY", {"max_retries": 2, "backoff": backoff})
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    fetched.forget()
    yield bucket.upload(server, FILES)
    fetched.forget()


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def again(address: str) -> Path:
    """As at the start of another command."""
    fetched.forget()
    return local_path(address)


def gets(server: Server, work: Callable[[], object]) -> int:
    """How many objects are fetched meanwhile."""
    with server.counted() as counted:
        work()
    return counted["GET"]


def test_paths_stay_as_they_are() -> None:
    assert local_path("here/a.csv") == Path("here/a.csv") and local_path("sklearn:digits") == Path("sklearn:digits")


def test_objects_are_fetched_once_and_again_when_they_change(address: str, server: Server) -> None:
    folder = local_path(f"{address}/")
    assert files(folder) == FILES and folder.name == address.rpartition("/")[2]
    assert again(address) == folder and gets(server, lambda: again(address)) == 0
    with server.counted() as counted:
        local_path(address)
    assert not counted, "a process asks the store once"
    bucket.upload(server, {"b/2.png": b"new"}, address)
    newer = again(address)
    assert newer != folder and files(newer) == FILES | {"b/2.png": b"new"}
    assert files(folder) == FILES, "somebody may still read what was there before"


def test_one_object_and_a_whole_bucket(address: str) -> None:
    assert local_path(f"{address}/a/1.png").read_bytes() == b"one"
    assert local_path(f"{address}/a/1.png").name == "1.png"
    inside = local_path(address.rpartition("/")[0])
    assert files(inside / address.rpartition("/")[2]) == FILES


def test_empty_objects_that_stand_for_folders_are_none(address: str, server: Server) -> None:
    bucket.upload(server, {"": b"", "a/": b""}, address)
    assert files(local_path(address)) == FILES


def test_what_was_cleaned_up_is_fetched_again(address: str, server: Server) -> None:
    folder = local_path(address)
    (folder / "b" / "2.png").unlink()
    (folder / "a" / "1.png").chmod(0o644)
    (folder / "a" / "1.png").write_bytes(b"")
    assert gets(server, lambda: again(address)) == 2 and files(folder) == FILES


def test_a_store_that_fails_leaves_nothing_half_there(address: str, server: Server) -> None:
    with server.failing("^GET .*2.png", 99, "503 Service Unavailable"), pytest.raises(StoreError) as caught:
        local_path(address)
    text = str(caught.value)
    assert f"{address}/b/2.png: the store answers 503" in text and bucket.KEY not in text and "\n" not in text
    for thread in threading.enumerate():  # those of other files end what they have begun
        if thread.name.startswith("fetch"):
            thread.join()
    assert {path.suffix for path in cache.folder().iterdir()} == {".partial", ".lock"}
    whole = {path.name for path in cache.folder().glob("*.partial/**/*") if path.is_file()}
    assert whole <= {Path(name).name for name in FILES} - {"2.png"}
    assert gets(server, lambda: again(address)) <= len(FILES) - len(whole)
    assert files(local_path(address)) == FILES


def test_a_refusal_is_not_waited_for_twice(address: str, server: Server) -> None:
    with server.failing("LIST", 99, "503 Service Unavailable"):
        for _ in range(2):
            with server.counted() as counted, pytest.raises(StoreError):
                local_path(address)
    assert not counted


def test_objects_of_another_version_are_not_taken(address: str, server: Server) -> None:
    with server.failing("^GET .*1.png", 1, "412 Precondition Failed"), pytest.raises(DataError) as caught:
        local_path(address)
    assert (
        str(caught.value) == f"{address}/a/1.png: was replaced or removed while it was fetched; give the command again"
    )


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ("s3://datasets-of-nobody/x", UsageError, "s3://datasets-of-nobody/x: there is no such bucket"),
        ("s3://datasets/no-such-data", DataError, "s3://datasets/no-such-data: there is nothing"),
        ("https://datasets/x", UsageError, "no kind of address that is known; s3://, gs://, az:// are"),
        ("s3://me:hush@datasets/x", UsageError, "credentials in an address"),
    ],
)
def test_addresses_that_are_refused(address: str, wrong: str, error: type[SynthgenError], said: str) -> None:
    with pytest.raises(error) as caught:
        local_path(wrong)
    assert said in str(caught.value) and "hush" not in str(caught.value) and len(caught.value.messages) == 1


def test_an_object_that_is_a_folder_too(address: str, server: Server) -> None:
    bucket.upload(server, {"a": b"file"}, address)
    with pytest.raises(DataError, match=f"^{address}/a: is an object, and others are below it"):
        local_path(address)


def test_no_space(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9000, 8000, 1000))
    with pytest.raises(StoreError) as caught:
        local_path(address)
    said = f"{address}: no space for 5.0 kB in {cache.folder()}, which has 1.0 kB left; make room, or name a folder of"
    assert str(caught.value) == f"{said} another disk with {cache.VARIABLE}"


def test_a_cache_that_cannot_be_one(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file"))
    with pytest.raises(StoreError, match=f"^{tmp_path}/file: cannot take what is fetched from {address}: .*exists"):
        local_path(address)


def test_two_processes_at_once_fetch_once(address: str, server: Server) -> None:
    code = f"from synthgen.base.fetched import local_path; print(local_path({address!r}))"

    def both() -> None:
        started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert len({process.communicate()[0] for process in started}) == 1
        assert [process.returncode for process in started] == [0, 0]

    assert gets(server, both) == sum(map(bool, FILES.values()))
    assert files(local_path(address)) == FILES


def test_errors_name_the_address(address: str) -> None:
    path = local_path(address) / "a" / "1.png"
    said: Any = DataError(f"{path}: row 3: is odd", f"{path.parent}")
    assert said.messages == (f"{address}/a/1.png: row 3: is odd", f"{address}/a")
    assert DataError(f"{cache.folder()}: is full").messages == (f"{cache.folder()}: is full",)


def test_the_folder_of_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == Path(os.path.realpath(tmp_path)) / "synthgen"


def test_long_fetches_are_shown(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetched, "PATIENCE_S", 0.0)
    local_path(address)
    assert f"fetching {len(FILES)} files, 5.0 kB, from {address} (kept in {cache.folder()})" in capsys.readouterr().err
