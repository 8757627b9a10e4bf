"""Which segments records have, and how long each may be, as training records had them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config

SAVED_AS = "synthgen.models.text_lengths"
"""This module's name in saved models, where it is part of their hash; diffusers looks it up among imported modules."""
sys.modules[SAVED_AS] = sys.modules[__name__]

MOST_RECORDS = 2**14
"""Training records whose roles and classes are remembered, as numbers below 2^15."""


class TextLengths(ModelMixin, ConfigMixin):
    """Roles and classes of the segments of training records, and which lengths the segments of each role had.

    Args:
        n_records: how many are remembered; n_segments: of the longest.
        n_roles: roles; n_lengths: lengths of a segment, from 0.
    """

    __module__ = SAVED_AS

    @register_to_config
    def __init__(self, n_records: int = 1, n_segments: int = 1, n_roles: int = 1, n_lengths: int = 1) -> None:
        super().__init__()
        for name in ("roles", "classes"):
            self.register_buffer(name, torch.full((n_records, n_segments), -1, dtype=torch.int16))
        self.register_buffer("seen", torch.zeros((n_roles, n_lengths), dtype=torch.bool))

    @classmethod
    def fit(cls, records: Sequence[Sequence[tuple[int, int, int]]], n_roles: int, seed: int) -> TextLengths:
        """Of the (role, tokens, class or -1) of all segments of all training records."""
        chosen = np.random.default_rng(seed).permutation(len(records))[:MOST_RECORDS]
        some = [records[i] for i in np.sort(chosen)]
        longest = max(n for record in records for _, n, _ in record)
        made: TextLengths = cls(len(some), max(len(record) for record in some), n_roles, longest + 1)
        for row, record in enumerate(some):
            numbers = torch.tensor(record)
            made.roles[row, : len(record)], made.classes[row, : len(record)] = numbers[:, 0], numbers[:, 2]
        for role, n in {(role, n) for record in records for role, n, _ in record}:
            made.seen[role, n] = True
        return made

    @property
    def longest(self) -> int:
        """Tokens of the longest segment, without that of its role."""
        return int(self.config.n_lengths) - 1

    def form(self, given: Mapping[int, int], chance: float, closed: Sequence[int] = ()) -> list[int]:
        """The roles of one of the training records that have all that is given, each of the class that is given.

        Args:
            given: classes by role, -1 where it has none.
            chance: uniform number that chooses among them.
            closed: roles of which a record has those that are given, each once, and no others; nothing is returned if
                there is no such record.

        Raises:
            KeyError: no training record has all of these roles.
        """
        roles, classes = self.roles.numpy(), self.classes.numpy()
        fits = np.ones(len(roles), dtype=bool)
        has_class = fits.copy()
        for role, wanted in given.items():
            there = roles == role
            fits &= there.any(1)
            has_class &= (there & (classes == wanted)).any(1)
        for role in closed:
            fits &= (roles == role).sum(1) == (role in given)
        if not fits.any():
            if closed:
                return []
            raise KeyError("no training record has all of the segments that are given")
        found = np.flatnonzero(fits & has_class if (fits & has_class).any() else fits)
        chosen = roles[found[int(chance * len(found))]]
        return [int(role) for role in chosen if role >= 0]
