"""Files of a shard, read by the packages that users read them with."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.errors import DataError
from synthgen.fields import Image, Label, Number
from synthgen.parts.protocols import Encoded
from synthgen.writers.parquet import Parquet
from synthgen.writers.webdataset import WebDataset

SCHEMA = {
    "image": Image(4, 6, 3),
    "other": Image(2, 2, 1, "webp"),
    "label": Label(("cat", "dog")),
    "score": Number(),
}


def pictures() -> list[dict[str, np.ndarray]]:
    generator = np.random.default_rng(0)
    return [
        {
            "image": generator.integers(0, 256, (4, 6, 3), dtype=np.uint8),
            "other": generator.integers(0, 256, (2, 2, 1), dtype=np.uint8),
        }
        for _ in range(5)
    ]


def samples() -> list[Encoded]:
    return [
        Encoded(
            f"s{i:09d}",
            "train",
            {name: kind.encode({**shown, "label": i % 2, "score": i / 3}[name]) for name, kind in SCHEMA.items()},
            {"index": i, "try": 0, "seed": f"{i:064x}", "condition": {"label": "cat"}},
        )
        for i, shown in enumerate(pictures())
    ]


def written(writer: Any) -> tuple[bytes, list[Any]]:
    file = io.BytesIO()
    file.close = lambda: None  # type: ignore[method-assign]
    members = writer.write(file, samples(), SCHEMA)
    return file.getvalue(), members


@pytest.mark.parametrize("cls", [WebDataset, Parquet])
def test_equal_samples_give_equal_bytes(cls: Any) -> None:
    first, second = written(cls(cls.Config())), written(cls(cls.Config()))
    assert first == second
    assert hashlib.sha256(first[0]).hexdigest() == hashlib.sha256(second[0]).hexdigest()


def test_the_tar_is_one_that_tar_reads() -> None:
    raw, members = written(WebDataset(WebDataset.Config()))
    with tarfile.open(fileobj=io.BytesIO(raw)) as file:
        names = [member.name for member in file]
        assert names[:5] == [f"s000000000.{e}" for e in ("cls", "json", "other.webp", "png")] + ["s000000001.cls"]
        assert {(m.uid, m.gid, m.mtime, m.uname, m.mode) for m in file.getmembers()} == {(0, 0, 0, "", 0o644)}
        facts = json.load(file.extractfile("s000000002.json"))  # type: ignore[arg-type]
    assert facts == {"score": 2 / 3, "index": 2, "try": 0, "seed": f"{2:064x}", "condition": {"label": "cat"}}
    for sample, member in zip(samples(), members, strict=True):
        record = WebDataset.record(raw[member.offset : member.offset + member.length], SCHEMA)
        assert record == {"key": sample.key, **sample.values, "meta": dict(sample.meta)} | {"label": record["label"]}


def test_the_webdataset_package_reads_the_tar(tmp_path: Path) -> None:
    import webdataset

    (tmp_path / "a.tar").write_bytes(written(WebDataset(WebDataset.Config()))[0])
    read = list(webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in read] == [f"s{i:09d}" for i in range(5)]
    assert [sample["cls"] for sample in read] == [0, 1, 0, 1, 0]
    for sample, shown in zip(read, pictures(), strict=True):
        assert np.array_equal(sample["png"], shown["image"])


def test_hf_datasets_reads_the_parquet(tmp_path: Path) -> None:
    import datasets

    (tmp_path / "a.parquet").write_bytes(written(Parquet(Parquet.Config()))[0])
    read = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "a.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert read.features["label"].names == ["cat", "dog"]
    assert read["label"][:] == [0, 1, 0, 1, 0]
    for sample, shown in zip(read, pictures(), strict=True):
        assert np.array_equal(np.asarray(sample["image"]), shown["image"])
        assert np.array_equal(np.asarray(sample["other"])[:, :, :1], shown["other"])
    assert json.loads(read[3]["meta"])["index"] == 3


def test_rows_are_found_by_number(tmp_path: Path) -> None:
    for cls, name, reader in (
        (WebDataset, "a.tar", WebDataset.records),
        (Parquet, "a.parquet", Parquet.records),
    ):
        (tmp_path / name).write_bytes(written(cls(cls.Config()))[0])
        for skip, count in ((0, None), (2, 2), (4, 9), (5, 1)):
            with (tmp_path / name).open("rb") as file:
                found = [record["key"] for record in reader(file, SCHEMA, skip, count)]
            assert found == [f"s{i:09d}" for i in range(5)][skip:][:count]


def test_names_that_a_header_cannot_hold_are_refused() -> None:
    writer = WebDataset(WebDataset.Config())
    schema = {"x" * 100: Image(1, 1, 1)}
    sample = Encoded("s000000000", "train", {"x" * 100: b"abc"}, {})
    with pytest.raises(DataError, match="100"):
        writer.write(io.BytesIO(), [sample], schema)


def test_no_samples(tmp_path: Path) -> None:
    for cls, reader in ((WebDataset, WebDataset.records), (Parquet, Parquet.records)):
        path = tmp_path / cls.suffix
        with path.open("wb") as file:
            assert cls(cls.Config()).write(file, [], SCHEMA) == []
        with path.open("rb") as file:
            assert list(reader(file, SCHEMA)) == []
