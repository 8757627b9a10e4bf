"""Texts from files: every record checked, what is too long left out, and all divided into splits."""

from __future__ import annotations

import hashlib
from typing import Any, cast

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.readers.problems import Problems
from synthgen.readers.texts.records import Texts
from synthgen.readers.texts.types import Kind, Split, TextData

__all__ = ["Kind", "Split", "TextData", "Texts", "read", "sha256"]


def read(data: TextData) -> Texts:
    """All records of all splits, in the order of the files.

    A process reads files once: the last texts are kept until their files or the settings change.

    Raises:
        DataError: all problems of the data at once, one a line, as `file:line: column: what is wrong, what is
            accepted`; at most twenty lines and the number of the rest. Problems that hide others (a missing file, a
            file of which it is not clear what it holds) come alone.
    """
    from synthgen.readers.texts.places import places_of

    stats = [(place, place.path.stat().st_size, place.path.stat().st_mtime_ns) for place in places_of(data)]
    key = data, stats
    if _LAST[:1] != [key]:
        _LAST[:] = [key, _read(data)]
    return cast(Texts, _LAST[1])


_LAST: list[Any] = []
"""What the last texts were read from, and they themselves."""


def _read(data: TextData) -> Texts:
    from synthgen.readers.texts import formats
    from synthgen.readers.texts.building import build
    from synthgen.readers.texts.places import places_of
    from synthgen.readers.texts.roles import meaning_of

    places = places_of(data)
    problems = Problems()
    loaded = []
    for place in places:
        with problems.file():
            loaded.append((place, formats.load(place, data)))
    problems.check()
    tables = [(place, table, meaning_of(table, data)) for place, table in loaded]
    kinds = {meaning.kind: table.path for _, table, meaning in tables}
    if len(kinds) > 1:
        said = ", and ".join(f"{path} {kind}" for kind, path in kinds.items())
        raise DataError(f"{data.texts}: holds records of several kinds: {said}; set `kind`, or name one file")
    return build(tables, data)


def sha256(data: TextData) -> str:
    """sha256 over names and bytes of all files that are read, with the splits that settings give them.

    Raises:
        DataError: a file is missing, or there is nothing that is read.
    """
    from synthgen.readers.texts.places import places_of

    digest = hashlib.sha256()
    root = local_path(data.texts)
    for place in places_of(data):
        try:
            with open(place.path, "rb") as file:
                inner = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise DataError(f"{place.path}: cannot be read: {error.strerror or error}") from None
        below = root in place.path.parents
        name = place.path.relative_to(root).as_posix() if below else place.path.name
        digest.update(f"{place.split or ''}\0{name}\0{inner.hexdigest()}\0".encode())
    return digest.hexdigest()
