"""`use: round-trip`: how much of a text is left once its translation is translated back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field as Setting

from synthgen.base.packages import version_of
from synthgen.base.settings import FieldName, Settings
from synthgen.errors import ModelError
from synthgen.fields import Columns, Number, Schema, Translation
from synthgen.models.parts import FolderPart
from synthgen.models.text import roles
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown

SIDES = (roles.SOURCE, roles.TARGET)


class RoundTrip(FolderPart):
    """Adds, for `name: round_trip`, `round_trip_chrf`: how like the text is to its translation, translated back.

    It is chrF, 0 to 100: the F score of runs of one to six characters, in which recall counts twice. 100 is the same
    text. Good translations have less, because there are several ways to say something: compare with what pairs of your
    own data have. A model translates back as it was trained to; one that was trained on the same pairs as the sampler
    may share its mistakes. Translations that are longer than the records of its training have 0.

    Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation", in the package sacrebleu.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "TextPipeline"
    trainer: ClassVar[str] = "text"

    class Config(Settings):
        """Settings of `use: round-trip`."""

        model: str = Setting(description="The folder of a text model of pairs, in the languages of the translation.")
        translation: str = Setting(default="translation", description="The field of the translation.")
        back: str = Setting(
            default="",
            description="The language that is translated back; by default the second one of the translation.",
        )
        steps: int = Setting(default=32, gt=0, le=1000, description="Steps in which masks are taken away.")
        temperature: float = Setting(default=0.0, ge=0, le=4, description="0 takes the likeliest token each time.")
        guidance: float = Setting(default=1.0, ge=0, le=20, description="As of `use: text`; 1 is none.")
        name: FieldName = Setting(default="round_trip", description="Start of the name of the score.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._version = version_of("sacrebleu", "sacrebleu", "texts", "round-trip")
        self._languages = tuple(self.index["languages"])
        if self.index["kind"] != "pairs" or len(self._languages) != 2:
            raise ModelError(
                f"{config.model} generates {self.index['kind']}{'' if self._languages else ' of unknown languages'}; "
                "a model of pairs is needed here, trained on data with `languages`"
            )
        self._score = f"{config.name}_chrf"
        self.fields: Mapping[str, Number] = {self._score: Number()}
        self._from, self._to = "", ""
        self._pipeline: Any = None

    def identity(self) -> dict[str, Any]:
        return super().identity() | {"sacrebleu": self._version}

    def bind(self, columns: Schema) -> list[Problem]:
        name, field = self.config.translation, columns.get(self.config.translation)
        if not isinstance(field, Translation):
            there = [other for other in columns if isinstance(columns[other], Translation)]
            return [Problem(unknown(name, there, "translation"), (name,), ("translation",))]
        if set(field.languages) != set(self._languages):
            theirs, ours = " and ".join(field.languages), " and ".join(self._languages)
            return [Problem(f"`{name}` is in {theirs}, and model {self.config.model} knows {ours}", (name,))]
        if self.config.back and self.config.back not in field.languages:
            return [Problem(unknown(self.config.back, field.languages, "language"), place=("back",))]
        self._from = self.config.back or field.languages[1]
        self._to = next(language for language in field.languages if language != self._from)
        return []

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        self._pipeline = registry.load_pipeline(self.folder, device, torch.float32)
        self._pipeline.set_progress_bar_config(disable=True)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        from sacrebleu import sentence_chrf

        pairs = columns[self.config.translation]
        back = self._translated([pair[self._from] for pair in pairs], seeds)
        scores = [
            0.0 if text is None else float(sentence_chrf(text, [pair[self._to]]).score)
            for text, pair in zip(back, pairs, strict=True)
        ]
        return {self._score: scores}

    def _translated(self, texts: Sequence[str], seeds: Sequence[int]) -> list[str | None]:
        """Each text in the other language; None if it is too long for the model."""
        given, wanted = (SIDES[self._languages.index(language)] for language in (self._from, self._to))
        records = [self._pipeline.form(seed, {given: text}) for text, seed in zip(texts, seeds, strict=True)]
        short = [i for i, record in enumerate(records) if self._pipeline.fits(record)]
        found: list[str | None] = [None] * len(texts)
        if not short:
            return found
        made = self._pipeline(
            [records[i] for i in short],
            [seeds[i] for i in short],
            num_inference_steps=self.config.steps,
            temperature=self.config.temperature,
            guidance_scale=self.config.guidance,
        )
        for i, record in zip(short, made.records, strict=True):
            found[i] = next(segment.content for segment in record if segment.role == wanted)
        return found
