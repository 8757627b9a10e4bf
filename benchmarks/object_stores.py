"""Datasets in an object store, on a real S3 server of this machine: which client, seconds and requests a shard, resume.

python benchmarks/object_stores.py clients     obstore and s3fs; needs s3fs and moto[server]
python benchmarks/object_stores.py shards      the same toy dataset in a folder and in the store
python benchmarks/object_stores.py resume      of 10,000 shards
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

BUCKET = "bench"
PLUGIN = str(Path(__file__).parent.parent / "tests" / "toy_plugins.py")


class Server:
    """moto's S3 server in a process of its own; its log says what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "server.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
        for _ in range(300):
            with contextlib.suppress(OSError):
                make = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
                urllib.request.urlopen(make).close()
                return
            time.sleep(0.1)
        raise SystemExit("the server did not start")

    @contextlib.contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        start, found = self.log.stat().st_size, Counter[str]()
        yield found
        with self.log.open() as log:
            log.seek(start)
            text = re.sub(r"\x1b\[[0-9;]*m", "", log.read())
        for method, path in re.findall(r'"([A-Z]+) (\S+) HTTP', text):
            found["LIST" if "list-type" in path else "DELETE" if "?delete" in path else method] += 1


def place() -> str:
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


def clients(repeats: int) -> None:
    import obstore
    import s3fs  # type: ignore[import-not-found]
    from common import compare
    from obstore.store import from_url

    options = {"client_kwargs": {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]}, "key": "key", "secret": "secret"}
    fs = s3fs.S3FileSystem(**options)
    store = from_url(f"s3://{BUCKET}", client_options={"allow_http": True})
    small, large = os.urandom(3000), os.urandom(16 << 20)
    store.put("ranges", large[: 4 << 20])
    n = 50

    def timed(work: Callable[[int], object], times: int = n) -> Callable[[], float]:
        def seconds() -> float:
            started = time.perf_counter()
            for i in range(times):
                work(i)
            return (time.perf_counter() - started) / times

        return seconds

    def create_s3fs(i: int) -> None:
        fs.pipe_file(f"{BUCKET}/{uuid.uuid4().hex}", small, mode="create")

    def create_obstore(i: int) -> None:
        obstore.put(store, uuid.uuid4().hex, small, mode="create")

    def range_s3fs(i: int) -> None:
        fs.cat_file(f"{BUCKET}/ranges", start=i * 65536, end=(i + 1) * 65536)

    def range_obstore(i: int) -> None:
        obstore.get_range(store, "ranges", start=i * 65536, end=(i + 1) * 65536)

    compare("put of 3 kB if there is none, obstore / s3fs", timed(create_obstore), timed(create_s3fs), repeats)
    compare("64 kB of 4 MB, obstore / s3fs", timed(range_obstore), timed(range_s3fs), repeats)
    put_s3fs = timed(lambda i: fs.pipe_file(f"{BUCKET}/large", large), 1)
    compare(
        "put of 16 MB, obstore / s3fs",
        timed(lambda i: obstore.put(store, "large", large, chunk_size=len(large)), 1),
        put_s3fs,
        repeats,
    )


def shards(server: Server, folder: Path, n: int, repeats: int) -> None:
    from common import spread

    from synthgen import api

    recipe = {
        "kind": "dataset",
        "name": "toy",
        "samples": 10 * n,
        "shard_size": 10,
        "batch_size": 10,
        "condition": {"use": "classes", "quotas": {"dark": 1, "bright": 1}},
        "sampler": {"use": "smooth", "size": 32},
        "labelers": [{"use": "class-label"}],
    }

    def run(out: str) -> float:
        started = time.perf_counter()
        api.run(recipe, out, executor="local", workers=1, device="cpu", plugin_files=[PLUGIN])
        return (time.perf_counter() - started) / n

    run(str(folder / "warm"))
    seconds: dict[str, list[float]] = {"folder": [], "folder again": [], "store": []}
    for turn in range(repeats):
        seconds["folder"].append(run(str(folder / f"a{turn}")))
        with server.counted() as asked:
            seconds["store"].append(run(place()))
        seconds["folder again"].append(run(str(folder / f"b{turn}")))
    for name, values in seconds.items():
        print(f"{name}: {spread(values)} s a shard, of {n}")
    print(f"requests: {asked.total()}, {asked.total() / n:.1f} a shard: {dict(asked)}")


def resume(server: Server, n: int) -> None:
    from synthgen import api, load
    from synthgen.dataset.layout import commit_path, data_path, index_path
    from synthgen.dataset.objects import ObjectStorage
    from synthgen.dataset.records import Commit, ShardFile
    from synthgen.dataset.store import Store
    from synthgen.generate import survey
    from synthgen.generate.driver import PACK_EVERY

    recipe = {
        "kind": "dataset",
        "name": "scale",
        "samples": n,
        "shard_size": 1,
        "batch_size": 1,
        "splits": {"train": 1.0},
        "condition": {"use": "classes", "quotas": {"a": 1}},
        "sampler": {"use": "smooth"},
        "labelers": [{"use": "class-label"}],
    }
    options: dict[str, Any] = {"executor": "local", "workers": 1, "device": "cpu", "plugin_files": [PLUGIN]}
    plan = api.prepare(recipe, plugin_files=[PLUGIN]).plan
    storage = ObjectStorage(place())
    survey.check_identity(Store(storage), plan)

    def commit(shard: int) -> None:
        """A published shard with files of one byte."""
        files = []
        for path, kind in ((data_path("train", shard, "tar"), "tar"), (index_path(shard), "index")):
            storage.put(path, b"x")
            split = "train" if kind == "tar" else ""
            files.append(ShardFile(path, kind, split, 1, 1, "0" * 64, f"gone-{shard}-{kind}"))
        record = Commit(plan.digest, shard, 1, 1, 1, {}, {"a": 1}, [], "0" * 16, files)
        storage.put(commit_path(shard), record.to_json())

    packed = (n - 1) // PACK_EVERY * PACK_EVERY  # a driver that was killed had packed all but the last of them
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(commit, range(packed)))
        with storage.lease() as held:
            Store(held).pack(range(packed))
        list(pool.map(commit, range(packed, n - 1)))
    for name, work in (
        ("resume, of which one shard is rendered", lambda: api.run(recipe, storage.place, **options)),
        ("the same command again", lambda: api.run(recipe, storage.place, **options)),
        ("load", lambda: load(storage.place)),
    ):
        with server.counted() as asked:
            started = time.perf_counter()
            work()
            took = time.perf_counter() - started
        print(f"{name}, {n} shards: {took:.1f} s, {asked.total()} requests: {dict(asked)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["clients", "shards", "resume"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--shards", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name))
        try:
            if given.what == "clients":
                clients(given.repeats)
            elif given.what == "shards":
                shards(server, Path(name), given.shards or 40, given.repeats)
            else:
                resume(server, given.shards or 10_000)
        finally:
            server.process.terminate()


if __name__ == "__main__":
    main()
