"""Decks: numbers in shuffled turns, so that each comes equally often; a sample's follow from its number alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synthgen import seeds


class Deck:
    """Places 0 to n - 1, each as often as its weight in every turn; each turn is shuffled by itself.

    Args:
        weights: of each place, whole numbers from 0; they are divided by what divides all of them.
    """

    def __init__(self, weights: Sequence[int], seed: int, name: str) -> None:
        divisor = math.gcd(*weights) or 1
        self._cards = np.repeat(np.arange(len(weights)), [weight // divisor for weight in weights])
        self._seed, self._name = seed, name
        self._turn, self._shuffled = -1, self._cards

    def __len__(self) -> int:
        """Draws in a turn."""
        return len(self._cards)

    def turn(self, number: int) -> np.ndarray:
        """All draws of a turn, int64 (len,)."""
        if number != self._turn:
            random = seeds.generator(seeds.seed_of(self._seed, f"deck:{self._name}", number))
            self._turn, self._shuffled = number, random.permutation(self._cards)
        return self._shuffled

    def at(self, rank: int) -> int:
        """The place that draw `rank` has."""
        turn, place = divmod(rank, len(self._cards))
        return int(self.turn(turn)[place])


class Share:
    """Which draws are among a share of all, in hundredths: exactly so many of every 100, of every 2 if it is a half."""

    def __init__(self, share: float, seed: int, name: str) -> None:
        hundredths = round(100 * share)
        self._deck = Deck([hundredths, 100 - hundredths], seed, f"share:{name}")
        self._n = hundredths * len(self._deck) // 100

    def rank(self, rank: int) -> int | None:
        """How many draws before `rank` are among the share; None if this one is not."""
        turn, place = divmod(rank, len(self._deck))
        chosen = self._deck.turn(turn) == 0
        return turn * self._n + int(chosen[:place].sum()) if chosen[place] else None
