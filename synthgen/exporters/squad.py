"""SQuAD: questions with answers in their contexts, as readers of SQuAD 1.1 and 2.0 take them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.exporters.text_samples import TextSamples, left_out
from synthgen.fields import Answers, Text


class Squad:
    """A JSON file for each split. Samples in a row with one context share a paragraph, those with one title an article.

    The title is the field `title` or, without one, the dataset's name. Offsets count characters. Version 1.1 knows no
    questions without an answer: such samples are left out and named; 2.0 has them as `is_impossible`.

    Source: Rajpurkar et al., SQuAD (arXiv 1606.05250) and SQuAD 2.0 (arXiv 1806.03822).
    """

    description: ClassVar[str] = "<split>.json with articles, paragraphs and questions, of SQuAD 1.1 or 2.0"
    roles: ClassVar[Sequence[str]] = ("answers", "question", "title")

    class Config(Settings):
        """Options of `--to squad`."""

        version: Literal["1.1", "2.0"] = Field(
            "1.1", description="Of the format: 1.1, where every question has an answer, or 2.0."
        )

    def __init__(self, config: Config) -> None:
        self._version = config.version

    def samples(self, folder: str, split: str | None, fields: Mapping[str, str], allow_incomplete: bool) -> TextSamples:
        found = TextSamples(folder, split, allow_incomplete, fields)
        what = "SQuAD is of questions with answers in a text"
        self._answers = found.need("answers", (Answers,), what)
        self._context = found.fields[self._answers].refers_to
        has_title = "title" in fields or "title" in found.fields
        self._title = found.find("title", (Text,), [self._context]) if has_title else None
        taken = [name for name in (self._context, self._title) if name]
        self._question = found.need("question", (Text,), f"{what}, with a second text that is the question", taken)
        return found

    def write(self, samples: TextSamples, out: Path, tick: Callable[[int], Any]) -> list[str]:
        unanswered = []
        with ExitStack() as stack:
            files = samples.files(stack, out, "json")
            articles = {split: stack.enter_context(_Articles(file, self._version)) for split, file in files.items()}
            for sample in samples:
                answers = sample[self._answers]
                pairs = zip(answers["text"], answers["answer_start"], strict=True)
                listed = [{"text": text, "answer_start": start} for text, start in pairs]
                question = {"id": sample["key"], "question": sample[self._question], "answers": listed}
                if self._version == "2.0":
                    question["is_impossible"] = not listed
                if listed or self._version == "2.0":
                    title = sample[self._title] if self._title else samples.name
                    articles[sample["split"]].add(title, sample[self._context], question)
                else:
                    unanswered.append(sample["key"])
                tick(1)
        return left_out(unanswered, "having no answer, which `--option version=2.0` takes")


class _Articles:
    """A file of SQuAD that is written while questions come; one paragraph is in memory."""

    def __init__(self, file: IO[str], version: str) -> None:
        self._file = file
        self._file.write(f'{{"version": {json.dumps(version)}, "data": [')
        self._title: str | None = None
        self._paragraph: dict[str, Any] | None = None
        self._between = ""

    def __enter__(self) -> _Articles:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._end_article()
            self._file.write("]}\n")

    def add(self, title: str, context: str, question: Mapping[str, Any]) -> None:
        if title != self._title:
            self._end_article()
            comma = "," if self._between else ""
            self._file.write(f'{comma}\n{{"title": {json.dumps(title, ensure_ascii=False)}, "paragraphs": [')
            self._title, self._between = title, "\n"
        if self._paragraph is None or self._paragraph["context"] != context:
            self._end_paragraph()
            self._paragraph = {"context": context, "qas": []}
        self._paragraph["qas"].append(question)

    def _end_paragraph(self) -> None:
        if self._paragraph is not None:
            self._file.write(self._between + json.dumps(self._paragraph, ensure_ascii=False))
            self._paragraph, self._between = None, ",\n"

    def _end_article(self) -> None:
        if self._title is not None:
            self._end_paragraph()
            self._file.write("]}")
            self._title = None
