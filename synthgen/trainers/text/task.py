"""The training of a text model, step by step: batches, which segments are given, masks, the loss, validation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch.nn import functional as F

from synthgen.models.text.denoiser import TextDenoiser
from synthgen.models.text.lengths import TextLengths
from synthgen.models.text.pipeline import TextPipeline
from synthgen.models.text.records import Layout, Piece
from synthgen.models.text.scheduler import MaskScheduler
from synthgen.models.text.segments import Record
from synthgen.models.text.tokenizer import ROUND_TO, TextTokenizer, n_tokens
from synthgen.readers.texts.records import Texts
from synthgen.training import batches, output
from synthgen.training.batches import step_generator
from synthgen.training.ema import Ema
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

SORTED = 16
"""Batches that are made of records of like length together, so that little of them is padding."""


@dataclass(frozen=True, slots=True)
class Batch(batches.Batch):
    """Records as the network sees them, (B, L) each.

    Attributes:
        tokens, roles, segments, places, real: as those of a `Layout`.
        targets: the tokens that are masked, -1 elsewhere.
        n_free: how many are generated, masked or not, (B,).
    """

    tokens: torch.Tensor
    roles: torch.Tensor
    segments: torch.Tensor
    places: torch.Tensor
    real: torch.Tensor
    targets: torch.Tensor
    n_free: torch.Tensor

    @property
    def layout(self) -> Layout:
        return Layout(self.tokens, self.roles, self.segments, self.places, self.targets >= 0, self.real)


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
        self.records = [tokenizer.pieces(record, ()) for record in training]
        self.held_out = [tokenizer.pieces(record, ()) for record in held_out]
        self.sizes = torch.tensor([n_tokens(pieces) for pieces in self.records])
        self.forms = Counter(tuple(segment.role for segment in record) for record in training)
        self.lengths = TextLengths.fit([self._numbers(pieces) for pieces in self.records], start.seed)
        super().__init__(config, len(self.records), start.seed, start.device, precision)

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
            max(map(len, self.forms)),
            dropout=self.config.dropout,
            **PRESETS[self.config.preset],
        )
        return made

    def batch(self, step: int, random: torch.Generator) -> Batch:
        return self._masked([self.records[i] for i in self._rows(step)], random)

    def _rows(self, step: int) -> list[int]:
        """Numbers of the records of a step: those of some steps together, sorted by length, in batches in any order."""
        group = step // SORTED
        some = torch.cat([self.batches.rows(group * SORTED + i) for i in range(SORTED)])
        ordered = some[self.sizes[some].argsort(stable=True)]
        place = int(torch.randperm(SORTED, generator=step_generator(self.seed, "order", group))[step % SORTED])
        found: list[int] = ordered.tensor_split(SORTED)[place].tolist()
        return found

    def _masked(self, records: Sequence[Sequence[Piece]], random: torch.Generator) -> Batch:
        chosen = [
            [replace(piece, free=free) for piece, free in zip(pieces, self._free(pieces, random), strict=True)]
            for pieces in records
        ]
        hidden = self.tokenizer.lay_out(chosen)
        length = hidden.tokens.shape[1]
        shown = self.tokenizer.lay_out([[replace(p, free=False) for p in pieces] for pieces in chosen], length)
        # One share of each of B equally likely ranges: batches differ less than if each were chosen by itself.
        share = (torch.randperm(len(records), generator=random) + torch.rand(len(records), generator=random)) / len(
            records
        )
        wanted = (share * hidden.free.sum(1)).floor().long() + 1
        rank = torch.rand(hidden.tokens.shape, generator=random).masked_fill(~hidden.free, 2.0).argsort(1).argsort(1)
        masked = hidden.free & (rank < wanted[:, None])
        return Batch(
            torch.where(masked, self.tokenizer.mask, shown.tokens),
            hidden.roles,
            hidden.segments,
            hidden.places,
            hidden.real,
            torch.where(masked, shown.tokens, -1),
            hidden.free.sum(1),
        )

    def _free(self, pieces: Sequence[Piece], random: torch.Generator) -> list[bool]:
        """Which segments are generated: all, or some roles, or some segments."""
        n, way = len(pieces), float(torch.rand((), generator=random))
        if n == 1 or way < self.config.whole:
            return [True] * n
        roles = sorted({piece.role for piece in pieces})
        if way < (1 + self.config.whole) / 2 and len(roles) > 1:
            chosen = dict(zip(roles, _some(len(roles), random), strict=True))
            return [chosen[piece.role] for piece in pieces]
        return _some(n, random)

    def losses(self, batch: Batch) -> torch.Tensor:
        return self._losses(self.model, batch)

    def _losses(self, model: Any, batch: Batch) -> torch.Tensor:
        """Cross entropy of a token in nats, mean over a record's masked ones, times its share of the batch's tokens.

        Source: Ou et al. 2024 and Sahoo et al. 2024: with as many masks as a uniform number says, the mean over them
        is a bound on the negative logarithm of a token's likelihood.
        """
        batch = batch.to(self.device)
        with self.autocast():
            logits = model(batch.layout)
        each = F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten(), ignore_index=-1, reduction="none")
        each = each.view(batch.targets.shape).sum(1) / (batch.targets >= 0).sum(1)
        return each * batch.n_free / batch.n_free.double().mean().to(each.dtype)

    @torch.no_grad()
    def validation(self, ema: Ema) -> dict[str, float]:
        """The mean loss of a token of held-out records, the same masks every time; empty if nothing was held out."""
        if not self.held_out:
            return {}
        model, random = self.averaged(ema), step_generator(self.seed, "validation", 0)
        total = weight = 0.0
        for start in range(0, len(self.held_out), 64):
            batch = self._masked(self.held_out[start : start + 64], random)
            n = float(batch.n_free.sum())
            total, weight = total + float(self._losses(model, batch).mean()) * n, weight + n
        return {"validation loss": total / weight, "validation perplexity": math.exp(total / weight)}

    def pipeline(self, ema: Ema) -> TextPipeline:
        return self.pipeline_of(self.averaged(ema))

    def pipeline_of(self, model: TextDenoiser) -> TextPipeline:
        """The pipeline around a network."""
        longest = max(int(self.sizes.max()), ROUND_TO)
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
        return self.made(made, output.text_card(result, self.config.data, self.texts, len(self.records)))


def _some(n: int, random: torch.Generator) -> list[bool]:
    """Each of n with a chance of one half, at least one."""
    found = torch.rand(n, generator=random) < 0.5
    found[int(torch.randint(n, (), generator=random))] = True
    chosen: list[bool] = found.tolist()
    return chosen
