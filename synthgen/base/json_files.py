"""JSON files that somebody may have damaged: hashed when they are written, checked when they are read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from pydantic import BaseModel
from pydantic_core import from_json

from synthgen.errors import NewerFormatError, RecordError

FORMAT = 2
"""Of manifests. 2: they end with the sha256 of all that is before it. Those of format 1 are read as well."""

Json = dict[str, Any]
M = TypeVar("M", bound=BaseModel)
_SIGNATURE = re.compile(rb',\n "sha256": "([0-9a-f]{64})"\n\}\n\Z')
_SIGNATURE_BYTES = len(',\n "sha256": ""\n}\n') + 64


def signed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The text of a JSON object without its closing brace, with the sha256 of all of it as the last key."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    yield f',\n "sha256": "{digest.hexdigest()}"\n}}\n'.encode()


def unsigned(raw: bytes, known: int = FORMAT) -> Json:
    """The object of a signed text of a format up to `known`, without its signature.

    Raises:
        RecordError: it is damaged.
        NewerFormatError: its format is newer.
    """
    data = parse(raw)
    version = data.get("format")
    if isinstance(version, int) and version > known:
        raise NewerFormatError(f"was written by a newer synthgen (format {version}, known: {known})")
    if version != 1:  # which had no signature yet
        match = _SIGNATURE.search(raw, max(0, len(raw) - _SIGNATURE_BYTES))
        if not match or hashlib.sha256(memoryview(raw)[: match.start()]).hexdigest() != match[1].decode():
            raise RecordError("was changed after it was written: its sha256 is not the one stated in it")
        del data["sha256"]
    return data


def headed(text: str, digest: str) -> str:
    """The text of recipe.yaml: a comment with the digest of its dataset and the sha256 of `text`, then `text`."""
    return f"# dataset {digest}, sha256 of the lines below {hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def headed_problem(raw: bytes, digest: str) -> str:
    """What is wrong with a recipe.yaml that `headed` made for the dataset with this digest; empty if nothing is."""
    head, _, text = raw.partition(b"\n")
    match = re.fullmatch(rb"# dataset ([0-9a-f]{64}), sha256 of the lines below ([0-9a-f]{64})", head)
    if match and match[1].decode() != digest:
        return "is of another dataset"
    return "" if match and hashlib.sha256(text).hexdigest() == match[2].decode() else "was changed since it was written"


def parse(raw: bytes, allow_nan: bool = False) -> Json:
    """The JSON object in a text, however damaged or deep. Raises RecordError."""
    try:
        data = from_json(raw, allow_inf_nan=allow_nan)
    except ValueError as error:
        raise RecordError(f"is no JSON ({error})") from None
    if not isinstance(data, dict):
        raise RecordError("holds no JSON object")
    return data


def load_bytes(path: str | Path) -> bytes | None:
    """The content of a regular file; None if nothing has that name. Raises RecordError."""
    try:
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode):
            what = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "no file"
            raise RecordError(f"is {what}, where a file is expected")
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RecordError(f"cannot be read ({error.strerror})") from None


def load_record(path: str | Path, model: type[M]) -> M | None:
    """A small JSON file as a checked value; None if there is none. Raises RecordError."""
    return parse_record(load_bytes(path), model)


def parse_record(raw: bytes | None, model: type[M], allow_nan: bool = False) -> M | None:
    """The content of a small JSON file as a checked value; None if there is none. Raises RecordError."""
    return None if raw is None else checked(adapter(model), parse(raw, allow_nan))


def checked(adapter: pydantic.TypeAdapter[Any], data: Any) -> Any:
    """The value that an adapter makes of JSON. Raises RecordError, which says what is wrong where."""
    try:
        return adapter.validate_python(data)
    except pydantic.ValidationError as error:
        first, *others = error.errors(include_url=False, include_input=False)
        place = ".".join(map(str, first["loc"]))[:200]
        more = f", and {len(others)} more" if others else ""
        raise RecordError(f"`{place}`: {first['msg']}{more}") from None


@cache
def adapter(model: type[BaseModel]) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(model)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    text: str = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text
