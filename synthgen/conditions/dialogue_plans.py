"""`use: dialogue-plans`: what each turn of a dialogue shall do, from plans of one's own or those of real dialogues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from synthgen import seeds
from synthgen.base.settings import Settings
from synthgen.conditions.value_lists import ValueList, Values, load_all, sources_of
from synthgen.errors import DataError
from synthgen.fields import Field, Label, Plan, Text
from synthgen.fields.texts import ROLES
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.texts import reader
from synthgen.readers.texts.reader import TextData
from synthgen.readers.texts.records import Message


class DialoguePlans:
    """A field `plan`: for each turn its role and its acts, with other values where `values` has some.

    All dialogues that have acts are planned before one is planned again, in an order that `seed` shuffles. Samples of
    one dialogue stay in one split. In a dialogue, equal values of a slot get one new value, and others get others, as
    long as there are enough. `origin` says where the dialogue stands.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: dialogue-plans`."""

        plans: str | None = Setting(
            default=None,
            description="A file of dialogues, such as .jsonl, whose messages have `role` and `acts` (lists of `[act, "
            "slot, value]`); they need no `content`. Then `data` are not read.",
        )
        data: TextData | None = Setting(default=None, description="Real dialogues with acts, whose plans are taken.")
        part: Literal["all", "train", "validation", "test"] = Setting(
            default="all", description="Which of the real dialogues: all, or those of one of the splits of `data`."
        )
        values: dict[str, Values] = Setting(
            default={},
            description="New values by slot: a list, values with whole weights, or a text file with a value on each "
            "line. Other slots keep theirs.",
        )
        keep: list[str] = Setting(
            default=["dontcare"], description="Values that are never replaced, whatever their capitals."
        )
        repeats: int = Setting(default=1, ge=1, description="Samples of every dialogue.")
        seed: int = Setting(default=0, description="The order of the dialogues, and how values are drawn.")
        licence: str = Setting(default="unknown", description="Licence of the plans and of files of values.")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._data = _data_of(config)
        texts = reader.read(self._data)
        if texts.dialogues is None:
            raise DataError(f"{self._data.texts}: holds {texts.kind}, and dialogues with acts are needed")
        self._texts = texts if config.plans or config.part == "all" else texts.take(config.part)
        dialogues = self._texts.dialogues or ()
        rows = [row for row, messages in enumerate(dialogues) if any(each.acts for each in messages)]
        if not rows:
            raise DataError(f"{self._data.texts}: no message has `acts`, which are what a plan consists of")
        self._n_without = len(dialogues) - len(rows)
        self._order = np.array(rows)[seeds.generator(seeds.seed_of(config.seed, "plans", 0)).permutation(len(rows))]
        field = _field([dialogues[row] for row in rows])
        self._values = _lists(config, field)
        self._kept = {value.casefold() for value in config.keep}
        self.samples = config.repeats * len(rows)
        label: dict[str, Field] = {"label": Label(texts.classes)} if texts.labels is not None else {}
        self.fields: Mapping[str, Field] = {**label, "plan": field, "origin": Text()}

    def identity(self) -> dict[str, Any]:
        apart = {"texts", "licence", "source"}
        settings = self.config.model_dump(mode="json", include={"part", "keep", "seed"})
        data = self._data.model_dump(mode="json", exclude=apart)
        values = {slot: each.identity for slot, each in self._values.items()}
        return {**settings, "data": data, "values": values, "data_sha256": reader.sha256(self._data)}

    @property
    def sources(self) -> list[Source]:
        data = self._data
        dialogues = Source("data", data.source or data.texts, reader.sha256(data), data.licence)
        return [dialogues, *sources_of(self._values.values(), self.config.licence)]

    def data_facts(self) -> DataFacts:
        """How the dialogues are read and divided, in words."""
        found = self._texts.facts
        left_out = f"{self._n_without:,} dialogues without acts are not planned"
        return DataFacts(found.columns, found.rows, (*found.notes, *([left_out] if self._n_without else [])))

    def condition(self, index: int) -> tuple[dict[str, Any], str]:
        row = int(self._order[index % len(self._order)])
        assert self._texts.dialogues is not None
        values: dict[str, Any] = {
            "plan": self._replaced(self._texts.dialogues[row], index),
            "origin": self._texts.where(row),
        }
        if self._texts.labels is not None:
            values["label"] = int(self._texts.labels[row])
        return {name: values[name] for name in self.fields}, str(row)

    def _replaced(self, messages: tuple[Message, ...], index: int) -> list[dict[str, Any]]:
        """The turns of a plan, with the new values of sample `index`."""
        draws = {slot: _Draws(each, self.config.seed, slot, index) for slot, each in self._values.items()}

        def value(slot: str, old: str) -> str:
            if slot not in draws or not old or old.casefold() in self._kept:
                return old
            return draws[slot].instead_of(old)

        return [
            {
                "role": message.role,
                "acts": [{"act": act, "slot": slot, "value": value(slot, old)} for act, slot, old in message.acts],
            }
            for message in messages
            if message.role in ROLES
        ]


class _Draws:
    """New values of one slot in one sample: one for each old one."""

    def __init__(self, known: ValueList, seed: int, slot: str, index: int) -> None:
        self._known = known
        self._random = seeds.generator(seeds.seed_of(seed, f"plan:{slot}", index))
        self._ends = np.cumsum(known.weights)
        self._new: dict[str, int] = {}

    def instead_of(self, old: str) -> str:
        key = old.casefold()
        if key not in self._new:
            used = set(self._new.values())
            place = self._draw()
            while place in used and len(used) < len(self._known.values):
                place = self._draw()
            self._new[key] = place
        return self._known.values[self._new[key]]

    def _draw(self) -> int:
        return int(np.searchsorted(self._ends, self._random.integers(self._ends[-1]), side="right"))


def _data_of(config: DialoguePlans.Config) -> TextData:
    if config.plans:
        settings = {"texts": config.plans, "kind": "dialogues", "validation": 0, "licence": config.licence}
        return TextData.model_validate(settings)
    if config.data is None:
        raise DataError("needs `plans`, a file of planned dialogues, or `data`, real dialogues with acts")
    return config.data


def _field(dialogues: list[tuple[Message, ...]]) -> Plan:
    """The field of all plans: its roles, and each act with its slot and how many dialogues have it."""
    of_each = ({(act.act, act.slot) for message in messages for act in message.acts} for messages in dialogues)
    counts = Counter(pair for pairs in of_each for pair in pairs)
    pairs = sorted(counts)
    there = {message.role for messages in dialogues for message in messages}
    return Plan(
        tuple(role for role in ROLES if role in there),
        tuple(act for act, _ in pairs),
        tuple(slot for _, slot in pairs),
        tuple(counts[pair] for pair in pairs),
    )


def _lists(config: DialoguePlans.Config, plan: Plan) -> dict[str, ValueList]:
    """The lists of new values. Raises DataError with everything that is wrong with them."""
    slots = sorted(set(plan.slots) - {""})
    wrong = [slot for slot in config.values if slot not in slots]
    problems = [f"values: {unknown(slot, slots, 'slot of the dialogues')}" for slot in wrong]
    try:
        found = load_all(config.values, "values")
    except DataError as error:
        problems += error.messages
    if problems:
        raise DataError(*problems)
    return found
