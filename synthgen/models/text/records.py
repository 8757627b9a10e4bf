"""Records in tokens: the pieces of one, and a batch of them as the network sees it.

Shapes: B records, L tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Layout:
    """Records as tokens, each segment after a token that names its role; all are int64 (B, L) unless said otherwise.

    Attributes:
        tokens: mask tokens where something is to be generated, padding after a record's end.
        roles: number of the role of the segment that a token belongs to.
        segments: number of that segment in its record; places: of the token in its segment, 0 for the role's own.
        free: bool, where something is to be generated; real: bool, false after a record's end.
    """

    tokens: torch.Tensor
    roles: torch.Tensor
    segments: torch.Tensor
    places: torch.Tensor
    free: torch.Tensor
    real: torch.Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def to(self, device: str | torch.device) -> Layout:
        return Layout(*(getattr(self, name).to(device) for name in self.__slots__))

    def of(self, tokens: torch.Tensor) -> Layout:
        """The same places with other tokens."""
        return Layout(tokens, self.roles, self.segments, self.places, self.free, self.real)


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment in tokens: the number of its role, its tokens, and whether they are to be generated."""

    role: int
    tokens: Sequence[int]
    free: bool


def lay_out(records: Sequence[Sequence[Piece]], marker: int, mask: int, padding: int, length: int) -> Layout:
    """Pieces of records in rows of `length` tokens.

    Args:
        marker: id of the token of role 0; those of the other roles follow.
    """
    shape = (len(records), length)
    tokens, roles, segments, places = (torch.zeros(shape, dtype=torch.int64) for _ in range(4))
    tokens += padding
    free, real = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    for row, pieces in enumerate(records):
        at = 0
        for number, piece in enumerate(pieces):
            end = at + 1 + len(piece.tokens)
            if end > length:
                raise ValueError(f"a record has more than {length} tokens")
            inside = slice(at + 1, end)
            tokens[row, at] = marker + piece.role
            tokens[row, inside] = mask if piece.free else torch.tensor(list(piece.tokens), dtype=torch.int64)
            roles[row, at:end], segments[row, at:end] = piece.role, number
            places[row, at:end] = torch.arange(end - at)
            free[row, inside], real[row, at:end] = piece.free, True
            at = end
    return Layout(tokens, roles, segments, places, free, real)
