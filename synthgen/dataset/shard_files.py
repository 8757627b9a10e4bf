"""Records: samples in stored form, read back from the files that writers made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from synthgen.errors import DataError
from synthgen.fields import Schema, from_cell, member_name
from synthgen.parts.protocols import Encoded

BLOCK = 512
Record = dict[str, Any]


def tar_record(raw: bytes, schema: Schema) -> Record:
    """The sample in the bytes of its tar members: `key`, every field in stored form, `meta`."""
    members: dict[str, bytes] = {}
    offset, key = 0, ""
    while offset < len(raw):
        key, ending, size = tar_header(raw[offset : offset + BLOCK])
        members[ending] = raw[offset + BLOCK : offset + BLOCK + size]
        offset += BLOCK + padded(size)
    return _from_members(key, members, schema)


def tar_records(file: BinaryIO, schema: Schema, skip: int = 0, count: int | None = None) -> Iterator[Record]:
    """Samples of a tar file in order, `count` of them after the first `skip`; reads the file once, front to back."""
    members: dict[str, bytes] = {}
    current, n_seen = "", 0
    while True:
        head = file.read(BLOCK)
        key, ending, size = tar_header(head) if head.strip(b"\0") else ("", "", 0)
        if key != current:
            if current and n_seen >= skip:
                yield _from_members(current, members, schema)
            n_seen += bool(current)
            current, members = key, {}
        if not key or (count is not None and n_seen >= skip + count):
            return
        if n_seen >= skip:
            members[ending] = file.read(padded(size))[:size]
        else:
            file.seek(padded(size), 1)


def parquet_records(raw: BinaryIO, schema: Schema, skip: int = 0, count: int | None = None) -> Iterator[Record]:
    """Samples of a Parquet file in order, `count` of them after the first `skip`, one row group in memory."""
    import pyarrow.parquet as pq

    stop = None if count is None else skip + count
    row = 0
    with pq.ParquetFile(raw) as file:
        for group in range(file.num_row_groups):
            n_rows = file.metadata.row_group(group).num_rows
            if row + n_rows > skip and (stop is None or row < stop):
                first, last = max(skip - row, 0), n_rows if stop is None else min(n_rows, stop - row)
                table = file.read_row_group(group).slice(first, last - first)
                yield from (parquet_record(entry, schema) for entry in table.to_pylist())
            row += n_rows


def parquet_record(row: Mapping[str, Any], schema: Schema) -> Record:
    """The sample in one row of a Parquet file: `key`, every field in stored form, `meta`."""
    values = {name: from_cell(kind, row[name]) for name, kind in schema.items()}
    return {"key": row["key"], **values, "meta": json.loads(row["meta"])}


def tar_header(head: bytes) -> tuple[str, str, int]:
    """Key, ending and size in bytes that a ustar header states.

    Raises:
        DataError: the block is no header.
    """
    if len(head) != BLOCK or head[257:262] != b"ustar":
        raise DataError("a tar file is damaged; `synthgen verify` on its folder finds out which")
    key, _, ending = head[:100].rstrip(b"\0").decode().partition(".")
    return key, ending, int(head[124:135], 8)


def padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _from_members(key: str, members: Mapping[str, bytes], schema: Schema) -> Record:
    meta = json.loads(members["json"])
    values: Record = {}
    for name, kind in schema.items():
        values[name] = members[member_name(name, kind.suffix)] if kind.suffix else meta.pop(name)
    return {"key": key, **values, "meta": meta}


def content_sha256(sample: Encoded) -> str:
    """sha256 over a sample's stored values, whatever file they stand in."""
    digest = hashlib.sha256()
    for name, value in sample.values.items():
        payload = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(f"{name}\0{len(payload)}\0".encode())
        digest.update(payload)
    return digest.hexdigest()
