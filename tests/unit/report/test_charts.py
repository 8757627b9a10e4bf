"""Charts of a report: words in them, and equal bytes. Words are read as SVG text, which pages hold as outlines."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from synthgen.readers.series import bands
from synthgen.readers.series.types import Channel
from synthgen.recipe.rules import parse
from synthgen.report import charts
from synthgen.report.compared import Compared, Group

CHANNELS = (Channel("MLII", "mV"), Channel("count"))


def about(real: bool = True, gaps: bool = False, interval: float | None = 0.5) -> Compared:
    random = np.random.default_rng(0)
    generated, others = random.normal(size=(8, 16, 2)).astype(np.float32), random.normal(size=(9, 16, 2))
    if gaps:
        generated[:, 3, :] = np.nan
    group = Group("calm", generated, others.astype(np.float32) if real else None)
    unit = "s" if interval else "step"
    return Compared("series", CHANNELS, np.arange(16) * (interval or 1), unit, interval, (group,), 8, 1)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch):
    """All words of an SVG."""
    monkeypatch.setitem(charts.STYLE, "svg.fonttype", "none")

    def read(svg: str) -> set[str]:
        return {"".join(node.itertext()).strip() for node in ET.fromstring(svg).iter() if node.tag.endswith("text")}

    return read


def test_scores_show_both_verdicts_and_the_rule(words) -> None:
    values = np.array([0.1, 0.2, 0.7, 0.9, np.nan])
    accepted = np.array([False, False, True, True, True])
    svg = charts.scores("agreement", values, accepted, [parse("agreement >= 0.5", None)])
    assert {"agreement", "tries", "kept (2)", "rejected (2)", "rule: agreement >= 0.5"} <= words(svg)


@pytest.mark.parametrize(
    ("draw", "axes"),
    [
        (charts.over_time, {"time (s)", "MLII (mV)", "real, 5 % to 95 %", "real, median", "generated, 6 of 8"}),
        (charts.power, {"frequency (Hz)", "power density (mV²/Hz)", "real, mean of 9", "generated, mean of 8"}),
        (charts.values, {"MLII (mV)", "density (1/mV)", "real, 144 values", "generated, 128 values"}),
        (charts.autocorrelation, {"lag (s)", "correlation", "real, 9 series", "generated, 8 series"}),
    ],
)
def test_axes_have_names_and_units_and_lines_a_legend(words, draw, axes: set[str]) -> None:
    found = about()
    assert axes <= words(draw(found.groups[0], 0, found))


@pytest.mark.parametrize("draw", charts.PANELS)
def test_without_real_series_only_the_generated_are_named(words, draw) -> None:
    found = about(real=False)
    assert not [word for word in words(draw(found.groups[0], 1, found)) if word.startswith("real")]


def test_irregular_times_are_counted_in_steps(words) -> None:
    found = about(interval=None)
    shown = words(charts.power(found.groups[0], 0, found))
    assert {"frequency (1/step)", "power density (mV² step)"} <= shown
    assert "lag (step)" in words(charts.autocorrelation(found.groups[0], 0, found))


def test_where_every_series_has_gaps_the_chart_says_so(words) -> None:
    found = about(real=False, gaps=True)
    assert charts.NOTHING in words(charts.power(found.groups[0], 0, found))
    assert "generated, 120 values" in words(charts.values(found.groups[0], 0, found))


def test_equal_data_equal_bytes_and_nothing_from_elsewhere() -> None:
    first, second = (charts.power(about().groups[0], 0, about()) for _ in range(2))
    assert first == second
    links = set(re.findall(r'(?:href|src)="([^"]*)"', first))
    assert all(link.startswith("#") for link in links)


def test_distributions_are_densities_in_common_bins() -> None:
    random = np.random.default_rng(0)
    narrow, wide = random.normal(0, 1, 5000), random.normal(0, 3, 800)
    bins, heights = charts.densities([narrow, wide])
    shares = [float((height * np.diff(bins)).sum()) for height in heights]
    assert all(0.99 < share <= 1 for share in shares)
    assert bins[0] < -7 and bins[-1] > 7 and heights[0].max() > 2 * heights[1].max()
    assert charts.densities([])[1] == []


def test_a_dollar_in_a_name_is_a_dollar() -> None:
    with charts.chart("$x_{$ and 猫\x1b", "price ($)", "$\\frac") as made:
        made.axes.plot([0, 1], [0, 1], label="$y_{$")
    assert made.svg.startswith("<?xml")


def test_numbers_of_a_logarithmic_axis_are_plain() -> None:
    """Texts are not read as TeX, for the `$` in names, and matplotlib's own numbers of such axes are TeX."""
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    bands.spectra(axes, None, np.random.default_rng(0).normal(0, 30, (20, 24)), 1.0)
    shown = [label.get_text() for label in axes.yaxis.get_ticklabels()]
    assert "1,000" in shown and not [text for text in shown if "$" in text]


