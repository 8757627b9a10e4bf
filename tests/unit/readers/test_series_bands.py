"""Images of generated series over real ones, and the numbers in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import tiny
from synthgen.readers.series import bands, reader
from synthgen.readers.series.reader import SeriesData
from synthgen.readers.series.types import Channel


def test_the_spectrum_of_a_wave_peaks_at_its_frequency_and_holds_its_power() -> None:
    seconds = np.arange(200) / 50
    waves = np.stack([3 * np.sin(2 * np.pi * 5 * seconds + phase) + 7 for phase in (0, 1)])
    frequencies, power = bands.spectrum(waves.astype(np.float32), 1 / 50)
    assert frequencies[power.argmax()] == pytest.approx(5)
    assert (power * np.diff(frequencies)[0]).sum() == pytest.approx(waves[0].var(), rel=1e-3)


def test_frequencies_are_in_cycles_a_step_without_an_interval() -> None:
    frequencies, _ = bands.spectrum(np.random.default_rng(0).normal(size=(2, 10)), None)
    assert frequencies[0] == pytest.approx(0.1) and frequencies[-1] == 0.5


@pytest.mark.parametrize(
    ("unit", "interval", "label"), [("s", 0.1, "(Hz)"), ("h", 1.0, "(1/h)"), ("h", None, "(1/step)")]
)
def test_the_axis_of_frequencies_has_a_unit(unit: str, interval: float | None, label: str) -> None:
    assert bands.frequency_label(unit, interval) == f"frequency {label}"


def test_units_stand_behind_names() -> None:
    assert bands.with_unit(Channel("MLII", "mV")) == "MLII (mV)"
    assert bands.with_unit(Channel("count")) == "count"


def test_bands_and_lines_say_what_they_are() -> None:
    axes = Figure().add_subplot()
    values = np.arange(400, dtype=np.float32).reshape(100, 4)
    values[:, 2] = np.nan
    bands.bands(axes, np.arange(4), values)
    bands.lines(axes, np.arange(4), values)
    assert axes.get_legend_handles_labels()[1] == ["real, 5 % to 95 %", "real, median", "generated, 6 of 100"]
    median = axes.lines[0].get_ydata()
    np.testing.assert_allclose(median, np.median(values, axis=0))


def test_series_with_gaps_stay_out_of_spectra() -> None:
    axes = Figure().add_subplot()
    values = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    values[0, 3] = np.nan
    bands.spectra(axes, None, values, 1.0)
    assert axes.get_legend_handles_labels()[1] == ["generated, mean of 4"]


def test_one_picture_for_a_training(tmp_path: Path) -> None:
    data = SeriesData.model_validate(tiny.series_data())
    real = reader.windows(reader.read(data), data, "train")
    bands.save(tmp_path / "a.png", real.values[:8], real.labels[:8], real)
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    blue = np.array([9, 105, 218])
    assert (np.abs(pixels.astype(int) - blue).sum(2) < 60).sum() > 100
