"""Contents of a shard: its record, its index and its files must agree about every sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from synthgen.dataset.layout import index_path
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.records import Commit, ShardFile
from synthgen.dataset.shard_files import content_sha256, writer_of
from synthgen.dataset.view import UNREADABLE
from synthgen.fields import class_field
from synthgen.parts.protocols import Encoded, Record

Rows = list[dict[str, Any]]


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

    with book.reader(file) as raw, pq.ParquetFile(raw) as table:
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
    writer: Any = writer_of(file.kind)
    if hasattr(writer, "record"):
        yield from _problems_of_members(book, file, mine, writer)
        return
    with book.reader(file) as raw:
        keys = writer.keys(raw) if hasattr(writer, "keys") else [r["key"] for r in writer.records(raw, book.fields)]
    places = [(row[f"{file.kind}_offset"], row[f"{file.kind}_length"]) for row in mine]
    if places != [(i, 1) for i in range(len(mine))] or keys != [row["key"] for row in mine]:
        yield "has other samples, or in another order, than the index"


def _problems_of_members(book: Ledger, file: ShardFile, rows: Rows, writer: Any) -> Iterator[str]:
    """Samples that can be read one by one: where the index has them, with the values that it states, and no others."""
    end = 0
    with book.reader(file) as raw:
        for row in rows:
            offset, length = row[f"{file.kind}_offset"], row[f"{file.kind}_length"]
            if offset != end:
                yield f"has no sample at byte {offset}, where the index has {row['key']}"
                return
            end = offset + length
            raw.seek(offset)
            sample: Record = writer.record(raw.read(length), book.fields)
            if sample["key"] != row["key"]:
                yield f"has {sample['key']} at byte {offset}, where the index has {row['key']}"
            values = {name: sample[name] for name in book.fields}
            if _keeps_order(values.values()) and _hash(row["key"], file.split, values) != row["sha256"]:
                yield f"has other values of {row['key']} than the index"
    if end + writer.trailer != file.bytes:
        yield f"goes on after its last sample at byte {end}"


def _keeps_order(values: Iterable[Any]) -> bool:
    """Whether the values come out of JSON as they went in; keys of dicts in lists are sorted there."""
    return not any(isinstance(value, list) and value and isinstance(value[0], dict) for value in values)


def _hash(key: str, split: str, values: Mapping[str, Any]) -> str:
    return content_sha256(Encoded(key, split, dict(values), {}))


def _class_problems(book: Ledger, record: Commit) -> Iterator[str]:
    """Samples by class, read from the files of the first kind, against those that the record counts."""
    name = class_field(book.fields)
    kind = next((file.kind for file in record.files if file.split), "")
    if name is None or not kind:
        return
    field, writer, found = book.fields[name], writer_of(kind), Counter[str]()
    for file in record.files:
        if file.kind == kind:
            with book.reader(file) as raw:
                samples = writer.records(raw, {name: field})
                found.update(field.sample_classes[field.decode(sample[name])] for sample in samples)
    if dict(found) != {cls: n for cls, n in record.classes.items() if n}:
        yield "has other numbers of samples by class than the record"
