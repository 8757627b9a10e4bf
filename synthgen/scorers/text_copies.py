"""`use: text-copies`: how much of a text stands in other texts, those of the training for instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Number, Schema
from synthgen.language.longest_run import LongestRun
from synthgen.language.ngrams import NearestText
from synthgen.language.words import words
from synthgen.parts import field_texts
from synthgen.parts.field_texts import FieldText
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.readers.texts import reader
from synthgen.readers.texts.records import Texts
from synthgen.readers.texts.types import Split, TextData


class TextCopies:
    """Adds, for `name: copy`, `copy_similarity`, `copy_words` and `copy_share`.

    similarity: Jaccard similarity of runs of four characters with the most similar reference text, 0 to 1; 1 is a copy
    but for capitals and blanks, texts on other things have less than about 0.2. words: how many words the longest run
    has that stands in a reference text as well; in scripts without spaces, how many characters. share: that of the
    text's own words, 0 to 1. Case, white space and punctuation between words do not matter. Of several texts the
    largest value counts.

    Both are exact, and searched in an index of all reference texts.

    Duplicates among the samples depend on other samples and are no scorer's matter: `synthgen duplicates` finds them in
    a finished dataset.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: text-copies`."""

        data: TextData = Setting(description="The texts that samples must not repeat.")
        part: Split | None = Setting(
            default=None, description="Only those of one of the splits of `data`; by default all."
        )
        texts: list[str] = Setting(
            default=[],
            description="The texts that are looked at, as [translation.de]; by default all that is generated. Leave "
            "out what the condition gives.",
        )
        name: FieldName = Setting(default="copy", description="Start of the names of the scores.")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._source = Source(
            "data", config.data.source or config.data.texts, reader.sha256(config.data), config.data.licence
        )
        self._reference()
        self.fields: Mapping[str, Number] = {
            f"{config.name}_similarity": Number(),
            f"{config.name}_words": Number("words"),
            f"{config.name}_share": Number(),
        }
        self._texts: list[FieldText] = []
        self._nearest: Any = None
        self._runs: Any = None

    def identity(self) -> dict[str, Any]:
        apart = {"texts", "licence", "source"}
        settings = self.config.model_dump(mode="json", exclude={"data": apart})
        return settings | {"data_sha256": self._source.sha256}

    @property
    def sources(self) -> list[Source]:
        return [self._source]

    def bind(self, columns: Schema) -> list[Problem]:
        self._texts, problems = field_texts.chosen(columns, self.config.texts, "texts")
        return problems

    def _reference(self) -> list[str]:
        """All reference texts. Raises DataError if they cannot be read."""
        texts = reader.read(self.config.data)
        return contents(texts if self.config.part is None else texts.take(self.config.part))

    def setup(self, device: str) -> None:
        reference = self._reference()
        self._nearest, self._runs = NearestText(reference), LongestRun(reference)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        rows = list(zip(*(text.column(columns) for text in self._texts), strict=True))
        runs = [[self._runs.length(text) for text in row] for row in rows]
        shares = [
            [run / max(1, len(words(text))) for run, text in zip(found, row, strict=True)]
            for found, row in zip(runs, rows, strict=True)
        ]
        return {
            f"{self.config.name}_similarity": [max(map(self._nearest.similarity, row)) for row in rows],
            f"{self.config.name}_words": [float(max(found)) for found in runs],
            f"{self.config.name}_share": [max(found) for found in shares],
        }


def contents(texts: Texts) -> list[str]:
    """All texts of records of any kind, those of all messages included, each once."""
    found = [text for column in texts.texts.values() for text in column]
    found += [message.content for dialogue in texts.dialogues or () for message in dialogue]
    return list(dict.fromkeys(text for text in found if text.strip()))
