"""`use: slot-values`: utterances of classes by quota that mention values of slots, each as often as the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field as Setting

from synthgen.base.settings import Settings
from synthgen.conditions import scored_quotas
from synthgen.conditions.decks import Deck, Share
from synthgen.conditions.quotas import Quotas
from synthgen.conditions.scored_quotas import QuotaSetting
from synthgen.conditions.value_lists import ValueList, Values, load_all, sources_of
from synthgen.errors import DataError
from synthgen.fields import Field, Label, Text
from synthgen.models.text import roles
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown

EVERY = "*"
"""Stands for all classes."""


class SlotValues:
    """A class, and a value for each of its slots: fields `label` and `slot: <name>`.

    A field is empty where a sample has no such slot; a model then generates a text without it.
    Classes have exact counts, as with `classes`. In the samples of a class every value of a slot comes equally often,
    or as its weight says, whatever the others are.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: slot-values`."""

        quotas: QuotaSetting = Setting(
            description="Samples of each class; `text` for a model without classes; or `{by: scores.parquet, samples: "
            "1000}`, more of those classes that a model of yours is bad at.",
        )
        slots: dict[str, dict[str, Values]] = Setting(
            min_length=1,
            description="For each class, or `*` for all, its slots: a list of values, values with whole weights, or a "
            "text file with a value on each line.",
        )
        optional: dict[str, Annotated[float, Setting(gt=0, lt=1)]] = Setting(
            default={}, description="Share of the samples that have a slot, in hundredths; by default all have it."
        )
        seed: int = Setting(default=0, description="How values are shuffled.")
        licence: str = Setting(default="unknown", description="Licence of the files of values, for the card.")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._quotas = Quotas(scored_quotas.counts_of(config.quotas))
        self.samples = self._quotas.total
        self._lists = _lists(config, self._quotas.names)
        names = dict.fromkeys(slot for slots in self._lists.values() for slot in slots)
        self.fields: Mapping[str, Field] = {
            "label": Label(self._quotas.names),
            **{roles.slot(name): Text() for name in names},
        }
        self._decks = {
            (cls, slot): Deck(values.weights, config.seed, f"{cls}:{slot}")
            for cls, slots in self._lists.items()
            for slot, values in slots.items()
        }
        self._shares = {
            (cls, slot): Share(config.optional[slot], config.seed, f"{cls}:{slot}")
            for cls, slot in self._decks
            if slot in config.optional
        }

    def identity(self) -> dict[str, Any]:
        lists = {cls: {slot: each.identity for slot, each in slots.items()} for cls, slots in self._lists.items()}
        classes = {"classes": list(self._quotas.names), "proportions": self._quotas.proportions}
        return {**classes, "slots": lists, "optional": dict(self.config.optional), "seed": self.config.seed}

    @property
    def sources(self) -> list[Source]:
        lists = sources_of((each for slots in self._lists.values() for each in slots.values()), self.config.licence)
        return [*lists, *scored_quotas.sources_of(self.config.quotas)]

    def class_counts(self, n: int) -> list[int]:
        return self._quotas.counts(n)

    def condition(self, index: int) -> tuple[dict[str, Any], None]:
        label, rank = self._quotas.at(index), self._quotas.rank(index)
        values: dict[str, Any] = dict.fromkeys(self.fields, "")
        name = self._quotas.names[label]
        for slot, known in self._lists[name].items():
            share = self._shares.get((name, slot))
            place = share.rank(rank) if share else rank
            if place is not None:
                values[roles.slot(slot)] = known.values[self._decks[name, slot].at(place)]
        return {**values, "label": label}, None


def _lists(config: SlotValues.Config, classes: Sequence[str]) -> dict[str, dict[str, ValueList]]:
    """The values of each slot of each class, those of all classes first.

    Raises:
        DataError: everything that is wrong with them.
    """
    problems: list[str] = []
    loaded: dict[str, dict[str, ValueList]] = {}
    for cls, slots in config.slots.items():
        if cls != EVERY and cls not in classes:
            problems.append(f"slots: {unknown(cls, [*classes, EVERY], 'class')}")
        try:
            loaded[cls] = load_all(slots, f"slots: {cls}")
        except DataError as error:
            problems += error.messages
    names = {slot for slots in config.slots.values() for slot in slots}
    problems += [f"optional: {unknown(name, sorted(names), 'slot')}" for name in config.optional if name not in names]
    if problems:
        raise DataError(*problems)
    return {cls: {**loaded.get(EVERY, {}), **loaded.get(cls, {})} for cls in classes}
