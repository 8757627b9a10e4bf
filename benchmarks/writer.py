"""CPU seconds a sample: our tar writer with checksums against webdataset's ShardWriter.

Both get the same stored bytes (an image of `--bytes`, a class, a JSON text), so that encoding
images is not part of it. Ours also hashes every sample for the index, hashes the whole file for
the manifest, and syncs it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import webdataset
from common import compare

from synthgen.dataset.shard_files import content_sha256
from synthgen.dataset.store import Store
from synthgen.fields import Image, Label
from synthgen.parts.protocols import Encoded
from synthgen.writers.webdataset import WebDataset

SCHEMA = {"image": Image(28, 28, 1), "label": Label(("a", "b"))}


def ours(store: Store, samples: list[Encoded]) -> float:
    """CPU seconds of one shard through our store: written, hashed twice, synced."""
    writer = WebDataset(WebDataset.Config())
    started = time.process_time()
    with store.stage("data/x.tar", "tar", "train", len(samples)) as file:
        writer.write(cast(BinaryIO, file), samples, SCHEMA)
        for sample in samples:
            content_sha256(sample)
    seconds = time.process_time() - started
    store.discard([file.entry] if file.entry else [])
    return seconds


def theirs(folder: str, samples: list[Encoded]) -> float:
    """CPU seconds of one shard through webdataset.ShardWriter, which hashes and syncs nothing."""
    started = time.process_time()
    with webdataset.ShardWriter(str(Path(folder) / "wds-%06d.tar"), maxcount=10**9, verbose=0) as sink:
        for sample in samples:
            sink.write(
                {
                    "__key__": sample.key,
                    "png": sample.values["image"],
                    "cls": str(sample.values["label"]).encode(),
                    "json": json.dumps(dict(sample.meta)).encode(),
                }
            )
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--bytes", type=int, nargs="*", default=[700, 90_000])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    for n_bytes in arguments.bytes:
        picture = (bytes(range(256)) * (n_bytes // 256 + 1))[:n_bytes]
        samples = [
            Encoded(f"s{i:09d}", "train", {"image": picture, "label": i % 2}, {"index": i, "try": 0})
            for i in range(arguments.samples)
        ]
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder)
            store.storage.create()
            compare(
                f"{n_bytes} bytes: webdataset / ours, CPU seconds",
                partial(theirs, folder, samples),
                partial(ours, store, samples),
                arguments.repeats,
            )


if __name__ == "__main__":
    main()
