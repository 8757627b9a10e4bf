"""`use: length-ratio`: how much longer one of two texts is than the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Number, Schema
from synthgen.language.words import words
from synthgen.parts import field_texts
from synthgen.parts.field_texts import FieldText
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem


class LengthRatio(PlainAnnotator):
    """Adds, for `name: length_ratio`, `length_ratio_characters` and `length_ratio_words`: longer by shorter, from 1 on.

    A length of 0 counts as 1. White space at the ends does not count; in scripts without spaces each character is a
    word.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: length-ratio`."""

        texts: list[str] = Setting(
            default=[],
            max_length=2,
            description="Two texts, as [question, context], or a translation of two languages; by default all that is "
            "generated, if that is two texts.",
        )
        name: FieldName = Setting(default="length_ratio", description="Start of the names of the scores.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.fields = {f"{config.name}_{unit}": Number() for unit in ("characters", "words")}
        self._texts: list[FieldText] = []

    def bind(self, columns: Schema) -> list[Problem]:
        self._texts, problems = field_texts.chosen(columns, self.config.texts, "texts")
        if not problems and len(self._texts) != 2:
            listed = ", ".join(text.name for text in self._texts)
            problems = [Problem(f"compares two texts, not {len(self._texts)} ({listed})", place=("texts",))]
        return problems

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        pairs = list(zip(*(text.column(columns) for text in self._texts), strict=True))
        return {
            f"{self.config.name}_characters": [_ratio(len(a.strip()), len(b.strip())) for a, b in pairs],
            f"{self.config.name}_words": [_ratio(len(words(a)), len(words(b))) for a, b in pairs],
        }


def _ratio(first: int, second: int) -> float:
    return max(first, second, 1) / max(min(first, second), 1)