def test_a_logarithmic_axis_of_less_than_two_powers_of_ten_has_numbers_between_them() -> None:
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    noise = np.random.default_rng(0).normal(0, 1, (4000, 24))
    bands.spectra(axes, None, noise, 1.0)
    low, high = axes.get_ylim()
    assert high / low < 3
    ticks = [*axes.yaxis.get_majorticklocs(), *axes.yaxis.get_minorticklocs()]
    texts = [label.get_text() for label in axes.yaxis.get_ticklabels(which="both")]
    assert [text for text, place in zip(texts, ticks, strict=True) if text and low <= place <= high]


def with_zeros(real_share: float, generated_share: float, dtype: str = "float32") -> Compared:
    """400 real and 300 generated values of a channel, some of them exactly 0.1, the others around 5."""
    random = np.random.default_rng(0)

    def values(n: int, share: float) -> np.ndarray:
        return np.where(np.arange(n) < share * n, 0.1, random.normal(5, 1, n)).reshape(10, -1, 1)

    generated = values(300, generated_share).astype(np.float32)
    group = Group("", generated, values(400, real_share).astype(dtype))
    return Compared("series", (Channel("rain", "mm"),), np.arange(30.0), "h", 1.0, (group,), 10, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_that_hold_a_share_are_stems_with_the_shares_of_both(words, dtype: str) -> None:
    about = with_zeros(0.25, 0.5, dtype)
    shown = words(charts.values(about.groups[0], 0, about))
    assert {"exactly 0.1: 25.0 % real, 50.0 % generated", "share of one value (%)", "density (1/mm)"} <= shown
    plain = words(charts.values(with_zeros(0, 0).groups[0], 0, about))
    assert not [word for word in plain if "exactly" in word or "share" in word]


def test_densities_leave_out_what_stands_apart_and_count_it() -> None:
    about = with_zeros(0.25, 0.5)
    pools = [about.groups[0].real, about.groups[0].generated]
    stems = charts.atoms(pools)
    assert stems == pytest.approx([0.1])
    bins, heights = charts.densities([pool.ravel() for pool in pools], stems)
    assert bins[0] > 1, "no bin around a value that has a stem"
    assert [(height * np.diff(bins)).sum() for height in heights] == pytest.approx([0.75, 0.5], abs=0.01)


def test_a_channel_of_one_value_has_a_chart(words) -> None:
    about = with_zeros(1, 1)
    assert "exactly 0.1: 100.0 % real, 100.0 % generated" in words(charts.values(about.groups[0], 0, about))


def test_units_that_are_ratios_are_squared_and_divided_as_a_whole(words) -> None:
    known = about()
    wind = Compared("series", (Channel("wind", "m/s"), CHANNELS[1]), known.times, "h", 1.0, known.groups, 8, 1)
    assert "power density ((m/s)² h)" in words(charts.power(wind.groups[0], 0, wind))
    assert "density (1/(m/s))" in words(charts.values(wind.groups[0], 0, wind))
