"""What is said of data before they are used: by `init`, `plan`, `train` and `run`, in the same words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class DataFacts:
    """How data were read, in words.

    Attributes:
        columns: what each column of a table is used as, and why others are left out.
        rows: further facts by name, such as the distance of times and the number of windows.
        notes: sentences on what was decided, and on what should be looked at.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """All of it, a line each."""
        said = "; ".join(f"{role}: {names}" for role, names in self.columns.items())
        return [*([f"columns: {said}"] if said else []), *(f"{k}: {v}" for k, v in self.rows.items()), *self.notes]


def facts_of(parts: Iterable[Any]) -> DataFacts:
    """What the first of `parts` that reads a table says of it; empty if none does."""
    describe = next((part.data_facts for part in parts if hasattr(part, "data_facts")), None)
    found: DataFacts = describe() if describe else DataFacts()
    return found
