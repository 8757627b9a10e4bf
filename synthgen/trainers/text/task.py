"""The training of a text model, step by step: batches, which segments are given, masks, the loss, validation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch.nn import functional as F

from synthgen.models.text.denoiser import TextDenoiser
from synthgen.models.text.kinds import KINDS
from synthgen.models.text.lengths import TextLengths
from synthgen.models.text.pipeline import TextPipeline
from synthgen.models.text.records import Piece
from synthgen.models.text.scheduler import MaskScheduler
from synthgen.models.text.segments import Record
from synthgen.models.text.tokenizer import ROUND_TO, TextTokenizer
from synthgen.models.text.windows import windows
from synthgen.readers.texts.records import Texts
from synthgen.trainers.text.batching import Batch, TokenRecords
from synthgen.training import optimisers, output
from synthgen.training.batches import step_generator
from synthgen.training.ema import Ema
from synthgen.training.optimisers import Optimiser
from synthgen.training.task import Made, Start, Task

PRESETS: Mapping[str, Mapping[str, int]] = {
    "tiny": {"width": 128, "n_blocks": 3, "n_heads": 4},
    "mini": {"width": 192, "n_blocks": 4, "n_heads": 6},
    "small": {"width": 256, "n_blocks": 6, "n_heads": 8},
    "base": {"width": 512, "n_blocks": 8, "n_heads": 8},
}
N_NAMED = 12
"""Roles that a card names."""

MOST_FORMS = 64
"""Orders of roles that a model names."""

SHARE_OF_LENGTHS = 0.15
"""Records of a batch of which lengths are predicted."""

SORTED = 16
"""Batches that are made of records of like length together, so that little of them is padding."""


class TextTask(Task):
    """Records, some segments of which are given and some tokens of the others masked.

    Args:
        training, held_out: records whose segments all have a content; texts: what they are.
    """

    stream: ClassVar[str] = "masks"

    def __init__(
        self,
        config: Any,
        tokenizer: TextTokenizer,
        training: Sequence[Record],
        held_out: Sequence[Record],
        texts: Texts,
        start: Start,
        precision: str = "fp32",
    ) -> None:
        self.config, self.tokenizer, self.texts = config, tokenizer, texts
        self.data = (training, held_out)
        self.records, self.held_out = self._token_records(training), self._token_records(held_out)
        pieces = [tokenizer.pieces(record, ()) for record in training]
        self.forms = Counter(tuple(segment.role for segment in record) for record in training)
        self.lengths = TextLengths.fit([self._numbers(record) for record in pieces], len(tokenizer.roles), start.seed)
        super().__init__(config, len(self.records), start.seed, start.device, precision)

    def _token_records(self, records: Sequence[Record]) -> TokenRecords:
        """The windows of all records."""
        kind = KINDS[self.texts.kind]
        found = [(record, window) for record in records for window in windows(record, kind, self.config.context)]
        return TokenRecords(
            [self.tokenizer.pieces(window.of(record), ()) for record, window in found],
            self.tokenizer,
            [window.n_before for _, window in found],
            [number for number, role in enumerate(self.tokenizer.roles) if role in kind.written],
        )

    def _numbers(self, pieces: Sequence[Piece]) -> list[tuple[int, int, int]]:
        """Role, number of tokens and class (-1 for a text) of each segment."""
        first = {self.tokenizer.roles.index(role): at for role, at in self.tokenizer.first_of_class.items()}
        return [
            (piece.role, len(piece.tokens), piece.tokens[0] - first[piece.role] if piece.role in first else -1)
            for piece in pieces
        ]

    def network(self) -> TextDenoiser:
        made: TextDenoiser = TextDenoiser(
            self.tokenizer.n_tokens,
            len(self.tokenizer.roles),
            int(self.records.n_segments.max()),
            self.lengths.longest + 1,
            dropout=self.config.dropout,
            **PRESETS[self.config.preset],
        )
        return made

    def optimiser(self) -> Optimiser:
        return optimisers.muon(self.model, self.config, "blocks.")

    def batch(self, step: int, random: torch.Generator) -> Batch:
        return self.records.batch(self._rows(step), self.config.whole, SHARE_OF_LENGTHS, random)

    def _rows(self, step: int) -> list[int]:
        """Numbers of the records of a step: those of some steps together, sorted by length, in batches in any order."""
        group = step // SORTED
        some = torch.cat([self.batches.rows(group * SORTED + i) for i in range(SORTED)])
        ordered = some[self.records.sizes[some].argsort(stable=True)]
        place = int(torch.randperm(SORTED, generator=step_generator(self.seed, "order", group))[step % SORTED])
        found: list[int] = ordered.tensor_split(SORTED)[place].tolist()
        return found

    def losses(self, batch: Batch) -> torch.Tensor:
        return self._losses(self.model, batch)

    def _losses(self, model: Any, batch: Batch) -> torch.Tensor:
        """Cross entropy in nats: of a token, mean over a record's masked ones, times its share of the batch's tokens;
        and of a length, mean over a record's segments without tokens.

        Source: Ou et al. 2024 and Sahoo et al. 2024: with as many masks as a uniform number says, the mean over them
        is a bound on the negative logarithm of a token's likelihood.
        """
        batch = batch.to(self.device)
        masked = batch.targets >= 0
        asked = (batch.lengths >= 0) & (batch.lengths <= self.lengths.longest)  # held-out texts may be longer
        with self.autocast():
            states = model.states(batch.layout)
            tokens, lengths = model.token_logits(states[masked]), model.length_logits(states[asked])
        share = batch.n_free / batch.n_free.double().mean().clamp_min(1).to(states.dtype)
        return _mean(tokens, batch.targets, masked) * share + _mean(lengths, batch.lengths, asked)

    @torch.no_grad()
    def validation(self, ema: Ema) -> dict[str, float]:
        """The mean losses of a token and of a length of held-out records, the same masks every time; empty if nothing
        was held out."""
        if not len(self.held_out):
            return {}
        model, random = self.averaged(ema), step_generator(self.seed, "validation", 0)
        totals = {}
        for name, share in (("validation loss", 0.0), ("validation loss of lengths", 1.0)):
            total = weight = 0.0
            for start in range(0, len(self.held_out), 64):
                rows = range(start, min(start + 64, len(self.held_out)))
                batch = self.held_out.batch(rows, self.config.whole, share, random)
                n = len(batch) if share else float(batch.n_free.sum())
                total, weight = total + float(self._losses(model, batch).mean()) * n, weight + n
            totals[name] = total / weight
        return {**totals, "validation perplexity": math.exp(totals["validation loss"])}

    def pipeline(self, ema: Ema) -> TextPipeline:
        return self.pipeline_of(self.averaged(ema))

    def pipeline_of(self, model: TextDenoiser) -> TextPipeline:
        """The pipeline around a network."""
        longest = max(int(self.records.sizes.max()), ROUND_TO)
        forms = [form for form, _ in self.forms.most_common(MOST_FORMS)]
        made = TextPipeline(
            self.tokenizer,
            self.lengths,
            model,
            MaskScheduler(),
            longest,
            self.texts.kind,
            forms,
            self.texts.languages or (),
            self.config.context,
        )
        made.set_progress_bar_config(disable=True)
        return made

    def finish(self, ema: Ema, title: str) -> Made:
        made = self.pipeline(ema)
        settings = self.settings(
            made.denoiser,
            "preset",
            {"tokens": self.tokenizer.n_tokens, "longest record": f"{made.config.length} tokens"},
            *("steps", "batch_size", "learning_rate", "ema_decay", "whole"),
        )
        use = (
            f"Generates {self.texts.kind}, whole or around what is given of "
            f"{', '.join(self.tokenizer.roles[:N_NAMED])}. "
            "In a recipe: `sampler: {use: text, model: <this folder>}`."
        )
        result = output.Result(title, settings, self.validation(ema), use)
        return self.made(made, output.text_card(result, self.config.data, self.texts, len(self.data[0])))


def _mean(logits: torch.Tensor, targets: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy of each row (B,) over the places where something is predicted, 0 where nothing is.

    Args:
        logits: (places, classes) in the order of `where`, bool (B, L), which chooses of `targets` (B, L).
    """
    each = torch.zeros(targets.shape, dtype=torch.float32, device=targets.device)
    each[where] = F.cross_entropy(logits.float(), targets[where], reduction="none")
    return each.sum(1) / where.sum(1).clamp_min(1)
