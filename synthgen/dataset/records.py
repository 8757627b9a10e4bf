"""The records in a dataset's folder: what is written, and what is believed when it is read back.

A folder may come from anywhere. A record is used only if every value has its type and range, if it agrees with
itself, and if it names nothing but the files that a shard of its number has.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

import pydantic
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from synthgen.base.json_files import FORMAT, adapter, canonical, checked, load_bytes, signed, unsigned
from synthgen.errors import NewerFormatError, PluginError, RecordError, SynthgenError
from synthgen.parts.fields import from_description
from synthgen.recipe import rules

FOLDERS = ("data", "index", "commits", "failures", "log", "reports", "selections", ".synthgen", ".synthgen/staging")
"""Folders that every dataset may have; files of other kinds than tar stand in one named for their suffix."""

Json = dict[str, Any]
Count = Annotated[int, Field(ge=0, lt=1 << 53, strict=True)]
ShardNumber = Annotated[int, Field(ge=0, lt=1 << 40, strict=True)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=1 << 20)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]*$", max_length=200)]
Split = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=200)]
StagedName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-]+/)?[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One file of a shard. `staged` is its name below `.synthgen/staging` until it is published under `path`."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    path: Text
    kind: Word
    split: Word
    samples: Count
    bytes: Count
    sha256: Sha256
    staged: StagedName


class Slot(BaseModel):
    """A slot that ran out of tries; also holds its condition."""

    model_config = ConfigDict(strict=True, extra="allow")

    key: Text
    index: Count
    tries: Count


@dataclass(frozen=True, slots=True)
class Commit:
    """The record that makes a shard exist. It holds no times and no host names: those go to the log."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    digest: Sha256
    shard: ShardNumber
    n_slots: Count
    accepted: Count
    tries: Count
    rejected: Mapping[str, Count]
    classes: Mapping[str, Count]
    short: Sequence[Mapping[str, Any]]
    environment: Word
    files: Sequence[ShardFile]
    batch_size: Count = 0  # 0 in records from before it was kept: the recipe's
    objects: Mapping[str, Count] = field(default_factory=dict)  # empty in records from before they were counted
    format: Annotated[int, Field(ge=1, le=FORMAT, strict=True)] = FORMAT

    def is_final(self, n_slots: int, tries: int) -> bool:
        """Whether the shard is what a plan asks for and another run could not improve it."""
        return self.n_slots >= n_slots and all(slot["tries"] >= tries for slot in self.short)

    def to_json(self) -> bytes:
        text = json.dumps(asdict(self), sort_keys=True, indent=1).removesuffix("\n}")
        return b"".join(signed([text.encode()])) if self.format >= 2 else f"{text}\n}}\n".encode()

    @classmethod
    def from_json(cls, raw: bytes, shard: int) -> Commit:
        """The record of shard number `shard`.

        Raises:
            RecordError: `raw` is no valid record of it.
            NewerFormatError: a newer synthgen wrote it.
        """
        data = unsigned(raw)
        record: Commit = checked(_COMMIT, data)
        _check([*_commit_problems(record), *_file_problems(shard, record.accepted, record.files)])
        if record.shard != shard:
            raise RecordError(f"is the record of shard {record.shard}")
        return record


_COMMIT = pydantic.TypeAdapter(Commit)


