"""The entities that a model was trained on: their names, static columns and windows, and which of them a series is of.

Shapes: E entities, S static columns of the table, N series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from synthgen import seeds as streams
from synthgen.fields import Schema, Series, Text
from synthgen.models.series.calendar import Calendar, Runs


@dataclass(frozen=True, slots=True)
class Member:
    """The training windows of an entity that are of one class.

    Attributes:
        entity: the entity's number; label: the class id.
        n_windows: how many there are; starts: when they began, empty if times are no real times.
    """

    entity: int
    label: int
    n_windows: int
    starts: Runs


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entity that a series may be of.

    Attributes:
        entity: its number.
        weight: how likely it is: by its training windows, or by those that began when they are asked to.
        starts: int64 (M,), when the series may begin; None if the model knows no real times.
    """

    entity: int
    weight: int
    starts: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Entities:
    """Whose series a model was trained on.

    Attributes:
        names: E of them; static: float64 (E, S), their static columns, NaN where unknown.
        members: their training windows by class.
        known: whether the network knows which entity a series is of. Else a name only says whose static columns it has.
        n_more: further entities that it was trained on and that are not stored.
    """

    names: tuple[str, ...]
    static: np.ndarray
    members: tuple[Member, ...]
    known: bool
    n_more: int

    @classmethod
    def of(cls, index: Mapping[str, Any]) -> Self | None:
        """The entities in a model's index, None if it was trained without any."""
        stored = index.get("entities")
        if not stored:
            return None
        names = tuple(str(name) for name in stored["names"])
        static = np.array(stored["static"], dtype=np.float64).reshape(len(names), -1)  # None is NaN
        members = tuple(
            Member(int(entity), int(label), int(n), [(int(a), int(b), int(c)) for a, b, c in starts])
            for entity, label, n, starts in stored["members"]
        )
        return cls(names, static, members, bool(stored["known"]), int(stored["n_more"]))

    def stored(self) -> dict[str, Any]:
        """What the index of a model holds of them."""
        return {
            "names": list(self.names),
            "static": [[None if np.isnan(number) else number for number in row] for row in self.static.tolist()],
            "members": [[m.entity, m.label, m.n_windows, [list(run) for run in m.starts]] for m in self.members],
            "known": self.known,
            "n_more": self.n_more,
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the model's static columns that say which entity it is, behind those of the table; none, or E."""
        return tuple(f"entity={name}" for name in self.names) if self.known else ()

    def one_hot(self, names: Sequence[str | None]) -> np.ndarray:
        """float32 (N, E): 1 in the column of an entity, else 0; NaN in all columns of an unknown one."""
        place = {name: number for number, name in enumerate(self.names)}
        numbers = np.array([-1 if name is None else place.get(name, -1) for name in names], dtype=np.int64)
        found = np.eye(len(self.names) + 1, len(self.names), dtype=np.float32)[numbers]
        found[numbers < 0] = np.nan
        return found

    def beside(self, given: Mapping[str, np.ndarray], names: Sequence[str | None]) -> dict[str, np.ndarray]:
        """`static` (N, S + E) of a model: the table's columns that are `given`, if any, and behind them whose it is.

        Nothing if the network does not know its entities.
        """
        if not self.known:
            return {}
        made = self.one_hot(names)
        return {"static": np.concatenate([given["static"], made], -1) if "static" in given else made}

    def static_field(self, names: Sequence[str]) -> Series:
        """The field of the table's static columns, which are called so."""
        finite = self.static[np.isfinite(self.static)]
        exact = np.array_equal(finite, finite.astype(np.float32))
        return Series(1, tuple(names), ("1",) * len(names), "float32" if exact else "float64")

    def candidates(
        self, label: int, asked: Sequence[str], calendar: Calendar | None, at: Mapping[str, Sequence[Any]]
    ) -> list[Candidate]:
        """Those that a series of a class may be of.

        Args:
            asked: names of entities, one of which it must be; any if there are none.
            at: clock times at which it must begin, as those of `Calendar.starts_of`.
        """
        found = []
        for member in self.members:
            if member.label == label and (not asked or self.names[member.entity] in asked):
                starts = calendar.accepted(member.starts, at) if calendar else None
                weight = len(starts) if starts is not None and at else member.n_windows
                if weight:
                    found.append(Candidate(member.entity, weight, starts))
        return found


def choose(candidates: Sequence[Candidate], seed: int) -> Candidate:
    """One of them by the seed of a sample, each as likely as its weight says."""
    ends = np.cumsum([candidate.weight for candidate in candidates])
    number = streams.generator(streams.seed_of(seed, "entity", 0)).integers(ends[-1])
    return candidates[int(np.searchsorted(ends, number, side="right"))]


def whose(columns: Schema) -> str | None:
    """The column that says of which entity a series is: the sampler's, or else the condition's; None if none does."""
    names = ("entity", "condition.source")
    return next((name for name in names if isinstance(columns.get(name), Text)), None)


def asked_of(index: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Names of the `covariates` and `static` numbers that a model must be given, by its index. Those of its calendar
    and of its entities it computes. What it needs none of is left out."""
    calendar, entities = Calendar.of(index), Entities.of(index)
    computed = {
        "covariates": len(calendar.names) if calendar else 0,
        "static": len(entities.columns) if entities else 0,
    }
    names = {name: tuple(index[name])[: len(index[name]) - n] for name, n in computed.items()}
    return {name: some for name, some in names.items() if some}
