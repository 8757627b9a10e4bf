"""What may be asked of a part: one Protocol a role. A plug-in implements one of these; no base class is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

from synthgen.fields import Columns, Schema
from synthgen.parts.problem import Problem


@dataclass(frozen=True, slots=True)
class Slot:
    """Sample number `index` of the dataset and what it must show, fixed before anything is generated.

    `condition` maps the condition's field names to values. `family` names the group of slots
    that share a condition's source and must land in one split; None for a group of its own.
    """

    index: int
    condition: Mapping[str, Any]
    split: str
    family: str | None = None

    @property
    def key(self) -> str:
        """The sample's name in every file, `[a-z0-9]+`, sorting as the index does."""
        return f"s{self.index:09d}"


@dataclass(frozen=True, slots=True)
class Source:
    """A model or data set that the samples stand on: goes into the digest, the card and the licence list."""

    kind: str  # "model" or "data"
    name: str
    sha256: str
    licence: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Part(Protocol):
    """What every role shares. The constructor takes the part's validated `Config` and loads no weights.

    A part that stands on somebody's weights also has `smoke(settings) -> settings`, a static method
    that names a small model with random weights instead: for trying out a recipe.
    """

    version: ClassVar[int]

    def identity(self) -> Mapping[str, Any]:
        """Everything that decides this part's output, as JSON values; hashes stand for weights and data."""
        ...

    @property
    def sources(self) -> Sequence[Source]: ...


class Condition(Part, Protocol):
    """Decides what each slot must show, as a function of the slot's index alone.

    A condition may also have `class_counts(n) -> Sequence[int] | None`: how many of the first `n` slots have each class
    of its first label field, None if it does not know; else slots are counted one by one.
    """

    fields: Schema

    @property
    def samples(self) -> int | None:
        """The natural size of the dataset (the sum of the quotas), None if there is none."""
        ...

    def condition(self, index: int) -> tuple[Mapping[str, Any], str | None]:
        """The condition of slot `index` and its family; the same for every size of the dataset."""
        ...


class Sampler(Part, Protocol):
    """Draws data fields for slots from seeds. Sample i depends on slots[i] and seeds[i] and on nothing else.

    `fields` is final after `bind`; with problems, it may be empty, which means that it is not known.
    """

    fields: Schema

    def bind(self, condition: Schema) -> Sequence[Problem]:
        """Accepts the condition's fields before any weights are loaded; returns the problems found.

        It may be called again, with other fields.
        """
        ...

    def setup(self, device: str) -> None: ...
    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns: ...


class Annotator(Part, Protocol):
    """Labelers and scorers alike: read columns, add fields, change nothing.

    `bind` gets the fields that exist when the annotator runs (condition fields are named
    `condition.<name>`); after it, `fields` is final. With problems, it may be empty, which means
    that it is not known.

    A scorer may also have `card_notes(totals, n_samples) -> Sequence[str]`: what the sums of its scores over all
    accepted samples say of the dataset, as sentences for its card, without a full stop.
    """

    fields: Schema

    def bind(self, columns: Schema) -> Sequence[Problem]: ...
    def setup(self, device: str) -> None: ...
    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns: ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """One accepted sample in stored form: what writers put into files.

    `values` holds every field's stored form (bytes of an image, an int, a float), in schema
    order; `meta` the JSON values that describe how the sample came to be.
    """

    key: str
    split: str
    values: Mapping[str, Any]
    meta: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """Where a sample stands in a file: first byte and length of its record, or its row number."""

    key: str
    offset: int
    length: int


Record = dict[str, Any]
"""A sample read back from a file: `key`, every field in stored form, `meta`."""


class Writer(Part, Protocol):
    """Packs encoded samples, in the order given, into one file, and reads them back: equal samples give equal bytes.

    A writer whose samples can be read one by one also has `record(raw, schema) -> Record`, a static method that gets
    the bytes of one `Member`, and `trailer`, the number of bytes after the last one. A writer may have
    `keys(file) -> list[str]`, which reads nothing but the keys, and `has_features`: its tables name classes for hubs.

    Attributes:
        suffix: ending of its files; what they are known by in a dataset.
        media_type: of its files.
        is_table: its files are tables with a column for each field, as dataset hubs show them.
        card: a sentence for the dataset's card that says how else its files can be read; `{folder}` stands for the
            first folder that they are in.
    """

    suffix: ClassVar[str]
    media_type: ClassVar[str]
    is_table: ClassVar[bool]
    card: ClassVar[str]

    def write(self, file: BinaryIO, samples: Sequence[Encoded], schema: Schema) -> Sequence[Member]: ...

    @staticmethod
    def records(file: BinaryIO, schema: Schema, skip: int = 0, count: int | None = None) -> Iterator[Record]:
        """The samples of a file in order, `count` of them after the first `skip`."""
        ...


