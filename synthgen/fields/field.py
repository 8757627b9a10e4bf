"""What a field is: the one class that answers every question about a named column of a dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

from synthgen.fields.cells import Column
from synthgen.fields.shown import Shown


class Field(Protocol):
    """A named column's type: how a value is checked, stored, put into tables, described and shown.

    A field is a frozen dataclass that inherits from this class, registered under `synthgen.fields` by its `type`.
    It must say `type`, `check`, `encode`, `decode`, `arrow`, `hf_feature` and `text`; all else has a default.

    Attributes:
        type: its name in manifests, and among the plug-ins.
        croissant_type: what Croissant calls one value.
        repeated: a sample has several such values.
        ragged: arrays have another length in each sample, so that a batch of them is a list.
        is_number: a value is one number, which may stand under a sample's image as scores do.
        transformed: `synthgen.load(transform=...)` is called with each value.
    """

    __slots__ = ()

    type: ClassVar[str]
    croissant_type: ClassVar[str] = "sc:Text"
    repeated: ClassVar[bool] = False
    ragged: ClassVar[bool] = False
    is_number: ClassVar[bool] = False
    transformed: ClassVar[bool] = False

    # One value.

    def check(self, name: str, value: Any) -> None:
        """Raises DataError, which calls the field `name`, unless `value` is one that a part may return."""
        ...

    @property
    def refers_to(self) -> str:
        """The field of the same sample whose value this one's is about, as spans are about a text; empty if none."""
        return ""

    def check_beside(self, name: str, value: Any, other: Any) -> None:
        """Raises DataError unless a value that `check` accepts fits the one of field `refers_to` in its sample."""
        return

    def encode(self, value: Any) -> Any:
        """The stored form, the same for every writer: bytes, or what JSON can hold."""
        ...

    def decode(self, stored: Any) -> Any:
        """The inverse of `encode`; a JSON value may also come as the bytes of its text, if there is a `suffix`."""
        ...

    @property
    def suffix(self) -> str | None:
        """Ending of the value's own file in a tar; None if it stands in the sample's `.json` file."""
        return None

    def from_member(self, raw: bytes) -> Any:
        """The stored form of a value whose own file in a tar has these bytes, if there is a `suffix`."""
        return raw

    @property
    def raw_bytes(self) -> int:
        """Size of a value without compression, 0 if it is small: an estimate of the disk space that is needed."""
        return 0

    def n_missing(self, value: Any) -> int:
        """How many numbers in a value are missing (NaN)."""
        return 0

    def recorded(self, value: Any) -> Any:
        """A condition's value as JSON, for the index and the sample's `meta`; None leaves it out, as pixels are."""
        stored = self.encode(value)
        return None if isinstance(stored, bytes) else stored

    def with_image_format(self, image_format: str) -> Self:
        """The same field, its images stored in another format of files; itself if that does not concern it."""
        return self

    # Tables: all values of a column at once.

    def arrow(self) -> Any:
        """The pyarrow type of a cell."""
        ...

    def hf_feature(self) -> dict[str, Any]:
        """The feature, as JSON, that Hugging Face datasets read from a Parquet file."""
        ...

    def to_cells(self, stored: Sequence[Any], keys: Sequence[str]) -> Any:
        """A pyarrow array of stored values; `keys` are those of their samples."""
        import pyarrow as pa

        return pa.array(stored, type=self.arrow())

    def from_cells(self, cells: Any) -> Sequence[Any]:
        """The stored values that `to_cells` made a pyarrow array of."""
        found: list[Any] = cells.to_pylist()
        return found

    def column_metadata(self) -> Mapping[str, str] | None:
        """What the column of a Parquet file says about itself, as JSON texts."""
        return None

    def columns(self, name: str) -> Sequence[Column]:
        """The columns of the field called `name` in a table of numbers and words; none if it has no place there."""
        return ()

    @property
    def n_rows(self) -> int:
        """How many rows of such a table a value has: one for the sample, or one for each step."""
        return 1

    def rows(self, value: Any) -> Sequence[Any]:
        """For each of `columns`, the `n_rows` cells of a value: a list or a 1-D array."""
        return ()

    # Descriptions.

    def describe(self) -> dict[str, Any]:
        """The field as JSON values, of which `from_description` makes it again: `type`, and the dataclass's fields."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        lists = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {"type": self.type, **lists}

    @classmethod
    def from_description(cls, values: Mapping[str, Any]) -> Self:
        """The field that `describe()` described, `type` left out."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})

    def text(self, quote: Callable[[str], str]) -> str:
        """What it holds, as a line of the card; names that users chose are quoted by `quote`."""
        ...

    def class_rows(self) -> Sequence[Mapping[str, str]]:
        """Rows of the card's table of the classes of pixels: `id`, `class`, `kind`, and `colour` if all have one.

        Empty if `text` says all of it.
        """
        return ()

    def task(self, schema: Mapping[str, Field]) -> str:
        """The hub's word for what a dataset with these fields is good for because of this one; empty if for nothing."""
        return ""

    # What is counted.

    @property
    def sample_classes(self) -> tuple[str, ...]:
        """Names of the classes that samples are counted and grouped by, in id order; empty if it gives no class."""
        return ()

    @property
    def object_classes(self) -> tuple[str, ...]:
        """Names of the classes of objects or events that a value holds several of; empty if it holds none."""
        return ()

    def objects(self, stored: Any) -> Sequence[str]:
        """The class of every object in a stored value."""
        return ()

    @property
    def pixel_classes(self) -> tuple[str, ...]:
        """Names of the classes that pixels of a value have, in id order; empty if it is no class map."""
        return ()

    @property
    def region_classes(self) -> tuple[str, ...]:
        """Names of the classes that a value has pixels of, in id order; empty if it has no regions without objects."""
        return ()

    def pixels(self, stored: Any) -> Mapping[str, int]:
        """Pixels of each class in a stored value, those with none left out; `background` and `unknown` are among them.

        Together they are all pixels. Empty if it has no `region_classes`.
        """
        return {}

    # What people look at.

    @property
    def shown(self) -> Shown | None:
        """How values are shown in previews and reports; None if they are not."""
        return None

    def show(self, value: Any) -> Any:
        """What `shown` draws, made of a decoded value."""
        return value
