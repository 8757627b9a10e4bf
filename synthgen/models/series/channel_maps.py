"""What the values of a channel are like, and the map between them and a network's: arrays alone, without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import special

Kind = Literal["mixed", "standard", "quantile"]
N_KNOTS = 257
ATOM, ABOVE_OTHERS, MOST_ATOMS = 0.01, 10.0, 32
"""A value is an atom if it holds this share of a channel, and so many times what the median value holds."""

HELD, ABOVE_CHANCE = 0.02, 2.0
"""A channel holds its last value if this share of its steps, and so many times what chance gives, changes nothing."""

MANY_DIFFERENT = 10
"""Of as many numbers that are no multiples of a step, all look like ones (to 1 %) once in 10^13 times."""


def holds(column: np.ndarray) -> bool:
    """Whether a channel (..., L), NaN where missing, stays at a value for longer than chance would have it.

    What chance gives is how often the next different value, up or down, follows. Values that are atoms, such as zeros
    at night, do not count: they follow each other for a reason of their own.
    """
    values, ids, counts = np.unique(column, return_inverse=True, return_counts=True)
    ids = ids.reshape(column.shape)
    usual = ~np.isnan(values) & ~is_atom(counts)
    counted = usual[ids[..., :-1]] & ~np.isnan(column[..., 1:])
    moves = np.diff(ids)[counted]
    if not len(moves):
        return False
    same, next_ones = (moves == 0).mean(), (np.abs(moves) == 1).mean() / 2
    return bool(same > HELD and same > ABOVE_CHANCE * next_ones)


def is_atom(counts: np.ndarray) -> np.ndarray:
    """Which of the different values of a channel, by how often they occur, do so far oftener than the others."""
    often = (counts >= ATOM * counts.sum()) & (counts >= ABOVE_OTHERS * np.median(counts))
    return np.asarray(often & (counts >= np.sort(counts)[-min(MOST_ATOMS, len(counts))]))


def _standard(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the map that takes mean and standard deviation to 0 and 1: a line, with a step at each atom."""
    values, counts = np.unique(known, return_counts=True)
    mean, deviation = known.mean(), known.std()
    atoms = is_atom(counts)
    if not atoms.any():
        return np.array([mean - deviation, mean + deviation]), np.array([-1.0, 1.0])
    widths = np.where(atoms, _widths(counts), 0.0)
    centres = (values - mean) / deviation + np.cumsum(widths) - widths / 2
    middle = np.average(centres, weights=counts)
    spread = np.sqrt(np.average((centres - middle) ** 2, weights=counts))
    ends = np.stack([centres - widths / 2, centres + widths / 2], 1)
    at = np.flatnonzero(atoms)
    knots, scaled = np.repeat(values[at], 2), ends[at].ravel()
    line = 1 / deviation  # on which the map goes on beyond the outer atoms
    knots = np.concatenate([[knots[0] - deviation], knots, [knots[-1] + deviation]])
    scaled = np.concatenate([[scaled[0] - deviation * line], scaled, [scaled[-1] + deviation * line]])
    return knots, (scaled - middle) / spread


def _widths(counts: np.ndarray) -> np.ndarray:
    """How wide a standard normal is where it holds the share of each value; at its ends twice the inner half."""
    ranks = np.cumsum(counts) / counts.sum()
    low, high = special.ndtri(ranks - counts / counts.sum()), special.ndtri(ranks)
    middle = special.ndtri(ranks - counts / counts.sum() / 2)
    return np.asarray(2 * np.minimum(middle - low, high - middle))


def _quantile(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the map that takes the values' distribution to a standard normal.

    Values that occur often share one knot, at the middle of their ranks; atoms have two, at the ends of theirs.
    """
    values, counts = np.unique(known, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(known)
    wanted = np.linspace(middle[0], middle[-1], N_KNOTS)
    knots = np.interp(wanted, middle, values)
    apart = [0]
    for i in range(1, N_KNOTS):
        if knots[i] - knots[apart[-1]] >= 2 * np.spacing(np.float32(abs(knots[i]))):  # the map is in float32
            apart.append(i)
    if len(apart) == 1:
        apart.append(N_KNOTS - 1)
    knots, scaled = knots[apart], special.ndtri(wanted[apart])
    atoms = np.flatnonzero(is_atom(counts))
    if len(atoms):
        centres, halves = special.ndtri(middle[atoms]), _widths(counts)[atoms] / 2
        outside = ~((scaled >= (centres - halves)[:, None]) & (scaled <= (centres + halves)[:, None])).any(0)
        knots = np.concatenate([knots[outside], values[atoms], values[atoms]])
        scaled = np.concatenate([scaled[outside], centres - halves, centres + halves])
        order = np.argsort(scaled, kind="stable")
        return np.maximum.accumulate(knots[order]), scaled[order]
    return knots, scaled


def _mixed(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the mean of both maps, moved and stretched to the mean 0 and the standard deviation 1."""
    knots, scaled = _quantile(known)
    scaled = (scaled + (knots - known.mean()) / known.std()) / 2
    found = np.interp(known, knots, scaled)
    return knots, (scaled - found.mean()) / found.std()


MAPS: dict[Kind, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "mixed": _mixed,
    "standard": _standard,
    "quantile": _quantile,
}


def resolution_of(known: np.ndarray) -> float:
    """The step that all values are whole multiples apart by, 0 if there is none: 1 for counts, 0.01 for prices.

    A step is believed if there are enough different values that all of them are multiples of it by no accident, or
    ten times more values than different ones.
    """
    values = np.unique(known)
    if len(values) < 2 or (len(values) < MANY_DIFFERENT and len(known) < 10 * len(values)):
        return 0.0
    step = float(np.diff(values).min())
    multiples = (values - values[0]) / step
    if multiples[-1] > 2**24:  # float32 holds no finer steps, and any number is a whole multiple of a tiny one
        return 0.0
    return step if np.abs(multiples - multiples.round()).max() < 1e-2 else 0.0
