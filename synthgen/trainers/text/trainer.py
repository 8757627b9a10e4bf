"""`use: text`: trains a masked diffusion model of texts on records of people's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from synthgen.errors import DataError
from synthgen.models.text import roles
from synthgen.models.text.kinds import KINDS
from synthgen.models.text.segments import Record
from synthgen.models.text.tokenizer import TextTokenizer, n_tokens
from synthgen.models.text.windows import windows
from synthgen.parts.problem import Problem
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.texts import reader
from synthgen.readers.texts.reader import TextData, Texts
from synthgen.trainers.text.segments import classes_of, records_of, roles_of
from synthgen.trainers.text.task import TextTask
from synthgen.training.precision import choose_precision
from synthgen.training.settings import LoopConfig
from synthgen.training.task import Start, Task
from synthgen.training.trainer import GradientTrainer

N_VALIDATION = 1024
MOST_TOKENS = {2_000: 512, 20_000: 2048, 200_000: 4096}
"""Tokens with `tokens: auto`, by how many words a training has at most; 8,192 for more."""


class TextTrainer(GradientTrainer):
    """Trains on texts; ends with a TextPipeline folder and its card."""

    version: ClassVar[int] = 4

    class Config(LoopConfig):
        """Settings of `use: text`."""

        steps: int = Field(default=10_000, ge=1, description="Optimiser steps.")
        batch_size: int = Field(default=64, ge=1, description="Records a step.")
        learning_rate: float = Field(default=2e-3, gt=0, description="Peak learning rate of AdamW.")
        muon_learning_rate: float = Field(
            default=0.02, gt=0, description="Peak learning rate of Muon, which trains the matrices of all blocks."
        )
        warmup_steps: int = Field(default=100, ge=0, description="Steps of linear rise to the peak rates.")
        data: TextData = Field(description="Real texts.")
        preset: Literal["tiny", "mini", "small", "base"] = Field(
            default="mini",
            description="Size of the network: about 0.6, 1.8, 4.8 and 25 million parameters, and tokens.",
        )
        tokens: Literal["auto"] | int = Field(
            default="auto",
            description="Tokens that texts are made of, at least 300: the 256 bytes, and what often stands together. "
            "auto grows with the words of the data, from 512 to 8,192.",
        )
        length: int = Field(
            default=128,
            ge=8,
            le=1024,
            description="Tokens of a record at most, of a dialogue those of a message and its context; longer ones are "
            "left out, and counted.",
        )
        context: int = Field(
            default=2,
            ge=0,
            le=100,
            description="Of dialogues, which are written message by message: how many messages before it each knows.",
        )
        whole: float = Field(
            default=0.25,
            ge=0,
            le=1,
            description="Share of records that are learned as a whole; of the others some segments are given.",
        )
        dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of what layers add that is left out in training."
        )
        precision: Literal["auto", "fp32", "bf16"] = Field(
            default="auto", description="auto is bf16 where the hardware multiplies it fast, else fp32."
        )

    def check(self) -> Sequence[Problem]:
        """Everything in the data that `train` would stumble over."""
        try:
            self._tokenizer()
        except DataError as error:
            return [Problem(message, place=("data", "texts")) for message in error.messages]
        return []

    def data_facts(self) -> DataFacts:
        """How the texts are read and divided, and what they are to the network."""
        facts = reader.read(self.config.data).facts
        tokenizer, records, left_out = self._tokenizer()
        sizes = [size for record in records for size in self._sizes(tokenizer, record)]
        said = f"{self.config.preset}, {tokenizer.n_tokens:,} tokens, records of {min(sizes)} to {max(sizes)}"
        return replace(facts, rows={**facts.rows, "network": said}, notes=(*facts.notes, *left_out))

    def sketch(self, out: Path) -> None:
        """Writes the model as it is before its first step: all that a recipe must fit is known then."""
        task = self._task(Start(out, 0, "cpu"))
        task.pipeline_of(task.model).save_pretrained(out)

    def task(self, start: Start) -> Task:
        return self._task(start)

    def _task(self, start: Start) -> TextTask:
        tokenizer, training, _ = self._tokenizer()
        texts = reader.read(self.config.data)
        held_out = [record for record in self._validation(texts) if self._fits(tokenizer, record)]
        precision = choose_precision(self.config.precision, start.device)
        return TextTask(self.config, tokenizer, training, held_out[:N_VALIDATION], texts, start, precision)

    @staticmethod
    def _validation(texts: Texts) -> list[Record]:
        try:
            return records_of(texts.take("validation"))
        except DataError:  # none are held out, which `validation: 0` asks for
            return []

    def _fits(self, tokenizer: TextTokenizer, record: Record) -> bool:
        known = all(
            segment.role in tokenizer.roles
            and (segment.role not in tokenizer.classes or segment.content in tokenizer.classes[segment.role])
            for segment in record
        )
        return known and max(self._sizes(tokenizer, record)) <= self.config.length

    def _sizes(self, tokenizer: TextTokenizer, record: Record) -> list[int]:
        """Tokens of each part of a record with its context."""
        data: TextData = self.config.data
        seen = windows(record, KINDS[reader.read(data).kind], self.config.context)
        return [n_tokens(tokenizer.pieces(window.of(record), ())) for window in seen]

    def _tokenizer(self) -> tuple[TextTokenizer, list[Record], list[str]]:
        """The tokenizer of the training records, those that are short enough, and notes on what is left out.

        Raises:
            DataError: the texts cannot be used.
        """
        data: TextData = self.config.data
        training = reader.read(data).take("train")
        records, classes = records_of(training), classes_of(training)
        texts = [
            segment.content
            for record in records
            for segment in record
            if segment.content and segment.role not in classes
        ]
        tokenizer = TextTokenizer.fit(
            texts,
            self._n_tokens(texts),
            roles_of(records),
            classes,
        )
        kept = [record for record in records if max(self._sizes(tokenizer, record)) <= self.config.length]
        if not kept:
            raise DataError(f"{data.texts}: all records have more than the {self.config.length} tokens of `length`")
        too_long = f"more than the {self.config.length} tokens of `length`"
        lost = set(classes.get(roles.LABEL, ())) - {segment.content for record in kept for segment in record[:1]}
        if lost:
            raise DataError(f"{data.texts}: all records of {', '.join(sorted(lost))} have {too_long}; raise it")
        n = len(records) - len(kept)
        notes = [f"{n:,} of {len(records):,} records are left out: they have {too_long}"] if n else []
        unseen = [name for name in training.classes if name not in classes.get(roles.LABEL, ())]
        if training.labels is not None and unseen:
            one = len(unseen) == 1
            notes.append(
                f"{', '.join(unseen)} {'is' if one else 'are'} in no training record: the model does not know "
                f"{'this class' if one else 'these classes'}"
            )
        return tokenizer, kept, notes

    def _n_tokens(self, texts: Sequence[str]) -> int:
        asked: Any = self.config.tokens
        if asked != "auto":
            return max(300, int(asked))
        words = sum(text.count(" ") + 1 for text in texts)
        return next((n for most, n in MOST_TOKENS.items() if words <= most), 8192)
