"""`use: answered`: whether a question has an answer in its context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Answers, Columns, Number, Schema
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class Answered(PlainAnnotator):
    """Adds, for `name: answered`, 1 if there is an answer, else 0.

    That answers stand where they are said to is checked of every sample anyway: see the field `answers`.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: answered`."""

        answers: str = Setting(default="answers", description="The field of the answers.")
        name: FieldName = Setting(default="answered", description="Name of the score.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.fields = {config.name: Number()}

    def bind(self, columns: Schema) -> list[Problem]:
        there = [name for name, field in columns.items() if isinstance(field, Answers)]
        name = self.config.answers
        return [] if name in there else [Problem(unknown(name, there, "field of answers"), (name,), ("answers",))]

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        return {self.config.name: [float(bool(answers["text"])) for answers in columns[self.config.answers]]}
