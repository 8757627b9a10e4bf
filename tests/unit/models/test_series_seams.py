"""Nobody sees where windows of long series meet: differences across seams are distributed as all others are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import series_files
from synthgen import seeds as streams
from synthgen.models import registry
from synthgen.models.series import continuation
from synthgen.trainers.series.trainer import SeriesTrainer

pytestmark = pytest.mark.slow  # one training, which all of them look at

LENGTH, OVERLAP, N_SERIES, N_WINDOWS = 16, 8, 300, 5
TOTAL = LENGTH + (N_WINDOWS - 1) * (LENGTH - OVERLAP)
SIGNIFICANT = 0.01
SEAM = LENGTH + 2 * (LENGTH - OVERLAP)
"""The first step that the fourth window generates."""


def process(n: int, seed: int) -> np.ndarray:
    """An autoregressive channel and a mixture of two sines with noise, (n, 2)."""
    random = np.random.default_rng(seed)
    steps, noise = np.arange(n), random.normal(size=(n, 2))
    made = np.zeros((n, 2))
    for i in range(1, n):
        made[i, 0] = 0.8 * made[i - 1, 0] + 0.6 * noise[i, 0]
    phases = random.uniform(0, 2 * np.pi, 2)
    waves = np.sin(2 * np.pi * steps / 9 + phases[0]) + np.sin(2 * np.pi * steps / 23 + phases[1])
    made[:, 1] = waves + 0.3 * noise[:, 1]
    return made


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("seams")
    rows = "".join(f"{a:.5f},{b:.5f}\n" for a, b in process(4000, 0))
    path = series_files.csv(folder / "table.csv", "ar,waves\n" + rows)
    settings = {"data": {"path": str(path), "length": LENGTH, "validation": 0}, "steps": 500, "batch_size": 64}
    rate = {"warmup_steps": 20, "learning_rate": 3e-3, "ema_decay": 0.98, "checkpoint_every": 500, "sample_every": 500}
    shown = {"observed_mask": {"cells": 0.1, "gap": 0.1, "start": 0.4}}
    trainer = SeriesTrainer(SeriesTrainer.Config.model_validate({**settings, **rate, **shown}))
    made = registry.load_pipeline(trainer.train(folder / "model", 0, device="cpu", quiet=True), "cpu", torch.float32)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def drawn(pipeline: Any) -> np.ndarray:
    seeds = [streams.seed_of(0, "sampler", i) for i in range(N_SERIES)]
    found = continuation.draw(pipeline, [0] * N_SERIES, seeds, TOTAL, OVERLAP, {})
    return found.series  # type: ignore[no-any-return]


def across(series: np.ndarray, step: int) -> dict[str, np.ndarray]:
    """First and second differences of each channel over the border before a step, one of each series."""
    first = series[:, step] - series[:, step - 1]
    second = first - (series[:, step - 1] - series[:, step - 2])
    return {
        f"{order} {c}": d[:, i]
        for order, d in (("first", first), ("second", second))
        for i, c in ((0, "ar"), (1, "waves"))
    }


def p_values(series: np.ndarray, others: np.ndarray, step: int, other_step: int) -> dict[str, float]:
    """By two-sample Kolmogorov-Smirnov tests, times their number (Bonferroni)."""
    a, b = across(series, step), across(others, other_step)
    return {name: len(a) * float(stats.ks_2samp(a[name], b[name]).pvalue) for name in a}


def real() -> np.ndarray:
    """Pieces of another stretch of the process, far enough apart to know nothing of each other."""
    return process(50 * N_SERIES, 1).reshape(N_SERIES, 50, 2)


def test_differences_across_seams_are_those_inside_windows(drawn: np.ndarray) -> None:
    found = p_values(drawn, drawn, SEAM, SEAM + 4)
    assert min(found.values()) > SIGNIFICANT, found


def test_differences_across_seams_are_those_of_the_process(drawn: np.ndarray) -> None:
    found = p_values(drawn, real(), SEAM, SEAM)
    assert min(found.values()) > SIGNIFICANT, found


def test_windows_that_are_merely_joined_are_told(drawn: np.ndarray) -> None:
    """The same tests see the seams of windows that know nothing of each other."""
    window = drawn[:, :LENGTH]
    joined = np.concatenate([window, np.roll(window, 1, axis=0)], axis=1)
    for others, step in ((joined, LENGTH - 4), (real(), LENGTH)):
        found = p_values(joined, others, LENGTH, step)
        assert max(found.values()) < SIGNIFICANT, found


def test_series_do_not_drift(drawn: np.ndarray) -> None:
    """The last window's values are distributed as the first one's and as the process's."""
    for others, step in ((drawn, LENGTH // 2), (real(), LENGTH // 2)):
        for channel in (0, 1):
            p = stats.ks_2samp(drawn[:, TOTAL - 4, channel], others[:, step, channel]).pvalue
            assert 4 * p > SIGNIFICANT, (channel, p)
