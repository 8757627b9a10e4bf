"""Files of texts, read by the packages that users read them with."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from synthgen.fields import Image, Text
from synthgen.parts.protocols import Encoded
from synthgen.writers.jsonl import JsonLines
from synthgen.writers.parquet import Parquet
from synthgen.writers.webdataset import WebDataset
from text_samples import FIELDS, SCRIPTS, SLOTS, sample

N = len(SCRIPTS)
WRITERS = (WebDataset, Parquet, JsonLines)


def samples() -> list[Encoded]:
    return [
        Encoded(
            f"s{i:09d}",
            "train",
            {name: kind.encode(sample(i)[name]) for name, kind in FIELDS.items()},
            {"index": i, "try": 0, "seed": f"{i:064x}", "condition": {"topic": SCRIPTS[i]}},
        )
        for i in range(N)
    ]


def written(cls: Any, path: Path) -> tuple[Path, list[Any]]:
    file = path / f"a.{cls.suffix}"
    with file.open("wb") as raw:
        return file, cls(cls.Config()).write(raw, samples(), FIELDS)


@pytest.mark.parametrize("cls", WRITERS)
def test_every_character_reads_back(cls: Any, tmp_path: Path) -> None:
    file, _ = written(cls, tmp_path)
    with file.open("rb") as raw:
        records = list(cls.records(raw, FIELDS))
    for i, record in enumerate(records):
        assert {name: kind.decode(record[name]) for name, kind in FIELDS.items()} == sample(i)
        assert record["meta"] == samples()[i].meta
    with file.open("rb") as raw:
        assert [record["key"] for record in cls.records(raw, FIELDS, 2, 3)] == [f"s{i:09d}" for i in (2, 3, 4)]


@pytest.mark.parametrize("cls", [WebDataset, JsonLines])
def test_a_sample_is_read_from_its_own_bytes(cls: Any, tmp_path: Path) -> None:
    file, members = written(cls, tmp_path)
    raw = file.read_bytes()
    for i, member in enumerate(members):
        record = cls.record(raw[member.offset : member.offset + member.length], FIELDS)
        assert record["key"] == member.key
        assert {name: kind.decode(record[name]) for name, kind in FIELDS.items()} == sample(i)
        assert record["text"] == samples()[i].values["text"], "the stored form, which the index has the hash of"
    assert sum(member.length for member in members) + cls.trailer == len(raw)


def test_equal_samples_give_equal_lines(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    assert written(JsonLines, first)[0].read_bytes() == written(JsonLines, second)[0].read_bytes()


def test_lines_are_lines_to_every_reader_and_scripts_stay_legible(tmp_path: Path) -> None:
    raw = written(JsonLines, tmp_path)[0].read_bytes()
    text = raw.decode("utf-8")
    assert len(raw.splitlines()) == len(text.splitlines()) == len(text.split("\n")) - 1 == N
    assert SCRIPTS[1] in text and SCRIPTS[2] in text and SCRIPTS[4] in text
    first = json.loads(text.splitlines()[0])
    assert list(first) == ["key", *FIELDS, "split", "meta"]
    assert json.loads(first["meta"])["condition"] == {"topic": SCRIPTS[0]}


def test_bytes_in_lines_are_base64_and_read_back() -> None:
    kind = Image(1, 2, 1)
    schema = {"image": kind, "note": Text()}
    file = io.BytesIO()
    file.close = lambda: None  # type: ignore[method-assign]
    JsonLines(JsonLines.Config()).write(file, [Encoded("s0", "train", {"image": b"\xff\0", "note": "n"}, {})], schema)
    assert json.loads(file.getvalue())["image"] == {"base64": "/wA="}
    assert JsonLines.record(file.getvalue(), schema)["image"] == b"\xff\0"


def test_what_a_condition_says_in_half_a_character_still_reads_back() -> None:
    file = io.BytesIO()
    meta = {"condition": {"odd": "\ud83d\u2028"}}
    JsonLines(JsonLines.Config()).write(file, [Encoded("s0", "train", {}, meta)], {})
    assert JsonLines.record(file.getvalue(), {})["meta"] == meta


def loaded(kind: str, file: Path) -> Any:
    import datasets

    return datasets.load_dataset(kind, data_files=str(file), split="train", cache_dir=str(file.parent / "cache"))


def test_hf_datasets_reads_the_parquet_with_its_features(tmp_path: Path) -> None:
    read = loaded("parquet", written(Parquet, tmp_path)[0])
    assert read.features["pair"].languages == ["fr", "en"]
    assert read.features["slots"].feature["label"].names == list(SLOTS)
    for i, row in enumerate(read):
        assert {name: row[name] for name in FIELDS} == sample(i)


def test_parquet_of_answers_has_the_features_of_squad(tmp_path: Path) -> None:
    import datasets

    read = loaded("parquet", written(Parquet, tmp_path)[0])
    squad = {"text": datasets.List(datasets.Value("string")), "answer_start": datasets.List(datasets.Value("int32"))}
    assert read.features["answers"] == squad


def test_hf_datasets_reads_the_lines(tmp_path: Path) -> None:
    read = loaded("json", written(JsonLines, tmp_path)[0])
    for i, row in enumerate(read):
        assert {name: row[name] for name in FIELDS} == sample(i)


def test_hf_datasets_and_webdataset_read_the_tar(tmp_path: Path) -> None:
    import webdataset

    file = written(WebDataset, tmp_path)[0]
    for i, row in enumerate(loaded("webdataset", file)):
        assert row["txt"] == sample(i)["text"]
        assert {name: row["json"][name] for name in ("utterance", "pair", "chat", "slots")} == {
            name: sample(i)[name] for name in ("utterance", "pair", "chat", "slots")
        }
    read = list(webdataset.WebDataset(str(file), shardshuffle=False).decode())
    assert [row["txt"] for row in read] == [sample(i)["text"] for i in range(N)]


def test_pandas_reads_parquet_and_lines(tmp_path: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(written(Parquet, tmp_path)[0])
    assert table["utterance"].tolist() == list(SCRIPTS)
    assert table["pair"].tolist() == [sample(i)["pair"] for i in range(N)]
    lines = pd.read_json(written(JsonLines, tmp_path)[0], lines=True)
    assert lines["utterance"].tolist() == list(SCRIPTS)
    assert lines["chat"].tolist() == [sample(i)["chat"] for i in range(N)]