class _File(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def samples(self) -> int: ...


def _commit_problems(record: Commit) -> Iterator[str]:
    for slot in record.short:
        checked(adapter(Slot), dict(slot))
    if record.accepted + len(record.short) != record.n_slots or not record.n_slots:
        yield f"{record.accepted} samples and {len(record.short)} short slots are not {record.n_slots} slots"
    if record.accepted + sum(record.rejected.values()) != record.tries:
        yield "accepted and rejected tries are not all tries"
    if record.classes and sum(record.classes.values()) != record.accepted:
        yield "the samples of its classes are not all samples"


def _file_problems(shard: int, accepted: int, files: Sequence[_File]) -> Iterator[str]:
    """Files that a shard of this number and size does not have: their names follow from what they are."""
    samples: dict[str, int] = defaultdict(int)
    for file in files:
        if file.path not in _paths(shard, file):
            yield f"names the file {file.path!r}, and shard {shard} has none of that name"
        samples[file.kind] += file.samples
    if len({file.path for file in files}) != len(files) or sum(file.kind == "index" for file in files) != 1:
        yield "does not name one index and every other file once"
    if set(samples.values()) != {accepted} or (accepted and len(samples) < 2):
        yield f"its files do not hold its {accepted} samples"


def _paths(shard: int, file: _File) -> tuple[str, ...]:
    """What a shard's file of this kind and split may be called."""
    if not file.split:
        return (index_path(shard),)
    if file.kind in FOLDERS or not re.fullmatch(r"[a-z][a-z0-9_]*", file.split):
        return ()
    older = f"data/{file.split}/shard-{shard:05d}.{file.kind}"  # before each kind had a folder of its own
    return data_path(file.split, shard, file.kind), older


def data_path(split: str, shard: int, suffix: str) -> str:
    """Where a file of a shard is published, relative to the dataset's folder.

    Tar files are in `data`, others in a folder named for their suffix: readers of whole folders, such as
    `pandas.read_parquet`, take every file for one of theirs.
    """
    return f"{'data' if suffix == 'tar' else suffix}/{split}/shard-{shard:05d}.{suffix}"


def index_path(shard: int) -> str:
    return f"index/shard-{shard:05d}.parquet"


class ManifestFile(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    path: Text
    kind: Word
    split: Word
    samples: Count
    bytes: Count
    sha256: Sha256


class ManifestShard(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    shard: ShardNumber
    slots: Count
    samples: Count
    files: list[ManifestFile]


class Short(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    count: Count
    slots: list[Slot]


class Origin(BaseModel):
    """A model or data behind the samples."""

    model_config = ConfigDict(strict=True, extra="allow")

    kind: Text
    name: Text
    sha256: Text
    licence: Text


class Identity(BaseModel):
    """What a dataset is made from, as far as readers use it."""

    model_config = ConfigDict(strict=True, extra="allow")

    shard_size: Annotated[int, Field(ge=1, lt=1 << 53)]
    splits: Annotated[dict[Split, float], Field(min_length=1)]
    keep: list[Text]
    fields: list[Json]


class Manifest(BaseModel):
    """manifest.json."""

    model_config = ConfigDict(strict=True, extra="allow")

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
    papers: dict[Word, Sha256] = {}


class Selection(BaseModel):
    """selections/<name>.json."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: int
    name: Text
    digest: Sha256
    contents: Sha256
    samples: Count
    kept: Count
    how: Json
    left_out: dict[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")], dict[Text, Text]]


class Asked(BaseModel):
    """A line of log/runs.jsonl: what a run was asked for."""

    model_config = ConfigDict(strict=True, extra="allow")

    samples: Annotated[int, Field(ge=1, lt=1 << 53)]
    name: Word = ""
    command: Text = ""
    folder: Text = "."


class Timing(BaseModel):
    """A line of log/shards.jsonl, of a shard that was rendered."""

    model_config = ConfigDict(strict=True, extra="allow")

    seconds: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]


class Lock(BaseModel):
    """.synthgen/lock: who writes to the folder."""

    model_config = ConfigDict(strict=True, extra="forbid")

    id: Word
    pid: Annotated[int, Field(ge=1, lt=1 << 31)]
    born: Word
    host: Text
    pid_namespace: Text


class Failed(BaseModel):
    """failures/shard-<number>.json."""

    model_config = ConfigDict(strict=True, extra="allow")

    shard: ShardNumber
    cause: Text
    message: Annotated[Text, Field(min_length=1)]


class Compared(BaseModel):
    """reports/evaluation.json."""

    model_config = ConfigDict(strict=True, extra="allow")

    asked: Json
    found: Json


class BatchSize(BaseModel):
    """.synthgen/batch_size.json."""

    model_config = ConfigDict(strict=True, extra="forbid")

    batch_size: Annotated[int, Field(ge=1, lt=1 << 31)]


def load_manifest(path: Path) -> Json | None:
    """The content of a manifest; None if there is none.

    Raises:
        RecordError: it is damaged.
        NewerFormatError: a newer synthgen wrote it.
    """
    raw = load_bytes(path)
    if raw is None:
        return None
    try:
        data = unsigned(raw)
    except NewerFormatError as error:
        raise NewerFormatError(f"{path} {error}; install that version to read it") from None
    manifest: Manifest = checked(adapter(Manifest), data)
    for entry in manifest.shards:
        _check(_file_problems(entry.shard, entry.samples, entry.files))
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


def _check(problems: Iterable[str]) -> None:
    for problem in problems:
        raise RecordError(problem)
