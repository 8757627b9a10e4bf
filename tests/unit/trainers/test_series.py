"""Training on series: batches, hidden cells, resume, the finished folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import ValidationError

import tiny
from synthgen.errors import Interrupted, ModelError
from synthgen.models import registry
from synthgen.models.series.scaler import SeriesScaler
from synthgen.readers.series import reader
from synthgen.readers.series.reader import SeriesData
from synthgen.trainers.series import observed_mask
from synthgen.trainers.series.observed_mask import Shown
from synthgen.trainers.series.task import ScaledWindows
from synthgen.trainers.series.trainer import SeriesTrainer

SHAPE = (400, 12, 3)


def trainer(**more: Any) -> SeriesTrainer:
    settings = {
        "data": tiny.series_data(),
        "steps": 6,
        "batch_size": 4,
        "checkpoint_every": 3,
        "warmup_steps": 1,
        **more,
    }
    return SeriesTrainer(SeriesTrainer.Config.model_validate(settings))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return registry.load_pipeline(folder, "cpu", torch.float32).denoiser.state_dict()  # type: ignore[no-any-return]


def test_it_ends_with_a_pipeline_a_card_and_pictures(tmp_path: Path) -> None:
    out = trainer(scaling="quantile").train(tmp_path / "m", 0, device="cpu", quiet=True)
    made = registry.load_pipeline(out, "cpu", torch.float32)
    assert made.classes == ["calm", "wild"] and made.config.channels == ["wave", "rain"]
    assert made.config.length == 16 and made.config.time_unit == "h" and made.denoiser.config.interval == 1.0
    assert list(made.scaler.config.gated) == [1]
    card = (out / "README.md").read_text()
    assert "channels wave, rain" in card and "By class: calm" in card
    assert "It was shown only 45 windows of calm and 45 windows of wild" in card
    assert (out / "training" / "samples-000006.png").stat().st_size > 5000


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trainer().train(tmp_path / "whole", 1, device="cpu", quiet=True)
    import signal

    stopped = trainer()
    count = 0
    from synthgen.trainers.series import task as series_task

    loss = series_task.SeriesTask.losses

    def with_a_signal(self: Any, batch: Any) -> torch.Tensor:
        nonlocal count
        count += 1
        if count == 4:
            signal.raise_signal(signal.SIGTERM)
        return loss(self, batch)

    monkeypatch.setattr(series_task.SeriesTask, "losses", with_a_signal)
    with pytest.raises(Interrupted):
        stopped.train(tmp_path / "two", 1, device="cpu", quiet=True)
    again = trainer().train(tmp_path / "two", 1, device="cpu", quiet=True)
    assert count == 6
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(again)[name]), name


def learned(folder: Path, channel: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """(generated windows (64, 16), real ones) of one channel after a short training."""
    more = {"data": tiny.series_data(channels=[channel]), "steps": steps, "batch_size": 32, "warmup_steps": 20}
    out = trainer(**more, learning_rate=3e-3, ema_decay=0.98, checkpoint_every=steps).train(folder, 0, quiet=True)
    made = registry.load_pipeline(out, "cpu", torch.float32)
    made.set_progress_bar_config(disable=True)
    drawn = made([0] * 64, generator=torch.Generator().manual_seed(0)).series[:, :, 0]
    values = tiny.sensor_values(240)[:, tiny.SERIES_CHANNELS.index(channel)]
    return drawn, np.lib.stride_tricks.sliding_window_view(values, 16)


@pytest.mark.slow
def test_a_wave_is_learned(tmp_path: Path) -> None:
    """A few hundred steps on noisy waves: what is generated has their mean, their spread and their smoothness."""
    drawn, real = learned(tmp_path, "wave", 300)
    assert abs(drawn.mean() - real.mean()) < 1 and 0.7 < drawn.std() / real.std() < 1.3
    rough, level = (np.abs(np.diff(x, axis=1)).mean() / x.std() for x in (drawn, real))
    assert rough < 1.6 * level


@pytest.mark.slow
def test_dry_hours_are_as_many_as_in_the_data(tmp_path: Path) -> None:
    """The gate is learned from what is around it: a model that were told which values are above the floor would not."""
    drawn, real = learned(tmp_path, "rain", 200)
    assert abs((drawn == 0).mean() - (real == 0).mean()) < 0.15


def test_a_training_of_another_version_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer().train(tmp_path / "m", 0, device="cpu", quiet=True)
    (tmp_path / "m" / "model_index.json").unlink()
    monkeypatch.setattr(SeriesTrainer, "version", SeriesTrainer.version + 1)
    with pytest.raises(ModelError, match=r"other settings or data \(trainer version\)"):
        trainer().train(tmp_path / "m", 0, device="cpu", quiet=True)


def around_levels(folder: Path, level: float, noise: float, length: int) -> dict[str, Any]:
    """`data` of 90 windows of one channel: a normal number each with deviation `level`, and noise around it."""
    random = np.random.default_rng(0)
    values = level * random.normal(size=(90, 1)) + noise * random.normal(size=(90, length))
    columns = {"who": np.repeat(np.arange(90), length), "t": np.tile(np.arange(length), 90), "x": values.ravel()}
    pq.write_table(pa.table(columns), folder / "data.parquet")
    path = str(folder / "data.parquet")
    return {"path": path, "entity": "who", "time": "t", "length": length, "validation": 0}


@pytest.mark.parametrize(("level", "noise", "least", "most"), [(1.0, 0.01, 7.0, 13.0), (0.0, 1.0, 0.5, 1.6)])
def test_the_spread_is_that_of_what_values_have_in_common(
    tmp_path: Path, level: float, noise: float, least: float, most: float
) -> None:
    """Of 100 values: if all are equal, it is the root of 100; if independent, 1 and not that of a fit."""
    data = SeriesData.model_validate(around_levels(tmp_path, level, noise, 100))
    windows = reader.windows(reader.read(data), data, "train")
    scaler = SeriesScaler.fit(windows.rows, ["x"], "standard")
    assert least < ScaledWindows(windows, scaler).spread() < most


@pytest.mark.parametrize(("level", "noise", "least", "most"), [(1.0, 0.01, 25, 50), (0.0, 1.0, 20, 20)])
def test_sampling_starts_from_more_noise_where_values_go_together(
    tmp_path: Path, level: float, noise: float, least: float, most: float
) -> None:
    data = around_levels(tmp_path, level, noise, 400)
    out = trainer(data=data, patch=40, steps=1).train(tmp_path / "m", 0, device="cpu", quiet=True)
    made = registry.load_pipeline(out, "cpu", torch.float32)
    assert least <= made.scheduler.config.sigma_max <= most
    assert f"generated from {made.scheduler.config.sigma_max:g}" in (out / "README.md").read_text()


def test_cells_are_shown_as_often_as_asked() -> None:
    random = torch.Generator().manual_seed(0)
    shown = observed_mask.draw(Shown(cells=0.3, gap=0.2, start=0.2), SHAPE, random)
    whole = ~shown.flatten(1).any(1)
    assert 0.2 < float(whole.float().mean()) < 0.45
    assert shown.dtype == torch.bool and shown.shape == SHAPE


def test_beginnings_are_beginnings_and_gaps_are_spans() -> None:
    starts = observed_mask.draw(Shown(cells=0, gap=0, start=1), SHAPE, torch.Generator().manual_seed(1))
    assert (starts.int().diff(dim=1) <= 0).all() and (starts[:, :, :1] == starts).all()
    assert not starts[:, -1].any(), "something is left to draw"
    gaps = ~observed_mask.draw(Shown(cells=0, gap=1, start=0), SHAPE, torch.Generator().manual_seed(1))
    assert (gaps.int().diff(dim=1).abs().sum(1) <= 2).all()
    assert not observed_mask.draw(Shown(cells=0, gap=0, start=0), SHAPE, torch.Generator()).any()


def test_shares_beyond_the_whole_are_refused() -> None:
    with pytest.raises(ValidationError, match="add up to more than 1"):
        Shown(cells=0.6, gap=0.3, start=0.3)


def test_gaps_covariates_and_static_columns_are_learned_from(tmp_path: Path) -> None:
    out = trainer(data=tiny.gaps_data(), steps=3).train(tmp_path / "m", 0, device="cpu", quiet=True)
    made = registry.load_pipeline(out, "cpu", torch.float32)
    assert made.config.covariates == ["sun"] and made.config.static == ["height"]
    assert all(torch.isfinite(value).all() for value in made.denoiser.state_dict().values())
    height = trainer(data=tiny.gaps_data()).config.data
    seen = reader.windows(reader.read(height), height, "train").static[:, 0]
    assert made.denoiser.static_units[:, 0].tolist() == pytest.approx([np.nanmean(seen), np.nanstd(seen)], rel=1e-5)


def test_without_a_held_out_part_there_are_no_scores(tmp_path: Path) -> None:
    out = trainer(data=tiny.series_data(validation=0), steps=2).train(tmp_path / "m", 0, device="cpu", quiet=True)
    assert "Nothing was held out" in (out / "README.md").read_text()


def task(tmp_path: Path, windows: Any, **more: Any) -> Any:
    """A task on windows of wave and rain, of which the second has a gate."""
    from synthgen.models.series.scaler import SeriesScaler
    from synthgen.trainers.series.task import SeriesTask
    from synthgen.training.task import Start

    scaler = SeriesScaler.fit(windows.values, ["wave", "rain"])
    return SeriesTask(trainer(**more).config, windows, None, scaler, None, Start(tmp_path, 0, "cpu"))


def training_windows() -> Any:
    data = trainer().config.data
    return reader.windows(reader.read(data), data, "train")


def marked(made: Any, windows: Any) -> torch.Tensor:
    """What the network is told to be absent (N, L, C)."""
    seen = []

    def network(noisy: torch.Tensor, level: torch.Tensor, *, absent: torch.Tensor, **rest: Any) -> torch.Tensor:
        seen.append(absent)
        return torch.zeros_like(noisy)

    batch = made.training.take(torch.arange(len(windows)))
    made._losses(network, made._noised(batch, torch.Generator().manual_seed(0)))
    return seen[0]


def where_missing(windows: Any) -> torch.Tensor:
    """True (N, L, 3) where a value of wave or rain is missing, and so the gate of rain."""
    return torch.tensor(np.isnan(windows.values))[..., [0, 1, 1]]


def test_windows_are_told_of_missing_values_as_often_as_asked(tmp_path: Path) -> None:
    windows = training_windows()
    windows.rows[::4] = np.nan
    assert torch.equal(marked(task(tmp_path, windows), windows), where_missing(windows))
    assert not marked(task(tmp_path, windows, missing_indicator=0), windows).any()
    some = marked(task(tmp_path, windows, missing_indicator=0.5), windows)
    told = some.flatten(1).any(1)
    assert 0.3 < float(told.float().mean()) < 0.7
    assert torch.equal(some[told], where_missing(windows)[told])
    assert made_losses_equal(task(tmp_path, windows, missing_indicator=0), windows)


def made_losses_equal(made: Any, windows: Any) -> bool:
    """Whether values that are missing do not count, whatever is generated there."""
    batch = made.training.take(torch.arange(len(windows)))

    def losses(at_missing: float) -> torch.Tensor:
        def network(noisy: torch.Tensor, level: torch.Tensor, **rest: Any) -> torch.Tensor:
            return torch.where(batch.missing, at_missing, 0.0)

        return made._losses(network, made._noised(batch, torch.Generator().manual_seed(0)))  # type: ignore[no-any-return]

    return torch.equal(losses(0.0), losses(100.0))


def test_padding_is_always_marked(tmp_path: Path) -> None:
    from dataclasses import replace

    windows = training_windows()
    windows = replace(windows, lengths=np.full(len(windows), 10))
    found = marked(task(tmp_path, windows, missing_indicator=0), windows)
    assert found[:, 10:].all() and not found[:, :10].any()


def test_balanced_batches_draw_classes_equally(tmp_path: Path) -> None:
    windows = training_windows()
    windows = windows.take(
        np.concatenate([np.flatnonzero(windows.labels == 0), np.flatnonzero(windows.labels == 1)[:3]])
    )
    made = task(tmp_path, windows, class_balance=1, batch_size=64)
    rows = torch.cat([made._balanced(torch.Generator().manual_seed(i)) for i in range(20)])
    assert 0.45 < float(made.training.labels[rows].float().mean()) < 0.55


def test_noise_levels_are_those_of_the_settings(tmp_path: Path) -> None:
    """Each setting of the noise leads to weights of its own."""
    choices = [{}, {"log_sigma_mean": 0.5}, {"log_sigma_std": 2.0}]
    plain, *others = (
        weights(trainer(**more).train(tmp_path / str(i), 0, device="cpu", quiet=True)) for i, more in enumerate(choices)
    )
    for other in others:
        assert not all(torch.equal(plain[name], other[name]) for name in plain)


def test_a_class_that_no_training_window_has_is_refused(tmp_path: Path) -> None:
    """Its events are all in the part that is held out for tests."""
    (tmp_path / "s.csv").write_text("t,v\n" + "".join(f"{t},{t * 7 % 11}\n" for t in range(400)))
    events = "".join(f"{t},{'a' if t < 300 else 'b'}\n" for t in range(10, 390, 10))
    (tmp_path / "e.csv").write_text(f"time,kind\n{events}")
    around = {"path": str(tmp_path / "e.csv"), "time": "time", "label": "kind", "before": 4, "after": 4}
    data = {"path": str(tmp_path / "s.csv"), "time": "t", "length": 8, "validation": 0.1, "test": 0.2}
    (problem,) = trainer(data={**data, "events": around}).check()
    assert "no training window is of b" in problem.message and "in `events.classes` (a)" in problem.message
    assert trainer(data={**data, "test": 0, "events": around}).check() == []
