"""How one token is drawn from the logits of a language model, by a number in [0, 1) of the sample's own stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Draw:
    """Which tokens may be drawn, and how likely.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest token.
        top_k: how many of the likeliest tokens may be drawn, 0 for all.
        top_p: the likeliest tokens that have at least this probability together may be drawn, 1 for all
            (Holtzman et al. 2020, "The curious case of neural text degeneration").
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def token(self, logits: np.ndarray, chance: float) -> tuple[int, float]:
        """The token that `chance` in [0, 1) stands for, and its log-probability at temperature 1 among all tokens.

        The distribution function is inverted over tokens in the order of their ids, in float64.

        Args:
            logits: (V,), finite, or -inf for tokens that must not be drawn.
        """
        values = logits.astype(np.float64)
        if self.temperature == 0:
            token = int(values.argmax())
        else:
            shares = np.exp((values - values.max()) / self.temperature)
            token = _inverse(self._kept(shares / shares.sum()), chance)
        highest = values.max()
        return token, float(values[token] - highest - np.log(np.exp(values - highest).sum()))

    def _kept(self, shares: np.ndarray) -> np.ndarray:
        """The probabilities, with 0 for tokens that are left out."""
        if 0 < self.top_k < len(shares):
            order = np.argsort(-shares, kind="stable")
            shares = np.where(_among(order[: self.top_k], len(shares)), shares, 0.0)
            shares = shares / shares.sum()
        if self.top_p < 1:
            some = np.flatnonzero(shares > (1 - self.top_p) / len(shares))  # less likely ones are never needed
            order = some[np.argsort(-shares[some], kind="stable")]
            n_needed = int(np.searchsorted(np.cumsum(shares[order]), self.top_p)) + 1
            shares = np.where(_among(order[:n_needed], len(shares)), shares, 0.0)
        return shares


def _among(places: np.ndarray, n: int) -> np.ndarray:
    found = np.zeros(n, dtype=bool)
    found[places] = True
    return found


def _inverse(shares: np.ndarray, chance: float) -> int:
    """The first place at which the sum of shares exceeds `chance` of their total."""
    places = np.flatnonzero(shares)
    sums = np.cumsum(shares[places])
    return int(places[min(int(np.searchsorted(sums, chance * sums[-1], side="right")), len(places) - 1)])
