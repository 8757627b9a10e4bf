"""`use: facts`: facts of a table that are asked for, each equally often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from synthgen import seeds
from synthgen.base.settings import Settings
from synthgen.conditions.quotas import Quotas
from synthgen.errors import DataError
from synthgen.fields import Field, Label, Text
from synthgen.models.text import roles
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.texts import reader
from synthgen.readers.texts.reader import TextData
from synthgen.readers.texts.sameness import same


class Facts:
    """Fields `relation`, a class, `subject` and `answer`, for a model that generates `question`; `origin` is the row.

    All facts are used before one is used again, in an order that `seed` shuffles; with `relations`, all of a relation.
    Samples on one subject stay in one split.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: facts`."""

        data: TextData = Setting(
            description="A table with the columns subject, relation and answer; a column of questions is not needed."
        )
        part: Literal["all", "train", "validation", "test"] = Setting(
            default="all", description="Which records: all, or those of one of the splits of `data`."
        )
        relations: dict[str, Annotated[int, Setting(ge=1)]] = Setting(
            default={}, description="Samples of each relation; by default as many as there are facts, times `repeats`."
        )
        repeats: int = Setting(default=1, ge=1, description="Samples of every fact, without `relations`.")
        seed: int = Setting(default=0, description="The order of the facts.")

    def __init__(self, config: Config) -> None:
        self.config = config
        data = config.data if config.data.kind else config.data.model_copy(update={"kind": "facts"})
        texts = reader.read(data)
        if texts.kind != "facts":
            raise DataError(f"{data.texts}: holds {texts.kind}, and facts are needed: subject, relation, answer")
        self._data = data
        self._texts = texts if config.part == "all" else texts.take(config.part)
        relations = self._texts.texts[roles.RELATION]
        there = sorted(set(relations))
        if wrong := [name for name in config.relations if name not in there]:
            raise DataError(*(f"{data.texts}: relations: {unknown(name, there, 'relation')}" for name in wrong))
        if config.relations and config.repeats > 1:
            raise DataError("`relations` says how many samples there are; leave out `repeats`")
        self._quotas = Quotas(config.relations) if config.relations else None
        names = self._quotas.names if self._quotas else tuple(there)
        self._ids = np.array([names.index(name) if name in names else -1 for name in relations], dtype=np.int64)
        random = seeds.generator(seeds.seed_of(config.seed, "facts", 0))
        self._order = random.permutation(len(relations))
        self._rows = [self._order[self._ids[self._order] == i] for i in range(len(names))]
        self.samples = self._quotas.total if self._quotas else config.repeats * len(relations)
        label: dict[str, Field] = {"label": Label(texts.classes)} if texts.labels is not None else {}
        self.fields: Mapping[str, Field] = {
            **label,
            roles.RELATION: Label(names),
            roles.SUBJECT: Text(),
            roles.ANSWER: Text(),
            "origin": Text(),
        }

    def identity(self) -> dict[str, Any]:
        apart = {"texts", "licence", "source"}
        settings = self.config.model_dump(mode="json", exclude={"repeats": True, "relations": True, "data": apart})
        quotas = self._quotas
        asked = {"relations": list(quotas.names), "proportions": quotas.proportions} if quotas else {}
        return settings | asked | {"data_sha256": reader.sha256(self._data)}

    @property
    def sources(self) -> list[Source]:
        data = self._data
        return [Source("data", data.source or data.texts, reader.sha256(data), data.licence)]

    def data_facts(self) -> DataFacts:
        """How the texts are read and divided, in words."""
        return self._texts.facts

    def class_counts(self, n: int) -> list[int] | None:
        if "label" in self.fields:
            return None
        if self._quotas:
            return self._quotas.counts(n)
        turns, rest = divmod(n, len(self._order))
        first = np.bincount(self._ids[self._order[:rest]], minlength=len(self._rows))
        return [turns * len(rows) + int(more) for rows, more in zip(self._rows, first, strict=True)]

    def condition(self, index: int) -> tuple[dict[str, Any], str]:
        if self._quotas:
            rows = self._rows[self._quotas.at(index)]
            row = int(rows[self._quotas.rank(index) % len(rows)])
        else:
            row = int(self._order[index % len(self._order)])
        values: dict[str, Any] = {name: self._texts.texts[name][row] for name in (roles.SUBJECT, roles.ANSWER)}
        if self._texts.labels is not None:
            values["label"] = int(self._texts.labels[row])
        values |= {roles.RELATION: int(self._ids[row]), "origin": self._texts.where(row)}
        return {name: values[name] for name in self.fields}, same(values[roles.SUBJECT])
