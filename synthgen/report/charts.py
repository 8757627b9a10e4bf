"""Charts of a report as SVG texts, each with a title, axes with units and a legend; equal data give equal bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from synthgen.base.names import printable
from synthgen.models.series.channel_maps import is_atom
from synthgen.readers.series import bands
from synthgen.readers.series.types import Channel
from synthgen.recipe.rules import Rule
from synthgen.report.compared import Compared, Group

SIZE_IN = (4.6, 3.2)
KEPT, REJECTED, THRESHOLD = "#0969da", "#cf222e", "#1f2328"
N_BINS, N_ATOMS, STEM_GAP = 40, 4, 0.008
EDGE_QUANTILE = 0.001
LONGEST, LINE_IN = 40, 0.17
"""Letters of a legend that fit side by side with as many; the height of a line of it."""
STYLE = {
    "svg.hashsalt": "synthgen",
    "svg.fonttype": "path",
    "text.parse_math": False,  # a `$` in a name is a dollar
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
NOTHING = "every series has gaps"


class Chart:
    """One image while it is made; `svg` holds its text afterwards."""

    def __init__(self) -> None:
        self.svg = ""
        self.axes: Any = None


@contextmanager
def chart(title: str, x: str, y: str) -> Iterator[Chart]:
    """Axes to draw into, saved at the end with what `label` named in a legend."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        made = Chart()
        made.axes = figure.add_subplot()
        yield made
        made.axes.set(title=printable(title), xlabel=printable(x), ylabel=printable(y))
        made.axes.grid(alpha=0.25)
        handles, words = made.axes.get_legend_handles_labels()
        if handles:
            n_columns = 2
            if max(map(len, words)) > LONGEST:
                n_columns = 1
                figure.set_figheight(SIZE_IN[1] + LINE_IN * (len(words) - 1))
            figure.legend(handles, words, loc="outside lower center", ncols=n_columns, frameon=False)
        else:
            made.axes.text(0.5, 0.5, NOTHING, ha="center", transform=made.axes.transAxes)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        made.svg = file.getvalue()


def scores(name: str, values: np.ndarray, accepted: np.ndarray, rules: Sequence[Rule]) -> str:
    """How a score is distributed over kept and rejected tries, with the thresholds of the rules about it.

    Args:
        values: float64 (N,), NaN where a try has none; accepted: bool (N,).
    """
    known = np.isfinite(values)
    values, accepted = values[known], accepted[known]
    parts = [("kept", values[accepted], KEPT), ("rejected", values[~accepted], REJECTED)]
    parts = [part for part in parts if len(part[1])]
    with chart(name, name, "tries") as made:
        if len(values):
            made.axes.hist(
                [part for _, part, _ in parts],
                bins=np.histogram_bin_edges(values, N_BINS),
                stacked=True,
                color=[colour for *_, colour in parts],
                label=[f"{word} ({len(part)})" for word, part, _ in parts],
            )
        for rule in rules:
            made.axes.axvline(rule.threshold, color=THRESHOLD, linestyle="--", linewidth=1.2, label=f"rule: {rule}")
    return made.svg


def over_time(group: Group, channel: int, about: Compared) -> str:
    """Some generated series over the band of the real ones, or of all generated ones where there are no real ones."""
    name = about.channels[channel]
    with chart(f"{name.name} over time", f"time ({about.time_unit})", bands.with_unit(name)) as made:
        behind, of = (group.generated, "generated") if group.real is None else (group.real, "real")
        bands.bands(made.axes, about.times, behind[:, :, channel], of)
        bands.lines(made.axes, about.times, group.generated[:, :, channel])
    return made.svg


def power(group: Group, channel: int, about: Compared) -> str:
    """Mean power spectra."""
    name = about.channels[channel]
    x = bands.frequency_label(about.time_unit, about.interval)
    with chart(f"{name.name}: power spectrum", x, f"power density ({_density(name, about.time_unit)})") as made:
        bands.spectra(made.axes, _channel(group.real, channel), group.generated[:, :, channel], about.interval)
    return made.svg


def values(group: Group, channel: int, about: Compared) -> str:
    """How values are distributed, all steps together; the outermost thousandth of each side is not shown.

    Values that hold a share to themselves are stems, as high as their share, on an axis of their own at the right; the
    density is that of all others, and covers what they leave of 1.
    """
    name = about.channels[channel]
    unit = "" if name.unit == "1" else f" (1/{_together(name.unit)})"
    pools = {"real": _channel(group.real, channel), "generated": group.generated[:, :, channel]}
    known = {key: pool[~np.isnan(pool)] for key, pool in pools.items() if pool is not None}
    known = {key: pool for key, pool in known.items() if len(pool)}
    coarsest = min((pool.dtype for pool in known.values()), key=lambda dtype: dtype.itemsize, default=np.float32)
    known = {key: pool.astype(coarsest) for key, pool in known.items()}  # 0.1 is another number in float32
    stems = atoms(list(known.values()))
    with chart(f"{name.name}: distribution of values", bands.with_unit(name), f"density{unit}") as made:
        bins, heights = densities(list(known.values()), stems.tolist())
        for (key, pool), height in zip(known.items(), heights, strict=True):
            label = f"{key}, {len(pool):,} values"
            if key == "real":
                made.axes.stairs(height, bins, fill=True, color=bands.BAND, label=label)
            else:
                made.axes.stairs(height, bins, color=KEPT, linewidth=1.2, label=label)
        if len(stems):
            _draw_stems(made.axes, known, stems)
    return made.svg


