"""The records of a dataset: what is written, and what is believed when it is read back.

A dataset may come from anywhere. A record is used only if every value has its type and range, if it agrees with
itself, and if it names nothing but the files that a shard of its number has.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Protocol

import pydantic
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from synthgen.base.json_files import adapter, checked, signed, unsigned
from synthgen.dataset.layout import possible_paths
from synthgen.errors import RecordError

FORMAT = 3
"""Of commits. 2: they end with the sha256 of all that is before it. 3: they hold the epoch. Older ones are read too."""

Json = dict[str, Any]
Count = Annotated[int, Field(ge=0, lt=1 << 53, strict=True)]
ShardNumber = Annotated[int, Field(ge=0, lt=1 << 40, strict=True)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=1 << 20)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]*$", max_length=200)]
Split = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=200)]
StagedName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-]+/)?[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]


class Closed(BaseModel):
    """JSON whose keys are all known, every value of its type."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Open(BaseModel):
    """JSON that may hold other keys as well."""

    model_config = ConfigDict(strict=True, extra="allow")


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


class Slot(Open):
    """A slot that ran out of tries; also holds its condition."""

    key: Text
    index: Count
    tries: Count


@dataclass(frozen=True, slots=True)
class Region:
    """What a shard or a dataset has of a class of regions: pixels, and samples with at least one of them."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    pixels: Count
    images: Count


@dataclass(frozen=True, slots=True)
class Commit:
    """The record that makes a shard exist. It holds no times and no host names: those go to the log.

    `epoch` is that of the lease under which it was written. It stays out of the manifest, whose content is the same
    however often a run was resumed.
    """

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
    regions: Mapping[str, Region] = field(default_factory=dict)  # left out if no field has regions
    epoch: Count = 0  # 0 in records from before it was kept
    format: Annotated[int, Field(ge=1, le=FORMAT, strict=True)] = FORMAT

    def is_final(self, n_slots: int, tries: int) -> bool:
        """Whether the shard is what a plan asks for and another run could not improve it."""
        return self.n_slots >= n_slots and all(slot["tries"] >= tries for slot in self.short)

    def to_json(self) -> bytes:
        values = asdict(self)
        if self.format < 3:
            del values["epoch"]
        if not self.regions:
            del values["regions"]
        text = json.dumps(values, sort_keys=True, indent=1).removesuffix("\n}")
        return b"".join(signed([text.encode()])) if self.format >= 2 else f"{text}\n}}\n".encode()

    @classmethod
    def from_json(cls, raw: bytes, shard: int) -> Commit:
        """The record of shard number `shard`.

        Raises:
            RecordError: `raw` is no valid record of it.
            NewerFormatError: a newer synthgen wrote it.
        """
        data = unsigned(raw, FORMAT)
        record: Commit = checked(_COMMIT, data)
        check([*_commit_problems(record), *file_problems(shard, record.accepted, record.files)])
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
    if any(not 0 < region.images <= min(record.accepted, region.pixels) for region in record.regions.values()):
        yield "its regions are in more samples than it has"


def file_problems(shard: int, accepted: int, files: Sequence[_File]) -> Iterator[str]:
    """Files that a shard of this number and size does not have: their names follow from what they are."""
    samples: dict[str, int] = defaultdict(int)
    for file in files:
        if file.path not in possible_paths(shard, file.kind, file.split):
            yield f"names the file {file.path!r}, and shard {shard} has none of that name"
        samples[file.kind] += file.samples
    if len({file.path for file in files}) != len(files) or sum(file.kind == "index" for file in files) != 1:
        yield "does not name one index and every other file once"
    if set(samples.values()) != {accepted} or (accepted and len(samples) < 2):
        yield f"its files do not hold its {accepted} samples"


class Selection(Closed):
    """selections/<name>.json."""

    format: int
    name: Text
    digest: Sha256
    contents: Sha256
    samples: Count
    kept: Count
    how: Json
    left_out: dict[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")], dict[Text, Text]]


class Asked(Open):
    """A line of log/runs.jsonl: what a run was asked for."""

    samples: Annotated[int, Field(ge=1, lt=1 << 53)]
    name: Word = ""
    command: Text = ""
    folder: Text = "."


class Timing(Open):
    """A line of log/shards.jsonl, of a shard that was rendered."""

    seconds: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]


class Lease(Closed):
    """.synthgen/lease.json: the right of a driver to write. `epoch` is larger than that of every lease before it."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[Word, Field(min_length=1)]
    epoch: Count


class LeaseObject(Closed):
    """.synthgen/lease.json in an object store: the lease, and the driver that holds it while it is `live`.

    `beats` grows while the driver lives.
    """

    model_config = ConfigDict(frozen=True)

    id: Annotated[Word, Field(min_length=1)]
    epoch: Count
    live: bool
    beats: Count
    pid: Annotated[int, Field(ge=1, lt=1 << 31)]
    born: Word
    host: Text
    pid_namespace: Text


class Lock(Closed):
    """.synthgen/lock: who writes to the folder."""

    id: Word
    pid: Annotated[int, Field(ge=1, lt=1 << 31)]
    born: Word
    host: Text
    pid_namespace: Text


class Failed(Open):
    """failures/shard-<number>.json."""

    shard: ShardNumber
    cause: Text
    message: Annotated[Text, Field(min_length=1)]


class Compared(Open):
    """reports/evaluation.json."""

    asked: Json
    found: Json


class BatchSize(Closed):
    """.synthgen/batch_size.json."""

    batch_size: Annotated[int, Field(ge=1, lt=1 << 31)]


def check(problems: Iterable[str]) -> None:
    """Raises RecordError with the first problem, if there is one."""
    for problem in problems:
        raise RecordError(problem)
