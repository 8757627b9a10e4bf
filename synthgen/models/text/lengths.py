"""How long segments that are to be generated are: as those of a training record that is like what is given."""

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
"""Training records whose lengths are remembered."""

N_NEAREST, SHARE = 32, 20
"""Records that are alike, from which one is chosen: at most so many, and one in so many of those with these roles."""

N_BEFORE = 4
"""Roles before a segment that are looked at where no record has all of them."""


class TextLengths(ModelMixin, ConfigMixin):
    """Lengths of the segments of training records, with their roles and the class of each, if it is one.

    Args:
        n_records: how many are remembered; n_segments: of the longest.
    """

    __module__ = SAVED_AS

    @register_to_config
    def __init__(self, n_records: int = 1, n_segments: int = 1) -> None:
        super().__init__()
        for name in ("roles", "lengths", "classes"):
            self.register_buffer(name, torch.full((n_records, n_segments), -1, dtype=torch.int32))

    @classmethod
    def fit(cls, records: Sequence[Sequence[tuple[int, int, int]]], seed: int) -> TextLengths:
        """Of the (role, tokens, class or -1) of all segments of all training records."""
        chosen = np.random.default_rng(seed).permutation(len(records))[:MOST_RECORDS]
        some = [records[i] for i in np.sort(chosen)]
        made: TextLengths = cls(len(some), max(len(record) for record in some))
        for row, record in enumerate(some):
            numbers = torch.tensor(record, dtype=torch.int32)
            for column, name in enumerate(("roles", "lengths", "classes")):
                getattr(made, name)[row, : len(record)] = numbers[:, column]
        return made

    def draw(
        self,
        roles: Sequence[int],
        lengths: Sequence[int | None],
        classes: Sequence[int],
        chance: float,
        room: int | None = None,
    ) -> list[int]:
        """A length for each segment whose length is None, from one of the nearest training records.

        Those have the same roles in the same order, as many as possible of the same classes, and then the least
        difference of all lengths that are known. Where no record has these roles, each is drawn by itself, from those
        that stand behind the same roles, and all are shortened alike if they would not have room.

        Args:
            classes: class of each segment, -1 where it has none or is to be generated.
            chance: uniform number that chooses among them.
            room: tokens that there are for segments whose length is None, if that is limited.

        Raises:
            KeyError: no training record has a segment of one of the roles.
        """
        free = [i for i, length in enumerate(lengths) if length is None]
        wanted = np.full(self.roles.shape[1], -1)
        rows = np.zeros(0, dtype=np.int64)
        if len(roles) <= len(wanted):
            wanted[: len(roles)] = roles
            rows = np.flatnonzero((self.roles.numpy() == wanted).all(1))
        if not len(rows):
            return _fitted([self._alone(roles, i, chance) for i in free], room)
        asked = np.array(classes)
        others = (self.classes[rows, : len(roles)].numpy() != asked)[:, asked >= 0].sum(1)
        known = np.array([i for i, length in enumerate(lengths) if length is not None], dtype=np.int64)
        given = np.array([lengths[i] for i in known], dtype=np.int64)
        away = np.abs(self.lengths[rows][:, known].numpy() - given).sum(1)
        n_nearest = max(1, min(N_NEAREST, len(rows) // SHARE))
        nearest = rows[np.lexsort((rows, away, others))[:n_nearest]] if len(known) or (asked >= 0).any() else rows
        chosen = nearest[int(chance * len(nearest))]
        return [int(self.lengths[chosen, i]) for i in free]

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
        rows, classes = self.roles.numpy(), self.classes.numpy()
        fits = np.ones(len(rows), dtype=bool)
        has_class = fits.copy()
        for role, wanted in given.items():
            there = rows == role
            fits &= there.any(1)
            has_class &= (there & (classes == wanted)).any(1)
        for role in closed:
            fits &= (rows == role).sum(1) == (role in given)
        if not fits.any():
            if closed:
                return []
            raise KeyError("no training record has all of the segments that are given")
        found = np.flatnonzero(fits & has_class if (fits & has_class).any() else fits)
        chosen = rows[found[int(chance * len(found))]]
        return [int(role) for role in chosen if role >= 0]

    def _alone(self, roles: Sequence[int], place: int, chance: float) -> int:
        """A length of the segment at a place, from those before which as many roles as possible are the same."""
        rows = self.roles.numpy()
        there = rows == roles[place]
        if not there.any():
            raise KeyError(f"no training record has a segment of the role {roles[place]}")
        for back in range(1, min(place, N_BEFORE) + 1):
            narrower = there.copy()
            narrower[:, :back] = False
            narrower[:, back:] &= rows[:, :-back] == roles[place - back]
            if not narrower.any():
                break
            there = narrower
        found = np.sort(self.lengths.numpy()[there])
        return int(found[int(chance * len(found))])


def _fitted(lengths: list[int], room: int | None) -> list[int]:
    """The lengths, or shorter ones in about the same proportions, of which each keeps one token."""
    total = sum(lengths)
    if room is None or total <= room:
        return lengths
    return [max(1, length * max(room, 0) // total) for length in lengths]
