"""Whose series a sampler of series generates: as the condition says, or an entity chosen by the seed of each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.fields import Field, Schema, Text
from synthgen.models import folders
from synthgen.models.series.calendar import Calendar
from synthgen.models.series.entities import Candidate, Entities, asked_of, choose
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot
from synthgen.parts.registry import unknown

OF_SOMEBODY = {"series", "known", "real", "static"}
"""What belongs to an entity: a condition that gives some of it without saying whose it is leaves no choice."""


class SeriesEntities:
    """The entities of a model, and which of them its series are of.

    Args:
        model: its name, for messages; index: its index; asked: names of entities, any if there are none.
    """

    def __init__(self, model: str, index: Mapping[str, Any], asked: Sequence[str]) -> None:
        self._model, self._index, self._asked = f"model {model}", index, asked
        self.known = Entities.of(index)
        self._static_names = asked_of(index).get("static", ())
        self._sourced = False
        self.chooses = self.known is not None
        self._candidates: Mapping[int, Sequence[Candidate]] = {}

    def see(self, condition: Schema, given: Sequence[str]) -> None:
        """Looks at who says whose series are: the condition, of which the sampler uses what is `given`, or nobody."""
        self._sourced = bool(given) and isinstance(condition.get("source"), Text)
        self.chooses = self.known is not None and not self._sourced and not OF_SOMEBODY & {*given}

    @property
    def fields(self) -> dict[str, Field]:
        """`entity` and `static` beside a series whose entity is chosen."""
        if not self.chooses or self.known is None:
            return {}
        static = {"static": self.known.static_field(self._static_names)} if self._static_names else {}
        return {"entity": Text(), **static}

    def bind(self, labels: Sequence[int], calendar: Calendar | None, at: Mapping[str, Sequence[Any]]) -> list[Problem]:
        """What is wrong with the entities asked for; finds those that a series of each class may be of.

        Args:
            labels: class ids that occur; calendar, at: when series may begin, no calendar if that is known already.
        """
        entities, asked = self.known, self._asked
        if entities is None or not self.chooses:
            of_condition = "the condition says whose its series are, or gives what belongs to an entity"
            what = of_condition if entities else f"{self._model}: knows no entities, as those of a table with `entity`"
            return [Problem(f"{what}; leave it out", ("source", "static"), ("entity",))] if asked else []
        if wrong := [unknown(name, entities.names, "entity") for name in asked if name not in entities.names]:
            more = f"; {entities.n_more:,} more of its training are not stored" if entities.n_more else ""
            return [Problem(f"{self._model}: {text}{more}", place=("entity",)) for text in wrong]
        self._candidates = {label: entities.candidates(label, asked, calendar, at) for label in labels}
        return [self._lack(entities, label, calendar) for label in labels if not self._candidates[label]]

    def _lack(self, entities: Entities, label: int, calendar: Calendar | None) -> Problem:
        """Why a series of a class can be of no entity."""
        name, of_class = folders.names_in_order(self._index)[label], entities.candidates(label, (), None, {})
        if not of_class:
            return Problem(f"{self._model}: no training window is of class `{name}`", ("label",))
        if not entities.candidates(label, self._asked, None, {}):
            those = unknown(", ".join(self._asked), [entities.names[each.entity] for each in of_class], "entity")
            return Problem(f"{self._model}: class `{name}`: {those}", ("label",), ("entity",))
        assert calendar is not None
        return Problem(f"{self._model}: {calendar.none_began()}", place=("at",))

    def chosen(self, labels: Sequence[int], seeds: Sequence[int]) -> list[Candidate]:
        """The entity of each sample, by its class and seed."""
        return [choose(self._candidates[label], seed) for label, seed in zip(labels, seeds, strict=True)]

    def beside(self, chosen: Sequence[Candidate]) -> dict[str, list[Any]]:
        """Values of `fields`."""
        assert self.known is not None
        names = [self.known.names[each.entity] for each in chosen]
        if not self._static_names:
            return {"entity": names}
        dtype = self.known.static_field(self._static_names).dtype
        return {"entity": names, "static": [self.known.static[each.entity][None].astype(dtype) for each in chosen]}

    def identity(
        self, given: Mapping[str, np.ndarray], beside: Mapping[str, Sequence[Any]], slots: Sequence[Slot]
    ) -> dict[str, np.ndarray]:
        """`static` numbers (N, S + E) of a model that knows whose a series is, as `Entities.beside` has them.

        Args:
            given: for the network already; beside: fields of the chosen entities, nothing if none are chosen.
        """
        if self.known is None:
            return {}
        if self.chooses:
            return self.known.beside(given, beside["entity"])
        return self.known.beside(given, [slot.condition["source"] if self._sourced else None for slot in slots])
