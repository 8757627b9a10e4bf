"""A plug-in file with a sampler that gives the records of a file, one a slot, so that measures know their dataset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from synthgen.fields import Acts, Answers, Chat, Columns, Schema, Spans, Text, Translation
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot, Source

FIELDS: dict[str, Schema] = {
    "utterances": {"text": Text(), "slots": Spans("text", ("city", "day"))},
    "passages": {"text": Text()},
    "pairs": {"translation": Translation(("en", "de"))},
    "facts": {name: Text() for name in ("subject", "relation", "answer", "question")},
    "questions": {"context": Text(), "answers": Answers("context"), "question": Text()},
    "dialogues": {"messages": Chat(), "acts": Acts("messages", ("inform", "ask"), ("city", "day"))},
}


class Replay:
    """The fields of a kind of texts, from lines of JSON objects that have them."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        path: str
        kind: str

    def __init__(self, config: Config) -> None:
        self.config = config
        self.fields = FIELDS[config.kind]
        self._rows = [json.loads(line) for line in Path(config.path).read_text(encoding="utf-8").splitlines()]

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json")

    def bind(self, condition: Schema) -> list[Problem]:
        return []

    def setup(self, device: str) -> None:
        pass

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        rows = [self._rows[slot.index % len(self._rows)] for slot in slots]
        return {name: [row[name] for row in rows] for name in self.fields}


SYNTHGEN_PLUGINS = {"samplers": {"replay": Replay}}
