"""Places: a path of a file system, or the address of a prefix in an object store."""

from __future__ import annotations

import os
import re
from pathlib import Path

from synthgen.base.cache import SCHEMES
from synthgen.errors import UsageError


def is_address(place: str | os.PathLike[str]) -> bool:
    """Whether `place` is an address, such as `s3://bucket/prefix`, and no path."""
    return isinstance(place, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", place) is not None


def check_address(text: str) -> str:
    """The address without a slash at its end.

    Raises:
        UsageError: it is of an unknown kind, names no bucket, or has a part that an address of a place does not have.
    """
    scheme, _, rest = text.partition("://")
    if scheme not in SCHEMES:
        raise UsageError(
            f"{scheme}://...: is no kind of address that is known; {', '.join(f'{name}://' for name in SCHEMES)} are"
        )
    if "@" in rest:
        raise UsageError(
            f"{scheme}://...@...: credentials in an address would be in logs and cards; put them into the environment"
        )
    parts = rest.rstrip("/").split("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,}[A-Za-z0-9]", parts[0]):
        raise UsageError(
            f"{text}: names no bucket; an address is {scheme}://BUCKET/PREFIX, a bucket's name three letters or more"
        )
    if not all(re.fullmatch(r"[A-Za-z0-9._=+ -]+", part) and part.strip(".") for part in parts[1:]):
        raise UsageError(f"{text}: a prefix is names of letters, digits and . _ - = + with one slash between them")
    return f"{scheme}://{'/'.join(parts)}"


def place_of(text: str | Path) -> str | Path:
    """An address as it is, and anything else as a path."""
    return text if isinstance(text, str) and is_address(text) else Path(text)


def name_of(place: str | Path) -> str:
    """The last part of a place."""
    return place.rstrip("/").rpartition("/")[2] if isinstance(place, str) else place.resolve().name


def absolute(place: str | Path) -> str:
    """The same place, whatever the working folder is."""
    return place if isinstance(place, str) else str(place.resolve())
