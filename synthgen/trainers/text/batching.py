"""Records in tokens as batches: what of them is generated, what is masked, and whose lengths are to be predicted.

Shapes: B records, L tokens, S segments of a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from synthgen.models.text.records import Layout, Piece
from synthgen.models.text.tokenizer import ROUND_TO, TextTokenizer
from synthgen.training import batches

MOSTLY = 0.5
"""Share of the records that are not generated as a whole of which all is given but what is mostly written."""


@dataclass(frozen=True, slots=True)
class Batch(batches.Batch):
    """Records as the network sees them, (B, L) each.

    Attributes:
        tokens, roles, segments, places, real: as those of a `Layout`.
        targets: the tokens that are masked, -1 elsewhere.
        lengths: how long the segments without tokens are, at the tokens of their roles, -1 elsewhere.
        n_free: how many tokens are generated, masked or not, (B,).
    """

    tokens: torch.Tensor
    roles: torch.Tensor
    segments: torch.Tensor
    places: torch.Tensor
    real: torch.Tensor
    targets: torch.Tensor
    lengths: torch.Tensor
    n_free: torch.Tensor

    @property
    def layout(self) -> Layout:
        return Layout(self.tokens, self.roles, self.segments, self.places, self.targets >= 0, self.real)


class TokenRecords:
    """All records of a training one after another, each token with its role, its segment and its place there.

    Args:
        records: with the tokens of all their segments.
        n_before: how many segments of each are always given; by default none.
        written: numbers of the roles that are mostly to be generated where all else is given.
    """

    def __init__(
        self,
        records: Sequence[Sequence[Piece]],
        tokenizer: TextTokenizer,
        n_before: Sequence[int] | None = None,
        written: Sequence[int] = (),
    ) -> None:
        self.n_before = torch.tensor(n_before if n_before is not None else [0] * len(records))
        self.written = torch.tensor(written, dtype=torch.int64)
        self.marker, self.mask, self.padding = tokenizer.marker, tokenizer.mask, tokenizer.padding
        self.n_roles = len(tokenizer.roles)
        rows = [
            (self.marker + piece.role if place == 0 else piece.tokens[place - 1], piece.role, number, place)
            for pieces in records
            for number, piece in enumerate(pieces)
            for place in range(1 + len(piece.tokens))
        ]
        self._rows = torch.tensor(rows, dtype=torch.int64).view(-1, 4)
        self.sizes = torch.tensor([sum(1 + len(piece.tokens) for piece in pieces) for pieces in records])
        self.n_segments = torch.tensor([len(pieces) for pieces in records])
        self._starts = self.sizes.cumsum(0) - self.sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def batch(self, numbers: Sequence[int], whole: float, lengths: float, random: torch.Generator) -> Batch:
        """Some records, of each of which something is to be generated.

        Args:
            whole: share of records that are generated as a whole; of the others some roles or some segments are
                given, or all but what is mostly written.
            lengths: share of records of which lengths are to be predicted in place of tokens.
        """
        chosen = torch.tensor(numbers)
        rows = torch.repeat_interleave(torch.arange(len(chosen)), self.sizes[chosen])
        tokens, roles, segments, places = self._rows[self._tokens_of(chosen)].T
        free_segments = self._free(chosen, (rows, roles, segments), whole, random)
        empty = self._empty(free_segments, lengths, random)
        free = free_segments[rows, segments] & (places > 0)
        wanted = torch.zeros_like(free_segments, dtype=torch.int64)
        wanted.index_put_((rows, segments), (places > 0).long(), accumulate=True)
        kept = ~(empty[rows, segments] & (places > 0))
        asked = torch.where((places == 0) & empty[rows, segments], wanted[rows, segments], -1)
        lengths_only = empty.any(1)
        masked = self._masked(rows, segments, free & kept, lengths_only, random)
        return self._padded(
            rows[kept],
            [
                torch.where(masked, self.mask, tokens)[kept],
                roles[kept],
                segments[kept],
                places[kept],
                torch.where(masked & ~lengths_only[rows], tokens, -1)[kept],
                asked[kept],
            ],
            torch.zeros(len(chosen), dtype=torch.int64).index_add_(0, rows, free.long()),
        )

    def _tokens_of(self, chosen: torch.Tensor) -> torch.Tensor:
        """Where the tokens of records are, one record after another."""
        sizes = self.sizes[chosen]
        before = sizes.cumsum(0) - sizes
        return torch.arange(int(sizes.sum())) + torch.repeat_interleave(self._starts[chosen] - before, sizes)

    def _free(
        self,
        chosen: torch.Tensor,
        places: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        whole: float,
        random: torch.Generator,
    ) -> torch.Tensor:
        """Which segments are generated, bool (B, S), of those that are not always given: all; or some roles or some
        segments, but one is and one is not; or those of the roles that are mostly written."""
        rows, roles, segments = places
        n, most = len(chosen), int(self.n_segments[chosen].max())
        role_of = torch.zeros((n, most), dtype=torch.int64)
        role_of[rows, segments] = roles
        before, each = self.n_before[chosen], torch.arange(n)
        sizes = self.n_segments[chosen] - before
        free = (torch.rand(n, generator=random) * sizes).long()
        given = before + (free + 1 + (torch.rand(n, generator=random) * (sizes - 1)).long()) % sizes
        free = before + free
        by_segment = torch.rand((n, most), generator=random) < 0.5
        by_role = torch.rand((n, self.n_roles), generator=random) < 0.5
        by_segment[each, given], by_role[each, role_of[each, given]] = False, False
        by_segment[each, free], by_role[each, role_of[each, free]] = True, True
        way = torch.rand(n, generator=random)[:, None]
        some = torch.where(way < (1 + whole) / 2, by_role.gather(1, role_of), by_segment)
        number = torch.arange(most)
        there = (number >= before[:, None]) & (number < self.n_segments[chosen][:, None])
        if len(self.written):
            texts = torch.isin(role_of, self.written) & there
            some = torch.where((torch.rand(n, generator=random)[:, None] < MOSTLY) & texts.any(1)[:, None], texts, some)
        return ((way < whole) | some) & there

    @staticmethod
    def _empty(free: torch.Tensor, share: float, random: torch.Generator) -> torch.Tensor:
        """Which segments have no tokens, bool (B, S): those of some records that are generated, from one of them on."""
        n = len(free)
        chosen = torch.rand(n, generator=random) < share
        first = (torch.rand(n, generator=random) * free.sum(1)).long()
        return free & chosen[:, None] & (free.cumsum(1) - 1 >= first[:, None])

    @staticmethod
    def _masked(
        rows: torch.Tensor,
        segments: torch.Tensor,
        free: torch.Tensor,
        all_of: torch.Tensor,
        random: torch.Generator,
    ) -> torch.Tensor:
        """Which of the free tokens are masked, bool: a uniform share of each record's, at least one, or all.

        In every other record they are any tokens, and in the others the last segments and a part of the one before
        them, as where segments are generated one after another.
        """
        n = len(all_of)
        # One share of each of B equally likely ranges: batches differ less than if each were chosen by itself.
        share = (torch.randperm(n, generator=random) + torch.rand(n, generator=random)) / n
        n_free = torch.zeros(n, dtype=torch.int64).index_add_(0, rows, free.long())
        wanted = torch.where(all_of, n_free, (share * n_free).floor().long() + 1)
        in_order = torch.rand(n, generator=random) < 0.5
        last = int(segments.max())
        chance = torch.rand(len(rows), generator=random, dtype=torch.float64)
        chance = (chance + torch.where(in_order[rows], last - segments, 0)) / (1 + last)
        order = (rows + torch.where(free, chance, 1.0)).argsort(stable=True)
        sizes = torch.bincount(rows, minlength=n)
        rank = torch.empty_like(rows)
        rank[order] = torch.arange(len(rows)) - torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)
        return free & (rank < wanted[rows])

    def _padded(self, rows: torch.Tensor, columns: Sequence[torch.Tensor], n_free: torch.Tensor) -> Batch:
        sizes = torch.bincount(rows, minlength=len(n_free))
        at = torch.arange(len(rows)) - (sizes.cumsum(0) - sizes)[rows]
        length = -(-int(sizes.max()) // ROUND_TO) * ROUND_TO
        found = []
        for column, empty in zip(columns, (self.padding, 0, 0, 0, -1, -1), strict=True):
            padded = torch.full((len(n_free), length), empty, dtype=torch.int64)
            padded[rows, at] = column
            found.append(padded)
        tokens, roles, segments, places, targets, lengths = found
        real = torch.arange(length) < sizes[:, None]
        return Batch(tokens, roles, segments, places, real, targets, lengths, n_free)
