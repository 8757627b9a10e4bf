"""Texts from left to right: a causal language model that continues prompts, each with random numbers of its own."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from synthgen import seeds as streams
from synthgen.models.finite import finite
from synthgen.models.language.reader import Reader, cut
from synthgen.models.language.tokens import Draw


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated text.

    Attributes:
        log_likelihood: mean natural logarithm of the probabilities of its tokens at temperature 1, 0 if it has none.
        finished: whether the model, or a text to stop at, ended it; else the limit of tokens did.
    """

    text: str
    log_likelihood: float
    finished: bool


class CausalGenerator:
    """Continues prompts; what is generated depends on its own prompt and seed alone.

    Rows share a call of the network only if their prompts have equally many tokens, so that there is no padding, and
    there are always `rows` of them, the last one repeated: arithmetic depends on how many there are.

    Args:
        network: a causal model of transformers, in evaluation mode.
        stop: texts at which a text ends, not part of it.
    """

    def __init__(
        self, network: Any, reader: Reader, draw: Draw, n_new: int, stop: Sequence[str] = (), rows: int = 1
    ) -> None:
        self._network, self._reader, self._draw = network, reader, draw
        self._n_new, self._stop, self._rows = n_new, tuple(stop), rows
        accepted = inspect.signature(type(network).forward).parameters
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}

    @torch.inference_mode()
    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Generated]:
        """A text for each prompt.

        Raises:
            DataError: the model cannot read a prompt.
            NonFiniteError: the model computed NaN or an infinity.
        """
        read = [self._reader.tokens(prompt, self._n_new) for prompt in prompts]
        found: dict[int, Generated] = {}
        for length in sorted({len(tokens) for tokens in read}):
            same = [i for i, tokens in enumerate(read) if len(tokens) == length]
            for start in range(0, len(same), self._rows):
                rows = same[start : start + self._rows]
                filled = rows + rows[-1:] * (self._rows - len(rows))
                made = self._continue([read[i] for i in filled], [seeds[i] for i in filled])
                found |= dict(zip(rows, made, strict=False))
        return [found[i] for i in range(len(read))]

    def _continue(self, prompts: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[Generated]:
        """Continues prompts of equal lengths token by token, until all have ended."""
        rows = [_Row(self._draw, seed) for seed in seeds]
        new = torch.tensor(prompts, device=self._network.device)  # (R, L)
        everything, cache = new, None
        for _ in range(self._n_new):
            out = self._network(input_ids=new, past_key_values=cache, use_cache=True, **self._options)
            logits = out.logits[:, -1, : self._reader.n_tokens].float().cpu().numpy()
            finite(logits, "logits of tokens")  # (R, V)
            for row, own in zip(rows, logits, strict=True):
                row.add(own)
                self._end(row)
            if all(row.ended for row in rows):
                break
            drawn = torch.tensor([[row.last] for row in rows], device=new.device)
            everything = torch.cat([everything, drawn], dim=1)
            cache = getattr(out, "past_key_values", None)
            new = drawn if cache is not None else everything  # models of other kinds read all again
        return [self._text(row) for row in rows]

    def _end(self, row: _Row) -> None:
        """Marks a row as ended if its last token ends it."""
        if not row.ended:
            row.ended = row.last in self._reader.ends
            if self._stop and not row.ended:
                row.ended = cut(self._reader.text(row.tokens), self._stop)[1]

    def _text(self, row: _Row) -> Generated:
        text, _ = cut(self._reader.text(row.tokens), self._stop)
        return Generated(text, float(np.mean(row.scores)) if row.scores else 0.0, row.ended)


class _Row:
    """One text in the making."""

    def __init__(self, draw: Draw, seed: int) -> None:
        self._draw, self._random = draw, streams.generator(streams.seed_of(seed, "tokens", 0))
        self.tokens: list[int] = []
        self.scores: list[float] = []
        self.ended = False

    @property
    def last(self) -> int:
        return self.tokens[-1]

    def add(self, logits: np.ndarray) -> None:
        """Draws one more token; nothing once the text has ended."""
        if not self.ended:
            token, score = self._draw.token(logits, self._random.random())
            self.tokens.append(token)
            self.scores.append(score)
