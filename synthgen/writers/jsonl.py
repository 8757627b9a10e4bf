"""`use: jsonl`: a line of JSON for each sample, as language models and tools for texts read them."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, ClassVar

from synthgen.base.settings import Settings
from synthgen.fields import Schema
from synthgen.parts.plain import PlainPart
from synthgen.parts.protocols import Encoded, Member, Record

_ESCAPED = re.compile("[\x85\u2028\u2029\ud800-\udfff]")
"""What JSON allows as it is and readers of lines do not: they end a line, or are half a character."""


class JsonLines(PlainPart):
    """An object for each sample: `key`, every field, `split`, and under `meta` the JSON text of how it came to be.

    UTF-8 without escapes, so that texts of all scripts can be read in the file. Bytes, as of images, stand as
    `{"base64": ...}`.

    Source: RFC 8259 (JSON); jsonlines.org.
    """

    version: ClassVar[int] = 1
    suffix: ClassVar[str] = "jsonl"
    media_type: ClassVar[str] = "application/jsonl"
    is_table: ClassVar[bool] = True
    trailer: ClassVar[int] = 0
    card: ClassVar[str] = (
        '`datasets.load_dataset("json", data_files="<this folder>/{folder}/**")` and, for each file, '
        "`pandas.read_json(FILE, lines=True)` read it as well."
    )

    class Config(Settings):
        """`use: jsonl` has no settings."""

    def write(self, file: BinaryIO, samples: Sequence[Encoded], schema: Schema) -> list[Member]:
        members, offset = [], 0
        for sample in samples:
            values = {name: _as_json(sample.values[name]) for name in schema}
            around = {"split": sample.split, "meta": _line(sample.meta, sort_keys=True)}
            line = _line({"key": sample.key, **values, **around}).encode() + b"\n"
            file.write(line)
            members.append(Member(sample.key, offset, len(line)))
            offset += len(line)
        return members

    @staticmethod
    def record(raw: bytes, schema: Schema) -> Record:
        """The sample in the bytes of its line."""
        found = json.loads(raw)
        values = {name: _from_json(found[name]) for name in schema}
        return {"key": found["key"], **values, "meta": json.loads(found["meta"])}

    @staticmethod
    def records(file: BinaryIO, schema: Schema, skip: int = 0, count: int | None = None) -> Iterator[Record]:
        """One line is in memory."""
        lines = itertools.islice(file, skip, None if count is None else skip + count)
        return (JsonLines.record(line, schema) for line in lines)


def _line(value: Any, sort_keys: bool = False) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _as_json(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _from_json(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) and set(value) == {"base64"} else value