def _draw_stems(axes: Any, known: Mapping[str, np.ndarray], stems: np.ndarray) -> None:
    """The share of each of these values in each pool, those of the generated ones beside those of the real ones."""
    right, aside = axes.twinx(), STEM_GAP * float(np.diff(axes.get_xlim())[0])
    right.spines["right"].set_visible(True)
    shares = {key: np.array([100 * (pool == value).mean() for value in stems]) for key, pool in known.items()}
    for key, percent in shares.items():
        places, colour = (stems - aside, bands.MIDDLE) if key == "real" else (stems + aside, KEPT)
        right.vlines(places, 0, percent, color=colour, linewidth=2)
        right.plot(places, percent, "o", color=colour, markersize=4, clip_on=False)
    for i, value in enumerate(stems):
        both = ", ".join(f"{percent[i]:.1f} % {key}" for key, percent in shares.items())
        axes.plot([], [], " ", label=f"exactly {value:g}: {both}")
    right.set(ylabel="share of one value (%)", ylim=(0, 1.1 * max(map(np.max, shares.values()))))


def atoms(pools: Sequence[np.ndarray]) -> np.ndarray:
    """Up to four values, ascending, that hold the largest shares of one of these pools to themselves."""
    found: dict[float, float] = {}
    for pool in pools:
        values, counts = np.unique(pool, return_counts=True)
        alone = is_atom(counts) | (len(counts) == 1)
        for value, count in zip(values[alone].tolist(), counts[alone].tolist(), strict=True):
            found[value] = max(found.get(value, 0.0), count / len(pool))
    return np.array(sorted(sorted(found, key=lambda value: -found[value])[:N_ATOMS]))


def densities(pools: Sequence[np.ndarray], apart: Sequence[float] = ()) -> tuple[np.ndarray, list[np.ndarray]]:
    """Edges of common bins, and for each pool the density of its values in them; what lies outside counts as well.

    Values that are `apart` are in no bin, and count as well.
    """
    if not pools:
        return np.zeros(0), []
    others = [pool[~np.isin(pool, apart)] for pool in pools]
    ends = [np.quantile(pool, [EDGE_QUANTILE, 1 - EDGE_QUANTILE]) for pool in others if len(pool)]
    bins = np.histogram_bin_edges(np.concatenate(ends or [np.array(apart)]), N_BINS)
    return bins, [
        np.histogram(other, bins)[0] / (len(pool) * np.diff(bins)) for pool, other in zip(pools, others, strict=True)
    ]


def autocorrelation(group: Group, channel: int, about: Compared) -> str:
    """Autocorrelations of windows less their own means."""
    from synthgen.measures.series.beyond import autocorrelations

    name = about.channels[channel]
    with chart(f"{name.name}: autocorrelation", f"lag ({about.time_unit})", "correlation") as made:
        pools = {
            "real": (_channel(group.real, channel), bands.MIDDLE),
            "generated": (group.generated[:, :, channel], KEPT),
        }
        for key, (pool, colour) in pools.items():
            known = None if pool is None else bands.without_gaps(pool)
            if known is not None and len(known):
                found = autocorrelations(known[:, :, None])[:, 0]
                lags = np.arange(1, len(found) + 1) * (about.interval or 1.0)
                made.axes.plot(lags, found, color=colour, linewidth=1.2, label=f"{key}, {len(known)} series")
        made.axes.axhline(0, color=bands.BAND, linewidth=0.8, zorder=0)
    return made.svg


PANELS = (over_time, power, values, autocorrelation)
"""The charts of one class and channel, in the order that they are shown in."""


def _channel(values: np.ndarray | None, channel: int) -> np.ndarray | None:
    return None if values is None else values[:, :, channel]


def _density(channel: Channel, time_unit: str) -> str:
    """Unit of a power density: the square of the channel's, for each unit of frequency."""
    square = "" if channel.unit == "1" else f"{_together(channel.unit)}²"
    if time_unit == "s":
        return f"{square or '1'}/Hz"
    return f"{square} {time_unit}".strip()


def _together(unit: str) -> str:
    """`(m/s)`, to stand in a larger unit; `mV` as it is."""
    return f"({unit})" if "/" in unit else unit
