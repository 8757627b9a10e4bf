"""Between a user's units and what a network sees: an invertible map of each channel, part of the saved model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config

from synthgen.errors import DataError
from synthgen.models.series.channel_maps import MAPS, Kind, holds, resolution_of

Snap = Literal["observed", "grid", "none"]
MANY_ZEROS = 0.1
"""A channel that is at its floor more often than this gets a gate of its own."""

MOST_OBSERVED = 2**16
"""Different values of a channel that are remembered; of more, the resolution is."""

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

    What comes back lies within the range of the training data, unless it goes with known values that do not: the
    nearest value that occurs there, or one at their resolution if they have one (whole numbers, the steps of a
    converter).

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

    @property
    def free(self) -> torch.Tensor:
        """True (n_scaled,) for channels whose values may lie anywhere: without a floor's gate, and without atoms."""
        found = (self.knots.diff(dim=1) > 0).all(1)
        found[list(self.config.gated)] = False
        return torch.cat([found, found.new_zeros(self.n_scaled - len(found))])

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

    def unscale(self, scaled: torch.Tensor, known: torch.Tensor | None = None) -> torch.Tensor:
        """The inverse of `scale` for numbers (..., L, n_scaled) without missing ones: (..., L, C) in units.

        It leaves values that are held to `hold`, which knows the steps before.

        Args:
            known: values in units (..., L, C) that the others go with, NaN where there are none. Where one of a channel
                lies below the training data's range, others may too; above it likewise.
        """
        low, high = self.low, self.high
        if known is not None:
            known = known.to(low.dtype)
            low = torch.where((known < low).any(-2, keepdim=True), -torch.inf, low)
            high = torch.where((known > high).any(-2, keepdim=True), torch.inf, high)
        n = int(self.config.n_channels)
        values = _through(scaled[..., :n], self.scaled_knots, self.knots)
        step = torch.tensor(self.config.resolution, dtype=values.dtype, device=values.device)
        if len(step):
            stepped = self.low + ((values - self.low) / step.clamp_min(1e-30)).round() * step
            values = torch.where(step > 0, stepped, values)
        values = torch.minimum(torch.maximum(values, low), high)
        if self.config.n_observed:
            beyond = (values < self.low) | (values > self.high)
            for i, observed in enumerate(self.observed.split(list(self.config.n_observed))):
                values[..., i] = torch.where(beyond[..., i], values[..., i], _nearest(values[..., i], observed))
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

    def unscale(self, scaled: torch.Tensor, known: torch.Tensor | None = None) -> torch.Tensor:
        offsets = self._doubles("offsets", scaled.device)
        above = super().unscale(scaled, None if known is None else known.double() - offsets).double()
        step = self._doubles("resolution", scaled.device)
        above = torch.where(step > 0, (above / step.clamp_min(1e-30)).round() * step, above)
        return above + offsets

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


def _longer(line: np.ndarray, n_knots: int) -> np.ndarray:
    """Knots with more of them after the last, on the line that the map goes on in."""
    beyond = np.arange(1, n_knots - len(line) + 1)
    return np.concatenate([line, line[-1] + beyond * (line[-1] - line[-2])])