class Exportable(Protocol):
    """A dataset as an exporter reads it.

    Attributes:
        lack: what is missing of an incomplete dataset, empty if nothing is.
        empty: splits without samples.
        notes: what else the user must know, asked for at the end.
    """

    lack: str
    empty: Sequence[str]

    @property
    def notes(self) -> Sequence[str]: ...
    def __len__(self) -> int: ...


class Exporter(Protocol):
    """Copies a finished dataset into the layout that another tool expects.

    Attributes:
        description: the files that it writes, in a few words.
        roles: what `--field ROLE=NAME` may choose a field for.
    """

    description: ClassVar[str]
    roles: ClassVar[Sequence[str]]

    def samples(self, folder: str, split: str | None, fields: Mapping[str, str], allow_incomplete: bool) -> Exportable:
        """The samples that `write` will get. `fields` names the field for a role.

        Raises:
            UsageError: the dataset does not hold what this layout needs.
        """
        ...

    def write(self, samples: Any, out: Path, tick: Callable[[int], Any]) -> Sequence[str]:
        """Writes everything into the new folder `out`, calls `tick` with numbers of samples, and returns notes."""
        ...


class Trainer(Part, Protocol):
    """Makes a model folder from data; resumes by itself from its own checkpoints.

    Those that train a network by gradients derive from `training.trainer.GradientTrainer`: a task with its network,
    batches and losses is all that they add. Their `train` also calls `report(step, metrics)` at every checkpoint.

    A trainer, as a condition, may have `columns() -> Mapping[str, str]`, which says what the columns of its table are
    used as, for `plan` and `run`. A trainer may also have `check() -> Sequence[Problem]`, which says what is wrong with
    its data before any training, `cost(seed: int) -> Cost`, which says what time and memory the training takes on this
    machine, and `sketch(out: Path) -> None`, which writes the model as it is before its first
    step: a recipe that trains its own model is checked against that, so that no training is lost on a class that the
    data do not have.
    """

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path: ...


class Reader(Protocol):
    """Knows real data of one kind; its `Config` is the section `data` of recipes that describes them.

    What samples are read as is between a reader and the parts that ask for its kind of data. A reader may also have
    `scaffold(place: Path, options: Mapping[str, Any]) -> Scaffold | None`, a static method that says whether a folder
    or a file holds data of its kind, and which recipes fit them, for `synthgen init`: see
    `synthgen.readers.scaffolding`.
    """

    def __init__(self, config: Any) -> None: ...

    @staticmethod
    def claims(settings: Mapping[str, Any]) -> bool:
        """Whether a section `data` with these settings is one of this reader's."""
        ...

    def sha256(self) -> str:
        """sha256 over names and bytes of all files that are read, in hex. Raises DataError if one is missing."""
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """A finished dataset and the real data that it is compared with.

    `folder` holds the dataset; `data` are the settings of the section `data` that describes the real data, which
    messages call `name`; `test` names other real test data, None if they are part of `data`. `note` is called with
    what is found on the way.
    """

    folder: str
    data: Mapping[str, Any]
    name: str
    test: str | None
    allow_incomplete: bool
    note: Callable[[str], None]


class Measure(Protocol):
    """Compares a finished dataset with real data; it runs wherever the dataset has the fields that it needs.

    Settings of `evaluate` that its `Config` has are given to it. `needs` says in words which fields it measures. A
    measure may also have `readers`, the names of the readers of the real data that it compares with: it is left out
    where others fit the real data better. And it may have `lack(data: Mapping[str, Any]) -> str`, a static method that
    says what it would miss in a section `data`, before anything is generated: empty if nothing, or if the data are of
    another kind.
    """

    version: ClassVar[int]
    needs: ClassVar[str]

    def __init__(self, config: Any) -> None: ...

    @staticmethod
    def fits(fields: Schema) -> bool:
        """Whether a dataset with these fields has what is measured."""
        ...

    def measure(self, comparison: Comparison) -> Mapping[str, Any]:
        """JSON values by names that no other measure uses, without times: equal datasets give equal values.

        Raises:
            UsageError: the real data or a setting does not suit the dataset.
            DataError: real data and dataset are not alike.
        """
        ...

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        """Lines on what this measure found, for people; empty if none of its values is in `found`."""
        ...
