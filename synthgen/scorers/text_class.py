"""`use: text-class`: how sure a classifier trained on real texts is that a text is of its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Label, Number, Schema
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.parts import field_texts
from synthgen.parts.field_texts import FieldText
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class TextClass(FolderPart):
    """Adds, for `name: class`, `class_probability` and `class_agrees`.

    probability: what the classifier gives to the class that was asked for, 0 to 1, among all classes that it knows.
    agrees: 1 if none of those is likelier, else 0. Classes are compared by their names.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "TextClassifier"
    trainer: ClassVar[str] = "text-classifier"

    class Config(Settings):
        """Settings of `use: text-class`."""

        model: str = Setting(description="The folder of a classifier of texts.")
        text: str = Setting(
            default="", description="The text that is classified; by default the one that is generated, if it is one."
        )
        of: str = Setting(default="label", description="The condition's field that says which class was asked for.")
        name: FieldName = Setting(default="class", description="Start of the names of the scores.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.names = folders.names_in_order(self.index)
        self.fields: Mapping[str, Number] = {f"{config.name}_{what}": Number() for what in ("probability", "agrees")}
        self._text = FieldText("")
        self._ids: np.ndarray = np.empty(0, dtype=np.int64)

    def bind(self, columns: Schema) -> list[Problem]:
        text, problems = field_texts.one(columns, self.config.text, "text")
        asked = f"condition.{self.config.of}"
        label = columns.get(asked)
        if not isinstance(label, Label):
            there = [
                name.removeprefix("condition.")
                for name, field in columns.items()
                if name.startswith("condition.") and isinstance(field, Label)
            ]
            message = unknown(self.config.of, there, "class of the condition")
            return [*problems, Problem(message, (asked,), ("of",) if self.config.of != "label" else ())]
        problems += [
            Problem(f"model {self.config.model}: {unknown(name, self.names, 'class')}", (asked,))
            for name in label.classes
            if name not in self.names
        ]
        self._text = text or self._text
        self._ids = np.array([self.names.index(name) for name in label.classes if name in self.names], dtype=np.int64)
        return problems

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        probabilities = self._network.predict_proba(self._text.column(columns))
        asked = self._ids[np.asarray(columns[f"condition.{self.config.of}"], dtype=np.int64)]
        likely = probabilities[np.arange(len(asked)), asked]
        return {
            f"{self.config.name}_probability": [float(p) for p in likely],
            f"{self.config.name}_agrees": [float(p) for p in likely >= probabilities.max(1, initial=0.0)],
        }
