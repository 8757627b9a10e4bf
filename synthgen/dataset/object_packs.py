"""Packs: small objects of one folder kept together as well, so that reading ten thousand takes tens of requests.

What is in a pack counts only while the object itself still has the tag that it had when it was packed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from synthgen.dataset.layout import PACKS
from synthgen.errors import RecordError

if TYPE_CHECKING:
    from synthgen.dataset.objects import ObjectStorage

WORTH_IT = 50
"""Objects that a driver had to fetch one by one, from which on it packs them for the next reader."""


def read_folder(
    storage: ObjectStorage, tags: Mapping[str, str], fetched: Mapping[str, bytes | None]
) -> Iterator[tuple[str, bytes | None]]:
    """The objects of a folder by name and content, shorter names first, then in order; None for one that went away.

    Args:
        tags: the tag of each object, as it was listed.
        fetched: objects that were read just now.
    """
    for key, group in itertools.groupby(sorted(tags, key=lambda name: (len(name), name)), _pack_of):
        names = list(group)
        packed = _load(storage, key) if len(names) >= WORTH_IT else {}
        texts = {name: packed[name][1].encode() for name in names if name in packed and packed[name][0] == tags[name]}
        unpacked = {name: fetched.get(name) for name in names if name not in texts}
        missing = [name for name in unpacked if name not in fetched]
        unpacked |= zip(missing, storage.read_all(missing), strict=True)
        yield from ((name, texts[name] if name in texts else unpacked[name]) for name in names)
        if storage.held is not None and len(unpacked) >= WORTH_IT:
            _write(storage, key, tags, {**texts, **{name: raw for name, raw in unpacked.items() if raw is not None}})


def _pack_of(name: str) -> str:
    """The pack of an object: one for a thousand numbers, such as `commits/shard-00012345.json`."""
    return f"{PACKS}/{name.replace('/', '-')[: -len('000.json')]}.json"


def _load(storage: ObjectStorage, key: str) -> Mapping[str, Any]:
    with contextlib.suppress(RecordError, ValueError):
        found = json.loads(storage.read(key) or b"{}")
        if isinstance(found, dict) and all(isinstance(text, str) for pair in found.values() for text in pair):
            return found
    return {}


def _write(storage: ObjectStorage, key: str, tags: Mapping[str, str], texts: Mapping[str, bytes]) -> None:
    pairs = {}
    for name, raw in texts.items():
        with contextlib.suppress(UnicodeDecodeError):  # of a damaged object
            pairs[name] = [tags[name], raw.decode()]
    storage.write_pack(key, json.dumps(pairs).encode())
