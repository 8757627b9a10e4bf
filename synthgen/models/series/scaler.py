"""Between a user's units and what a network sees: an invertible map of each channel, part of the saved model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from scipy import special

from synthgen.errors import DataError

Kind = Literal["mixed", "standard", "quantile"]
Snap = Literal["observed", "grid", "none"]
N_KNOTS = 257
MANY_ZEROS = 0.1
"""A channel that is at its floor more often than this gets a gate of its own."""

ATOM, ABOVE_OTHERS, MOST_ATOMS = 0.01, 10.0, 32
"""A value is an atom if it holds this share of a channel, and so many times what the median value holds."""

HELD, ABOVE_CHANCE = 0.02, 2.0
"""A channel holds its last value if this share of its steps, and so many times what chance gives, changes nothing."""

MOST_OBSERVED = 2**16
"""Different values of a channel that are remembered; of more, the resolution is."""

MANY_DIFFERENT = 10
"""Of as many numbers that are no multiples of a step, all look like ones (to 1 %) once in 10^13 times."""

SAVED_AS = "synthgen.models.series_scaler"
"""This module's name in saved models, where it is part of their hash; diffusers looks it up among imported modules."""
sys.modules[SAVED_AS] = sys.modules[__name__]


class SeriesScaler(ModelMixin, ConfigMixin):
    """Channels in units (..., C) to scaled channels (..., C + gates) near a standard normal, and back.

    Every channel has a monotone piecewise-linear map through `n_knots` knots, extrapolated linearly.
    A channel of many equal values at its floor (rainfall, sales) gets a gate: one more scaled channel
    that is +1 where the value is above the floor and -1 where it is not; the value itself is then 0 at the
    floor, and its map is made from the others. (Were it missing there, a model in training would see from
    what is missing what the gate hides.) Other values that occur often (a sensor's ends) have an interval of scaled
    values to themselves, as wide as a standard normal is where it holds their share: what a model gives for them is
    nearly right, and comes back as just them. A channel that holds its last value gets a gate for that: one more
    scaled channel, +1 where a value is that of the step before and -1 where it is not.

    What comes back lies within the range of the training data: the nearest value that occurs there, or one at their
    resolution if they have one (whole numbers, the steps of a converter).

    Args:
        gated: ids of the channels with a gate, in the order of the gates.
        resolution: step of each channel's values, 0 for none.
        held: ids of the channels with a gate for values that are held, in the order of these gates.
        n_observed: how many values each channel comes back as, 0 for any; none if all channels come back as any.
    """

    __module__ = SAVED_AS

    @register_to_config
    def __init__(
        self,
        n_channels: int,
        n_knots: int = 2,
        gated: Sequence[int] = (),
        resolution: Sequence[float] = (),
        held: Sequence[int] = (),
        n_observed: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.register_buffer("knots", torch.zeros(n_channels, n_knots))
        self.register_buffer("scaled_knots", torch.zeros(n_channels, n_knots))
        self.register_buffer("low", torch.zeros(n_channels))
        self.register_buffer("high", torch.zeros(n_channels))
        if sum(n_observed):
            self.register_buffer("observed", torch.zeros(sum(n_observed)))

    @property
    def dtype_in_units(self) -> type:
        """What values in units are: float32, or float64 with offsets."""
        return np.float32

    @property
    def floors(self) -> list[float]:
        """The lowest value of each channel, in units."""
        found: list[float] = self.low.tolist()
        return found

    @property
    def n_scaled(self) -> int:
        """Scaled channels: one for each channel, then one for each gate, those for held values last."""
        return len(self.owners)

    @property
    def owners(self) -> list[int]:
        """The channel that each scaled channel belongs to."""
        return [*range(int(self.config.n_channels)), *self.config.gated, *self.config.held]

    def shown(self, cells: torch.Tensor) -> torch.Tensor:
        """Which scaled values (B, L, n_scaled) follow from such cells (B, L, C): whether one is held, from two."""
        found = cells[..., self.owners]
        first = self.n_scaled - len(self.config.held)
        before = torch.nn.functional.pad(found[:, :-1, first:], (0, 0, 1, 0))
        return torch.cat([found[..., :first], found[..., first:] & before], -1)

    @classmethod
    def fit(
        cls,
        values: np.ndarray,
        names: Sequence[str],
        kind: Kind = "mixed",
        *,
        snap: Snap = "observed",
        offsets: bool = False,
    ) -> SeriesScaler:
        """The map for values (..., L, C) float, NaN where missing.

        `standard` maps mean and standard deviation to 0 and 1. `quantile` maps each channel's distribution to
        a standard normal: it widens peaks, but of a gap between two of them nothing is left, and what is nearly right
        may jump over it. `mixed` is the mean of both.

        Args:
            snap: what comes back: values that were observed, any on the grid that all of them lie on, or any.
            offsets: whether to map what is above each channel's lowest value, in float64.

        Raises:
            DataError: a channel has no two different values.
        """
        maps, gated, held, ranges, resolutions = [], [], [], [], []
        lowest: list[float] = []
        observed: list[np.ndarray] = []
        for i, name in enumerate(names):
            column = values[..., i].astype(np.float64)
            known = column[~np.isnan(column)]
            if offsets and len(known):
                lowest.append(float(known.min()))
                known = known - lowest[-1]
            if not len(known) or known.min() == known.max():
                raise DataError(f"channel `{name}`: is constant; leave it out, there is nothing to learn")
            ranges.append((known.min(), known.max()))
            resolutions.append(resolution_of(known) if snap != "none" else 0.0)
            different = np.unique(known.astype(np.float32))
            observed.append(different if snap == "observed" and len(different) <= MOST_OBSERVED else different[:0])
            if holds(column):
                held.append(i)
            above = known[known > known.min()]
            if 1 - len(above) / len(known) > MANY_ZEROS and len(np.unique(above)) > 1:
                gated.append(i)
                known = above
            maps.append(MAPS[kind](known))
        n_knots = max(len(knots) for knots, _ in maps)
        n_observed = [len(some) for some in observed] if any(map(len, observed)) else []
        sizes = (len(names), n_knots, gated, resolutions, held, n_observed)
        scaler = OffsetScaler(*sizes, lowest) if offsets else cls(*sizes)
        lines = [[_longer(line, n_knots) for line in both] for both in maps]
        buffers = [scaler.knots, scaler.scaled_knots, scaler.low, scaler.high]
        found = [*zip(*lines, strict=True), *zip(*ranges, strict=True)]
        if n_observed:
            buffers, found = [*buffers, scaler.observed], [*found, np.concatenate(observed)]
        for buffer, numbers in zip(buffers, found, strict=True):
            buffer.copy_(torch.from_numpy(np.array(numbers)))
        return scaler

    def scale(self, values: torch.Tensor) -> torch.Tensor:
        """Values (..., L, C) in units, NaN where missing, to scaled ones (..., L, n_scaled), NaN where missing."""
        values = values.to(self.knots.dtype)
        # An atom has two knots, and lies in the middle between them.
        scaled = (
            _through(values, self.knots, self.scaled_knots) + _through(values, self.knots, self.scaled_knots, True)
        ) / 2
        gates = []
        for channel in self.config.gated:
            value = values[..., channel]
            gate = torch.where(value > self.low[channel], 1.0, -1.0)
            gates.append(torch.where(value.isnan(), value, gate))
            scaled[..., channel] = torch.where(value <= self.low[channel], 0.0, scaled[..., channel])
        for channel in self.config.held:
            change = torch.diff(
                values[..., channel], dim=-1, prepend=torch.full_like(values[..., :1, channel], torch.nan)
            )
            gates.append(torch.where(change.isnan(), change, torch.where(change == 0, 1.0, -1.0)))
        return torch.cat([scaled, torch.stack(gates, -1)], -1) if gates else scaled

    def unscale(self, scaled: torch.Tensor) -> torch.Tensor:
        """The inverse of `scale` for numbers (..., n_scaled) without missing ones: (..., C) in units.

        It leaves values that are held to `hold`, which knows the steps before.
        """
        n = int(self.config.n_channels)
        values = _through(scaled[..., :n], self.scaled_knots, self.knots)
        step = torch.tensor(self.config.resolution, dtype=values.dtype, device=values.device)
        if len(step):
            stepped = self.low + ((values - self.low) / step.clamp_min(1e-30)).round() * step
            values = torch.where(step > 0, stepped, values)
        values = torch.minimum(torch.maximum(values, self.low), self.high)
        if self.config.n_observed:
            for i, observed in enumerate(self.observed.split(list(self.config.n_observed))):
                values[..., i] = _nearest(values[..., i], observed)
        for i, channel in enumerate(self.config.gated):
            values[..., channel] = torch.where(scaled[..., n + i] > 0, values[..., channel], self.low[channel])
        return values

    def hold(self, series: np.ndarray, scaled: torch.Tensor, given: np.ndarray) -> np.ndarray:
        """Series (N, L, C) in units with values held where the gates of `scaled` (N, L, n_scaled) say so.

        Args:
            given: True (N, L, C) where a value was given: it stays.
        """
        series = series.copy()
        first = scaled.shape[-1] - len(self.config.held)
        for i, channel in enumerate(self.config.held):
            held = (scaled[..., first + i].cpu().numpy() > 0) & ~given[..., channel]
            source = np.where(held, 0, np.arange(series.shape[1]))  # the first step has none before it
            source = np.maximum.accumulate(source, axis=1)
            series[..., channel] = np.take_along_axis(series[..., channel], source, 1)
        return series


class OffsetScaler(SeriesScaler):
    """A scaler for channels that float32 is too coarse for: it maps what is above an offset of each, taken in float64.

    Args:
        offsets: the lowest value of each channel; the others are as those of `SeriesScaler`, above the offsets.
    """

    __module__ = SAVED_AS

    @register_to_config
    def __init__(
        self,
        n_channels: int,
        n_knots: int = 2,
        gated: Sequence[int] = (),
        resolution: Sequence[float] = (),
        held: Sequence[int] = (),
        n_observed: Sequence[int] = (),
        offsets: Sequence[float] = (),
    ) -> None:
        super().__init__(n_channels, n_knots, gated, resolution, held, n_observed)

    @property
    def dtype_in_units(self) -> type:
        return np.float64

    @property
    def floors(self) -> list[float]:
        return list(self.config.offsets)

    def scale(self, values: torch.Tensor) -> torch.Tensor:
        return super().scale(values.double() - self._doubles("offsets", values.device))

    def unscale(self, scaled: torch.Tensor) -> torch.Tensor:
        above = super().unscale(scaled).double()
        step = self._doubles("resolution", scaled.device)
        above = torch.where(step > 0, (above / step.clamp_min(1e-30)).round() * step, above)
        return above + self._doubles("offsets", scaled.device)

    def _doubles(self, name: str, device: torch.device) -> torch.Tensor:
        return torch.tensor(self.config[name], dtype=torch.float64, device=device)


def _through(x: torch.Tensor, knots: torch.Tensor, targets: torch.Tensor, right: bool = False) -> torch.Tensor:
    """The piecewise-linear maps of (..., C) through knots (C, K) that do not fall; NaN stays NaN.

    Args:
        right: whether a value that has two knots is at the second one, else it is at the first.
    """
    x = x.to(knots.dtype)
    flat = x.reshape(-1, x.shape[-1]).T.contiguous()
    above = torch.searchsorted(knots, flat.nan_to_num(), right=right).clamp(1, knots.shape[1] - 1)
    before, after = knots.gather(1, above - 1), knots.gather(1, above)
    low, high = targets.gather(1, above - 1), targets.gather(1, above)
    apart = after > before
    share = (flat - before) / torch.where(apart, after - before, 1.0)
    return (low + torch.where(apart, share, flat - before + right) * (high - low)).T.reshape(x.shape)


def _nearest(values: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """The nearest of rising `observed` (K,) to each value; the values themselves if there are none."""
    if len(observed) < 2:
        return values
    above = torch.searchsorted(observed, values.contiguous()).clamp(1, len(observed) - 1)
    low, high = observed[above - 1], observed[above]
    return torch.where(values - low <= high - values, low, high)


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
        knots, scaled = np.maximum.accumulate(knots[order]), scaled[order]
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


def _longer(line: np.ndarray, n_knots: int) -> np.ndarray:
    """Knots with more of them after the last, on the line that the map goes on in."""
    beyond = np.arange(1, n_knots - len(line) + 1)
    return np.concatenate([line, line[-1] + beyond * (line[-1] - line[-2])])


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
