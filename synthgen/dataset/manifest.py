"""The manifest, which defines a sealed dataset, and the identity in it: checked before anything of them is used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from synthgen.base.json_files import FORMAT, adapter, canonical, checked, unsigned
from synthgen.dataset.layout import MANIFEST
from synthgen.dataset.records import (
    Closed,
    Count,
    Json,
    Open,
    Region,
    Sha256,
    ShardNumber,
    Slot,
    Split,
    Text,
    Word,
    check,
    file_problems,
)
from synthgen.dataset.storage import Storage
from synthgen.errors import NewerFormatError, PluginError, RecordError, SynthgenError
from synthgen.parts.fields import from_description
from synthgen.recipe import rules


class ManifestFile(Closed):
    path: Text
    kind: Word
    split: Word
    samples: Count
    bytes: Count
    sha256: Sha256


class ManifestShard(Closed):
    shard: ShardNumber
    slots: Count
    samples: Count
    files: list[ManifestFile]


class Short(Closed):
    count: Count
    slots: list[Slot]


class Origin(Open):
    """A model or data behind the samples."""

    kind: Text
    name: Text
    sha256: Text
    licence: Text


class Identity(Open):
    """What a dataset is made from, as far as readers use it."""

    shard_size: Annotated[int, Field(ge=1, lt=1 << 53)]
    splits: Annotated[dict[Split, float], Field(min_length=1)]
    keep: list[Text]
    fields: list[Json]


class Manifest(Open):
    """manifest.json."""

    format: Annotated[int, Field(ge=1, le=FORMAT)]
    name: Text
    description: Text | None
    digest: Sha256
    smoke: bool
    complete: bool
    samples: Count
    planned: Count
    splits: dict[Split, Count]
    classes: dict[str, Count]
    tries: Count
    regions: dict[str, Region] = Field(default_factory=dict)
    rejected: dict[str, Count]
    short: Short
    missing_shards: list[ShardNumber]
    n_missing_shards: Count
    writers: Annotated[list[Word], Field(min_length=1)]
    fields: list[Json]
    scores: list[Text]
    sources: list[Origin]
    warnings: list[Text]
    local_parts: list[Text]
    environments: list[Word]
    identity: Json
    shards: list[ManifestShard]
    papers: dict[Word, Sha256] = Field(default_factory=dict)
    maker: str | None = None


def load_manifest(storage: Storage) -> Json | None:
    """The content of the manifest; None if there is none.

    Raises:
        RecordError: it is damaged.
        NewerFormatError: a newer synthgen wrote it.
    """
    raw = storage.read(MANIFEST)
    if raw is None:
        return None
    try:
        data = unsigned(raw)
    except NewerFormatError as error:
        raise NewerFormatError(f"{storage.place}/{MANIFEST} {error}; install that version to read it") from None
    manifest: Manifest = checked(adapter(Manifest), data)
    for entry in manifest.shards:
        check(file_problems(entry.shard, entry.samples, entry.files))
    numbers = [entry.shard for entry in manifest.shards]
    if sorted(set(numbers)) != numbers:
        raise RecordError("lists a shard twice, or not in order")
    if identity_digest(data["identity"]) != manifest.digest:
        raise RecordError("its identity does not have the digest that it states")
    check_identity(data["identity"])
    return data


def check_identity(data: Json) -> Json:
    """`data` itself, if it can be the identity of a dataset.

    Raises:
        RecordError: it cannot.
        PluginError: a field of it is of a type that only a plug-in knows, which is not here.
    """
    identity: Identity = checked(adapter(Identity), data)
    try:
        for rule in identity.keep:
            rules.parse(rule, None)
        names = [entry["name"] for entry in identity.fields]
        described = [{k: v for k, v in entry.items() if k != "name"} for entry in identity.fields]
        plain = json.loads(json.dumps([from_description(entry).describe() for entry in described]))
    except PluginError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, SynthgenError) as error:
        raise RecordError(f"a rule or a field of it is not known here ({error})") from None
    if plain != described or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise RecordError("a field of it is described in an unknown way")
    return data


def identity_digest(identity: Mapping[str, Any]) -> str:
    """sha256 of the identity's canonical JSON, in hex: the digest of the dataset."""
    return hashlib.sha256(canonical(identity).encode()).hexdigest()
