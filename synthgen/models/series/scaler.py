"""Between a user's units and what a network sees: an invertible map of each channel, part of the saved model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from scipy import special

from synthgen.errors import DataError

Kind = Literal["standard", "quantile"]
N_KNOTS = 257
MANY_ZEROS = 0.1
"""A channel that is at its floor more often than this gets a gate of its own."""

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
    what is missing what the gate hides.) What comes back lies within the range of the training
    data, at their resolution if they have one (whole numbers, the steps of a converter).

    Args:
        gated: ids of the channels with a gate, in the order of the gates.
        resolution: step of each channel's values, 0 for none.
    """

    __module__ = SAVED_AS

    @register_to_config
    def __init__(
        self,
        n_channels: int,
        n_knots: int = 2,
        gated: Sequence[int] = (),
        resolution: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.register_buffer("knots", torch.zeros(n_channels, n_knots))
        self.register_buffer("scaled_knots", torch.zeros(n_channels, n_knots))
        self.register_buffer("low", torch.zeros(n_channels))
        self.register_buffer("high", torch.zeros(n_channels))

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
        """Scaled channels: one for each channel, then one for each gate."""
        return int(self.config.n_channels) + len(self.config.gated)

    @classmethod
    def fit(
        cls, values: np.ndarray, names: Sequence[str], kind: Kind = "standard", *, offsets: bool = False
    ) -> SeriesScaler:
        """The map for values (..., C) float, NaN where missing; with `offsets`, of what is above each channel's lowest.

        `standard` maps mean and standard deviation to 0 and 1; `quantile` maps each channel's distribution to
        a standard normal, which suits heavy tails and bounded channels.

        Raises:
            DataError: a channel has no two different values.
        """
        columns = values.reshape(-1, values.shape[-1]).astype(np.float64)
        maps, gated, ranges, resolutions = [], [], [], []
        lowest: list[float] = []
        for i, name in enumerate(names):
            known = columns[:, i][~np.isnan(columns[:, i])]
            if offsets and len(known):
                lowest.append(float(known.min()))
                known = known - lowest[-1]
            if not len(known) or known.min() == known.max():
                raise DataError(f"channel `{name}`: is constant; leave it out, there is nothing to learn")
            ranges.append((known.min(), known.max()))
            resolutions.append(resolution_of(known))
            above = known[known > known.min()]
            if 1 - len(above) / len(known) > MANY_ZEROS and len(np.unique(above)) > 1:
                gated.append(i)
                known = above
            maps.append(_standard(known) if kind == "standard" else _quantile(known))
        sizes = (len(names), len(maps[0][0]), gated, resolutions)
        scaler = OffsetScaler(*sizes, lowest) if offsets else cls(*sizes)
        for buffer, found in zip(
            (scaler.knots, scaler.scaled_knots, scaler.low, scaler.high),
            (*zip(*maps, strict=True), *zip(*ranges, strict=True)),
            strict=True,
        ):
            buffer.copy_(torch.from_numpy(np.array(found)))
        return scaler

    def scale(self, values: torch.Tensor) -> torch.Tensor:
        """Values (..., C) in units, NaN where missing, to scaled ones (..., n_scaled), NaN where missing."""
        values = values.to(self.knots.dtype)
        scaled = _through(values, self.knots, self.scaled_knots)
        gates = []
        for channel in self.config.gated:
            value = values[..., channel]
            gate = torch.where(value > self.low[channel], 1.0, -1.0)
            gates.append(torch.where(value.isnan(), value, gate))
            scaled[..., channel] = torch.where(value <= self.low[channel], 0.0, scaled[..., channel])
        return torch.cat([scaled, torch.stack(gates, -1)], -1) if gates else scaled

    def unscale(self, scaled: torch.Tensor) -> torch.Tensor:
        """The inverse of `scale` for numbers (..., n_scaled) without missing ones: (..., C) in units."""
        n = int(self.config.n_channels)
        values = _through(scaled[..., :n], self.scaled_knots, self.knots)
        step = torch.tensor(self.config.resolution, dtype=values.dtype, device=values.device)
        if len(step):
            stepped = self.low + ((values - self.low) / step.clamp_min(1e-30)).round() * step
            values = torch.where(step > 0, stepped, values)
        values = torch.minimum(torch.maximum(values, self.low), self.high)
        for i, channel in enumerate(self.config.gated):
            values[..., channel] = torch.where(scaled[..., n + i] > 0, values[..., channel], self.low[channel])
        return values


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
        offsets: Sequence[float] = (),
    ) -> None:
        super().__init__(n_channels, n_knots, gated, resolution)

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


def _through(x: torch.Tensor, knots: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The piecewise-linear maps of (..., C) through rising knots (C, K); NaN stays NaN."""
    x = x.to(knots.dtype)
    flat = x.reshape(-1, x.shape[-1]).T.contiguous()
    above = torch.searchsorted(knots, flat.nan_to_num()).clamp(1, knots.shape[1] - 1)
    left, right = knots.gather(1, above - 1), knots.gather(1, above)
    low, high = targets.gather(1, above - 1), targets.gather(1, above)
    return (low + (flat - left) / (right - left) * (high - low)).T.reshape(x.shape)


def _standard(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the affine map that takes mean and standard deviation to 0 and 1."""
    mean, deviation = known.mean(), known.std()
    return np.array([mean - deviation, mean + deviation]), np.array([-1.0, 1.0])


def _quantile(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the map that takes the values' distribution to a standard normal.

    Values that occur often share one knot, at the middle of their ranks.
    """
    ranks = (np.arange(len(known)) + 0.5) / len(known)
    values, first, counts = np.unique(np.sort(known), return_index=True, return_counts=True)
    middle = ranks[first] + (counts - 1) / 2 / len(known)
    wanted = np.linspace(middle[0], middle[-1], N_KNOTS)
    knots = np.interp(wanted, middle, values)
    apart = [0]
    for i in range(1, N_KNOTS):
        if knots[i] - knots[apart[-1]] >= 2 * np.spacing(np.float32(abs(knots[i]))):  # the map is in float32
            apart.append(i)
    if len(apart) == 1:
        apart.append(N_KNOTS - 1)
    knots, scaled = knots[apart], special.ndtri(wanted[apart])
    beyond = np.arange(1, N_KNOTS - len(apart) + 1)  # on the line that the map goes on in
    longer = [np.concatenate([line, line[-1] + beyond * (line[-1] - line[-2])]) for line in (knots, scaled)]
    return longer[0], longer[1]


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
