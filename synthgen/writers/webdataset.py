"""`use: webdataset`: tar files that the webdataset package and HF datasets read as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, ClassVar

from synthgen.base.settings import Settings
from synthgen.errors import DataError
from synthgen.fields import Schema
from synthgen.parts.plain import PlainPart
from synthgen.parts.protocols import Encoded, Member, Record

BLOCK = 512
MAX_MEMBER = 8**11 - 1
LARGE = 1 << 14
ENDINGS: Mapping[str, str] = {"image": "", "label": "", "segmentation": "seg.", "instances": "inst."}
"""Short endings of the names that most datasets have."""


class WebDataset(PlainPart):
    """One POSIX ustar file: a sample's members stand together, sorted; owner and times are zero.

    A sample has one member for each field that has a suffix (`.png`, `.cls`, `.<name>.png`)
    and a `.json` member with its scores, condition, seed and number.

    Source: POSIX.1-2017, pax utility, "ustar Interchange Format".
    """

    version: ClassVar[int] = 1
    suffix: ClassVar[str] = "tar"
    media_type: ClassVar[str] = "application/x-tar"
    is_table: ClassVar[bool] = False
    trailer: ClassVar[int] = 2 * BLOCK
    card: ClassVar[str] = "The `.tar` files are WebDataset shards."

    class Config(Settings):
        """`use: webdataset` has no settings."""

    def write(self, file: BinaryIO, samples: Sequence[Encoded], schema: Schema) -> list[Member]:
        layout = [(name, member_name(name, kind.suffix)) for name, kind in schema.items() if kind.suffix]
        members, offset = [], 0
        for sample in samples:
            start = offset
            for piece in _pieces(_members(sample, layout)):
                file.write(piece)
                offset += len(piece)
            members.append(Member(sample.key, start, offset - start))
        file.write(bytes(self.trailer))
        return members

    @staticmethod
    def record(raw: bytes, schema: Schema) -> Record:
        """The sample in the bytes of its tar members."""
        members: dict[str, bytes] = {}
        offset, key = 0, ""
        while offset < len(raw):
            key, ending, size = tar_header(raw[offset : offset + BLOCK])
            members[ending] = raw[offset + BLOCK : offset + BLOCK + size]
            offset += BLOCK + padded(size)
        return _from_members(key, members, schema)

    @staticmethod
    def records(file: BinaryIO, schema: Schema, skip: int = 0, count: int | None = None) -> Iterator[Record]:
        """Reads the file once, front to back."""
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


def member_name(name: str, suffix: str) -> str:
    """The ending of a field's member: short for `image`, `label`, `segmentation` and `instances`, else its name.

    A text called `text` is short as well, as `.txt`.
    """
    if (name, suffix) == ("text", "txt"):
        return suffix
    return ENDINGS.get(name, f"{name.replace('.', '_')}.") + suffix


def _members(sample: Encoded, layout: Sequence[tuple[str, str]]) -> Iterator[bytes]:
    """Headers and padded payloads of one sample, sorted by member name."""
    in_members = {name for name, _ in layout}
    facts = {name: value for name, value in sample.values.items() if name not in in_members}
    payloads = {"json": json.dumps({**facts, **sample.meta}, sort_keys=True, separators=(",", ":")).encode()}
    for name, ending in layout:
        value = sample.values[name]
        payloads[ending] = value if isinstance(value, bytes) else str(value).encode()
    for ending in sorted(payloads):
        payload = payloads[ending]
        yield header(f"{sample.key}.{ending}", len(payload))
        yield payload
        yield bytes(-len(payload) % BLOCK)


def _pieces(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: small parts are joined, large ones are passed on without a copy."""
    small: list[bytes] = []
    for part in parts:
        if len(part) < LARGE:
            small.append(part)
        else:
            yield b"".join(small)
            yield part
            small = []
    yield b"".join(small)


_BEFORE_SIZE = b"0000644\x000000000\x000000000\x00"
_MTIME = b"00000000000\x00"
_AFTER_CHECKSUM = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00" + bytes(167)
_CONSTANT_SUM = sum(_BEFORE_SIZE) + sum(_MTIME) + sum(_AFTER_CHECKSUM) + 8 * ord(" ")


def header(name: str, size: int) -> bytes:
    """The 512-byte ustar header of a regular file.

    Raises:
        DataError: the name is over 100 bytes, or the member over 8 GiB.
    """
    raw = name.encode()
    if len(raw) > 100:
        raise DataError(f"member name {name!r} is longer than the 100 bytes that a tar header holds")
    if size > MAX_MEMBER:
        raise DataError(f"member {name}: {size} bytes are more than a ustar header can state (8 GiB)")
    octal = b"%011o\x00" % size
    checksum = _CONSTANT_SUM + sum(raw) + sum(octal)
    return b"".join((raw.ljust(100, b"\0"), _BEFORE_SIZE, octal, _MTIME, b"%06o\x00 " % checksum, _AFTER_CHECKSUM))


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
        own = kind.suffix and members[member_name(name, kind.suffix)]
        values[name] = kind.from_member(own) if isinstance(own, bytes) else meta.pop(name)
    return {"key": key, **values, "meta": meta}
