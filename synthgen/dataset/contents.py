"""Contents of a shard: its record, its index and its files must agree about every sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from synthgen.dataset import shard_files
from synthgen.dataset.layout import index_path
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.records import Commit, ShardFile
from synthgen.dataset.shard_files import content_sha256
from synthgen.dataset.view import UNREADABLE
from synthgen.fields import Label
from synthgen.parts.protocols import Encoded

Rows = list[dict[str, Any]]
TAR_END = 2 * shard_files.BLOCK


def first_problem(book: Ledger, record: Commit) -> tuple[str, str] | None:
    """The first place where files of a shard disagree with its record or with each other: the file, and how.

    Every file must have the hash that the record states.
    """
    index = next(file for file in record.files if file.kind == "index")
    place = index_path(record.shard)
    try:
        rows = _read_index(book, index)
        for text in _index_problems(book, record, rows):
            return place, text
        for file in record.files:
            place = file.path
            if file.split:
                for text in _file_problems(book, record, file, rows):
                    return place, text
        place = record.files[0].path
        for text in _class_problems(book, record):
            return place, text
    except UNREADABLE as error:
        return place, f"cannot be read ({type(error).__name__}: {error})"
    return None


def _read_index(book: Ledger, file: ShardFile) -> Rows:
    import pyarrow.parquet as pq

    with book.open(file) as raw, pq.ParquetFile(raw) as table:
        rows: Rows = table.read().to_pylist()
    return rows


def _index_problems(book: Ledger, record: Commit, rows: Rows) -> Iterator[str]:
    accepted = [row for row in rows if row["accepted"]]
    rejected = Counter(row["rejected_by"] for row in rows if not row["accepted"])
    first = record.shard * int(book.identity["shard_size"])
    slots = {row["index"] for row in rows}
    if len(rows) != record.tries or len(accepted) != record.accepted:
        yield f"has {len(accepted)} of {len(rows)} tries as kept, and the record {record.accepted} of {record.tries}"
    if dict(rejected) != {rule: n for rule, n in record.rejected.items() if n}:
        yield "counts other rejected tries by rule than the record"
    if slots != set(range(first, first + record.n_slots)):
        yield f"does not list the slots {first} to {first + record.n_slots - 1} of its shard"
    if {slot["index"] for slot in record.short} != slots - {row["index"] for row in accepted}:
        yield "has other slots without a sample than the record"
    if len({row["index"] for row in accepted}) != len(accepted):
        yield "has two samples for one slot"


def _file_problems(book: Ledger, record: Commit, file: ShardFile, rows: Rows) -> Iterator[str]:
    """Members of a data file against the rows of the index that point to them."""
    mine = [row for row in rows if row["accepted"] and row["split"] == file.split]
    if len(mine) != file.samples:
        yield f"holds {file.samples} samples, and the index lists {len(mine)}"
    if any(row[f"{file.kind}_file"] != file.path for row in mine):
        yield "is not the file that the index names"
    mine.sort(key=lambda row: row[f"{file.kind}_offset"])
    places = [(row[f"{file.kind}_offset"], row[f"{file.kind}_length"]) for row in mine]
    check = CHECKS.get(file.kind)
    if check is not None:
        yield from check(book, file, mine, places)


def _tar_problems(book: Ledger, file: ShardFile, rows: Rows, places: list[tuple[int, int]]) -> Iterator[str]:
    end = 0
    with book.open(file) as raw:
        for row, (offset, length) in zip(rows, places, strict=True):
            if offset != end:
                yield f"has no sample at byte {offset}, where the index has {row['key']}"
                return
            end = offset + length
            sample = shard_files.tar_record(raw.read(length), book.fields)
            if sample["key"] != row["key"]:
                yield f"has {sample['key']} at byte {offset}, where the index has {row['key']}"
            values = {name: sample[name] for name in book.fields}
            if _keeps_order(values.values()) and _hash(row["key"], file.split, values) != row["sha256"]:
                yield f"has other values of {row['key']} than the index"
    if end + TAR_END != file.bytes:
        yield f"goes on after its last sample at byte {end}"


def _parquet_problems(book: Ledger, file: ShardFile, rows: Rows, places: list[tuple[int, int]]) -> Iterator[str]:
    import pyarrow.parquet as pq

    with book.open(file) as raw, pq.ParquetFile(raw) as table:
        keys = table.read(["key"])["key"].to_pylist()
    if places != [(i, 1) for i in range(len(rows))] or keys != [row["key"] for row in rows]:
        yield "has other samples, or in another order, than the index"


CHECKS: Mapping[str, Callable[[Ledger, ShardFile, Rows, list[tuple[int, int]]], Iterator[str]]] = {
    "tar": _tar_problems,
    "parquet": _parquet_problems,
}
"""By kind of file; the files of other writers are known by their hash alone."""


def _keeps_order(values: Iterable[Any]) -> bool:
    """Whether the values come out of JSON as they went in; keys of dicts in lists are sorted there."""
    return not any(isinstance(value, list) and value and isinstance(value[0], dict) for value in values)


def _hash(key: str, split: str, values: Mapping[str, Any]) -> str:
    return content_sha256(Encoded(key, split, dict(values), {}))


def _class_problems(book: Ledger, record: Commit) -> Iterator[str]:
    """Samples by class, read from the files of the first kind, against those that the record counts."""
    name, label = next(((n, kind) for n, kind in book.fields.items() if isinstance(kind, Label)), ("", None))
    kind = next((file.kind for file in record.files if file.kind in CHECKS), "")
    if label is None or not kind:
        return
    found: Counter[str] = Counter()
    for file in record.files:
        if file.kind == kind:
            found.update(label.classes[value] for value in _column(book, file, name))
    if dict(found) != {cls: n for cls, n in record.classes.items() if n}:
        yield "has other numbers of samples by class than the record"


def _column(book: Ledger, file: ShardFile, name: str) -> list[Any]:
    import pyarrow.parquet as pq

    kind = book.fields[name]
    if file.kind == "tar":
        with book.open(file) as raw:
            return [kind.decode(record[name]) for record in shard_files.tar_records(raw, book.fields)]
    with book.open(file) as raw, pq.ParquetFile(raw) as table:
        return [kind.decode(value) for value in table.read([name])[name].to_pylist()]
