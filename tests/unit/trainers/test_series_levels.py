"""Levels that are moved in training: which are, and that a model then goes by what it is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import series_files
from synthgen.models import registry
from synthgen.models.series.scaler import SeriesScaler
from synthgen.trainers.series import level_shifts
from synthgen.trainers.series.trainer import SeriesTrainer

B, L, C = 400, 16, 3


def moved(
    shown: torch.Tensor, missing: torch.Tensor | None = None, free: tuple[bool, ...] = (True,) * C
) -> torch.Tensor:
    """By how much cells (B, L, C) are moved."""
    return moved_and_told(shown, missing, free)[0]


def moved_and_told(
    shown: torch.Tensor, missing: torch.Tensor | None = None, free: tuple[bool, ...] = (True,) * C
) -> tuple[torch.Tensor, torch.Tensor]:
    x, random = torch.zeros(B, L, C), torch.Generator().manual_seed(0)
    there = torch.zeros_like(shown) if missing is None else missing
    return level_shifts.move(x, there, shown, torch.tensor(free), 0.5, random)


def test_channels_that_show_their_level_are_moved_as_a_whole_in_windows_that_say_so() -> None:
    shown = torch.zeros(B, L, C, dtype=torch.bool)
    shown[:200, :4] = True
    by, told = moved_and_told(shown)
    assert (by == by[:, :1]).all()
    assert not by[200:].any() and not told[200:].any(), "nothing tells the level of a window that is generated whole"
    assert 0.4 < float(told[:200].float().mean()) < 0.6
    assert not by[~told].any()
    some = by[told][:, 0]
    assert 0.4 < float((some != 0).float().mean()) < 0.6
    assert float(some[some != 0].std()) == pytest.approx(0.5, abs=0.06)
    assert abs(np.corrcoef(some.T.numpy())[0, 1]) < 0.2, "channels move by themselves"


def test_they_are_stretched_around_their_mean() -> None:
    ramp = torch.arange(L).float()[None, :, None].expand(B, L, C)
    shown = torch.ones(B, L, C, dtype=torch.bool)
    made, _ = level_shifts.move(
        ramp, ~shown, shown, torch.ones(C, dtype=torch.bool), 1.0, torch.Generator().manual_seed(0)
    )
    factors = made.diff(dim=1)
    assert torch.allclose(factors, factors[:, :1], atol=1e-4)
    logs = factors[:, 0].log()
    assert float(logs[logs.abs() > 1e-6].std()) == pytest.approx(0.2, abs=0.02)
    shifts = made.mean(1) - ramp.mean(1)
    assert float(shifts[shifts.abs() > 1e-6].std()) == pytest.approx(1.0, abs=0.1)


def test_few_cells_do_not_tell_a_level() -> None:
    shown = torch.zeros(B, L, C, dtype=torch.bool)
    shown[:, :3] = True
    assert not moved(shown).any()


def test_missing_values_and_channels_with_a_floor_stay() -> None:
    shown, missing = torch.zeros(B, L, C, dtype=torch.bool), torch.zeros(B, L, C, dtype=torch.bool)
    shown[:, :8] = True
    missing[:, 8:12] = True
    by = moved(shown, missing, (True, False, True))
    assert not by[:, 8:12].any() and not by[..., 1].any() and by[:, 12:].any()


def test_channels_with_a_floor_or_atoms_are_not_free() -> None:
    random = np.random.default_rng(0)
    level, rain, sensor = random.normal(size=(3, 4000))
    rain = np.maximum(rain, 0)
    sensor[:400] = 7.0
    values = np.stack([level, rain, sensor], -1)[None].astype(np.float32)
    scaler = SeriesScaler.fit(values, ["level", "rain", "sensor"])
    assert scaler.free.tolist() == [True, False, False, False] and list(scaler.config.gated) == [1]


def forecast_error(folder: Path, level_shift: float) -> float:
    """Mean error of forecasts of a level that training never saw."""
    settings = {
        "data": {"path": str(folder / "levels.csv"), "length": 16, "validation": 0},
        "steps": 800,
        "batch_size": 32,
        "warmup_steps": 20,
        "level_shift": level_shift,
    }
    trainer = SeriesTrainer(SeriesTrainer.Config.model_validate(settings))
    model = registry.load_pipeline(
        trainer.train(folder / f"model-{level_shift}", 0, device="cpu", quiet=True), "cpu", torch.float32
    )
    model.set_progress_bar_config(disable=True)
    known = np.full((16, 16, 1), np.nan, dtype=np.float32)
    known[:, :12] = 1.5 + np.random.default_rng(1).normal(0, 0.05, (16, 12, 1))
    drawn = model([0] * 16, known=known, generator=torch.Generator().manual_seed(0)).series
    return float(np.abs(drawn[:, 12:] - 1.5).mean())


@pytest.mark.slow
def test_forecasts_follow_levels_that_were_never_seen(tmp_path: Path) -> None:
    """Levels from 2 to 4 are trained on, and one of 1.5 is seen."""
    t = np.arange(2000)
    rows = 3 + np.cos(t / 300) + np.random.default_rng(0).normal(0, 0.05, len(t))
    series_files.csv(tmp_path / "levels.csv", "\n".join(["level", *(f"{row:.4f}" for row in rows)]) + "\n")
    assert forecast_error(tmp_path, 1.0) < 0.6 * forecast_error(tmp_path, 0.0)
