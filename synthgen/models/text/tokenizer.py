"""Between records and tokens: byte pairs of texts, a token for each role and class; part of the saved model."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config

from synthgen.models.text.records import Layout, Piece, lay_out
from synthgen.models.text.segments import Record, Segment

SAVED_AS = "synthgen.models.text_tokenizer"
"""This module's name in saved models, where it is part of their hash; diffusers looks it up among imported modules."""
sys.modules[SAVED_AS] = sys.modules[__name__]

ROUND_TO = 8
"""Rows of tokens are as long as a multiple of this."""


class TextTokenizer(ModelMixin, ConfigMixin):
    """Texts are pairs of bytes that were merged as the training texts have them, so that every text can be written.

    Tokens of texts come first, then padding, the mask, one for each role, and one for each class.

    Args:
        tokenizer: the JSON text of a tokenizer of the package `tokenizers`.
        n_text: how many tokens it has.
        roles: of segments, in the order of their tokens.
        classes: names of the classes of the roles that are no texts.
    """

    __module__ = SAVED_AS

    @register_to_config
    def __init__(
        self,
        tokenizer: str,
        n_text: int,
        roles: Sequence[str],
        classes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(n_text, dtype=torch.int64))

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        n_tokens: int,
        roles: Sequence[str],
        classes: Mapping[str, Sequence[str]] | None = None,
        least: int = 2,
    ) -> TextTokenizer:
        """Merges pairs of bytes that follow each other at least `least` times, up to `n_tokens` tokens.

        Source: Sennrich et al. 2016 (byte pair encoding); Radford et al. 2019, section 2.2 (on bytes).
        """
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=n_tokens,
            min_frequency=least,
            show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        )
        known = list(texts)
        made.train_from_iterator(known, trainer)
        named = {role: list(names) for role, names in (classes or {}).items()}
        tokenizer: TextTokenizer = cls(made.to_str(), made.get_vocab_size(), list(roles), named)
        ids = torch.tensor([i for text in known for i in tokenizer.ids(text)], dtype=torch.int64)
        tokenizer.counts.copy_(torch.bincount(ids, minlength=tokenizer.n_text))
        return tokenizer

    @cached_property
    def _inner(self) -> Any:
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.config.tokenizer)

    @property
    def n_text(self) -> int:
        """How many tokens texts are made of; they come first."""
        return int(self.config.n_text)

    @property
    def padding(self) -> int:
        return self.n_text

    @property
    def mask(self) -> int:
        return self.n_text + 1

    @property
    def marker(self) -> int:
        """The token of role 0; those of the other roles follow."""
        return self.n_text + 2

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(self.config.roles)

    @property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """Names of the classes of each role that is no text."""
        found: Mapping[str, Sequence[str]] = self.config.classes or {}
        return found

    @cached_property
    def first_of_class(self) -> dict[str, int]:
        """The token of the first class of each such role."""
        found, at = {}, self.marker + len(self.roles)
        for role, names in self.classes.items():
            found[role] = at
            at += len(names)
        return found

    @property
    def n_tokens(self) -> int:
        return self.marker + len(self.roles) + sum(len(names) for names in self.classes.values())

    def ids(self, text: str) -> list[int]:
        """The tokens of a text; none of an empty one."""
        found: list[int] = self._inner.encode(text).ids
        return found

    def text(self, ids: Sequence[int]) -> str:
        """The text of tokens; bytes that are no UTF-8 become U+FFFD."""
        found: str = self._inner.decode(list(ids))
        return found

    def content(self, role: str, ids: Sequence[int]) -> str:
        """What tokens of a segment of this role say: a text, or the name of a class."""
        if role in self.classes:
            return self.classes[role][ids[0] - self.first_of_class[role]]
        return self.text(ids)

    def number(self, role: str) -> int:
        """The number of a role; raises KeyError if it is not known."""
        if role not in self.roles:
            raise KeyError(f"the role `{role}` is not known; those that are: {', '.join(self.roles)}")
        return self.roles.index(role)

    def tokens(self, segment: Segment) -> list[int]:
        """The tokens of a segment whose content is known, without that of its role.

        Raises:
            KeyError: a role or a class that is not known.
        """
        self.number(segment.role)
        assert segment.content is not None
        names = self.classes.get(segment.role)
        if names is None:
            return self.ids(segment.content)
        if segment.content not in names:
            raise KeyError(f"{segment.role}: `{segment.content}` is not known")
        return [self.first_of_class[segment.role] + list(names).index(segment.content)]

    def allowed(self) -> torch.Tensor:
        """Which tokens a segment of each role may hold, bool (roles, tokens)."""
        found = torch.zeros(len(self.roles), self.n_tokens, dtype=torch.bool)
        for number, role in enumerate(self.roles):
            if role in self.classes:
                first = self.first_of_class[role]
                found[number, first : first + len(self.classes[role])] = True
            else:
                found[number, : self.n_text] = self.counts > 0
        return found

    @cached_property
    def words(self) -> torch.Tensor:
        """Which tokens begin a word, with the blank before it, bool (tokens,)."""
        found = torch.zeros(self.n_tokens, dtype=torch.bool)
        texts = [self.text([token]) for token in range(self.n_text)]
        found[: self.n_text] = torch.tensor([text[:1] == " " and text[1:2].isalpha() for text in texts])
        return found

    def pieces(self, record: Record, lengths: Sequence[int]) -> list[Piece]:
        """The record in tokens; `lengths` are those of the segments that are to be generated, in order.

        Raises:
            KeyError: as `tokens`.
        """
        left, found = iter(lengths), []
        for segment in record:
            role = self.number(segment.role)
            if segment.content is None:
                found.append(Piece(role, [self.mask] * next(left), True))
            else:
                found.append(Piece(role, self.tokens(segment), False))
        return found

    def lay_out(self, records: Sequence[Sequence[Piece]], length: int | None = None) -> Layout:
        """Rows of tokens, by default as long as the longest record, rounded up to a multiple of 8."""
        longest = max(n_tokens(pieces) for pieces in records)
        length = length or -(-longest // ROUND_TO) * ROUND_TO
        return lay_out(records, self.marker, self.mask, self.padding, length)

    def record(self, layout: Layout, row: int) -> Record:
        """The segments of a row of tokens."""
        ids, real = layout.tokens[row].tolist(), int(layout.real[row].sum())
        starts = [i for i in range(real) if int(layout.places[row, i]) == 0]
        found = []
        for start, end in zip(starts, [*starts[1:], real], strict=True):
            role = self.roles[int(layout.roles[row, start])]
            found.append(Segment(role, self.content(role, ids[start + 1 : end])))
        return tuple(found)


def n_tokens(pieces: Sequence[Piece]) -> int:
    """How many tokens a record has, those of its roles among them."""
    return sum(1 + len(piece.tokens) for piece in pieces)
