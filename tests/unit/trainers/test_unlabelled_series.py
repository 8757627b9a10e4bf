"""Series without classes beside those that have some: what is learned of them, and what is left out."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthgen.errors import DataError
from synthgen.models import registry
from synthgen.readers.series import reader
from synthgen.readers.series.reader import SeriesData
from synthgen.trainers.series.task import Batch, joined
from synthgen.trainers.series.trainer import SeriesTrainer


def table(path: Path, names: range, labelled: bool, level: float, columns: tuple[str, str] = ("up", "down")) -> str:
    """Series of eight steps that rise or fall around a level, by their entity."""
    random = np.random.default_rng(names.start)
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "value", *(["kind"] if labelled else [])])
        for name in names:
            for step in range(8):
                value = level + (1 if name % 2 else -1) * (step - 3.5) / 3 + 0.1 * random.normal()
                rows.writerow([f"s{name}", f"{value:.4f}", *([columns[name % 2 == 0]] if labelled else [])])
    return str(path)


NEW = [f"new,{0.1 * step:.1f}" for step in range(8)]


def settings(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "entity": "id", "label": "kind", "length": 8, "validation": 0.2, "test": 0.0, **more}


def trained(out: Path, data: dict[str, Any]) -> Any:
    values = {
        "data": data,
        "steps": 250,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "ema_decay": 0.95,
        "warmup_steps": 20,
        "checkpoint_every": 1000,
        "sample_every": 1000,
        "dropout": 0.0,
    }
    SeriesTrainer(SeriesTrainer.Config.model_validate(values)).train(out, 0, device="cpu", quiet=True)
    made = registry.load_pipeline(out, "cpu", torch.float32)
    made.set_progress_bar_config(disable=True)
    return made


def test_series_without_classes_teach_what_series_look_like(tmp_path: Path) -> None:
    """Those with classes are around 0, half of those without are around 8; rising and falling stay apart."""
    few = table(tmp_path / "few.csv", range(20), True, 0.0)
    (tmp_path / "more").mkdir()
    table(tmp_path / "more" / "a.csv", range(100, 140), False, 0.0)
    table(tmp_path / "more" / "b.csv", range(200, 240), False, 8.0)
    levels, out = {}, tmp_path / "more-model"
    for name, more in (("alone", {}), ("more", {"unlabelled": str(tmp_path / "more")})):
        made = trained(tmp_path / f"{name}-model", settings(few, **more))
        drawn = made([0] * 60, guidance_scale=0.0, generator=torch.Generator().manual_seed(1)).series[..., 0]
        levels[name] = (np.asarray(drawn).mean(1) > 4).mean()
    assert levels["alone"] == 0 and levels["more"] > 0.2
    assert "windows without classes | 80, 50% of a batch" in (out / "README.md").read_text()
    assert made.classes == ["down", "up"]
    for label, sign in ((0, -1), (1, 1)):
        drawn = np.asarray(made([label] * 30, generator=torch.Generator().manual_seed(2)).series[..., 0])
        assert (np.sign(drawn[:, -1] - drawn[:, 0]) == sign).mean() > 0.9


def test_entities_with_classes_are_left_out(tmp_path: Path) -> None:
    few, more = table(tmp_path / "few.csv", range(20), True, 0.0), table(tmp_path / "m.csv", range(15, 40), False, 0.0)
    data = SeriesData.model_validate(settings(few, unlabelled=more))
    windows, notes = reader.unlabelled(data, reader.read(data))
    assert len(windows) == 20 and notes == ["5 of 25 unlabelled entities have classes and are left out"]
    renamed = tmp_path / "renamed.csv"
    rows = [line.rsplit(",", 1)[0] for line in (tmp_path / "few.csv").read_text().splitlines()]
    renamed.write_text("\n".join(["id,value", *(row.replace("s", "other") for row in rows[1:]), *NEW]) + "\n")
    data = SeriesData.model_validate(settings(few, unlabelled=str(renamed)))
    assert len(reader.unlabelled(data, reader.read(data))[0]) == 1, "under other names, too"
    same = SeriesData.model_validate(settings(few, unlabelled=few))
    with pytest.raises(DataError, match="all of its entities have classes"):
        reader.unlabelled(same, reader.read(same))


def test_other_columns_are_named(tmp_path: Path) -> None:
    few = table(tmp_path / "few.csv", range(20), True, 0.0)
    (tmp_path / "more.csv").write_text("id,height\n" + "".join(f"x{i},{i}\n" for i in range(3) for _ in range(8)))
    data = SeriesData.model_validate(settings(few, unlabelled=str(tmp_path / "more.csv")))
    with pytest.raises(
        DataError, match=r"more\.csv: channels: height, and value in .*few\.csv; both must have the same"
    ):
        reader.unlabelled(data, reader.read(data))
    with pytest.raises(ValueError, match="`unlabelled` stands beside series with classes"):
        SeriesData.model_validate({**settings(few, unlabelled=few), "label": None})


def test_batches_of_whole_and_of_short_windows_join() -> None:
    def batch(n: int, real: torch.Tensor | None) -> Batch:
        zeros = torch.zeros(n, 4, 1)
        return Batch(zeros, zeros.bool(), torch.zeros(n).long(), torch.zeros(n, 4), None, torch.zeros(n, 2), real)

    short = torch.tensor([[True, True, False, False]])
    found = joined(batch(2, None), batch(1, short))
    assert found.real is not None and found.real.sum(1).tolist() == [4, 4, 2]
    assert found.static is not None and found.static.shape == (3, 2) and found.covariates is None
    assert joined(batch(2, None), batch(1, None)).real is None
    assert len(found.take(2).x) == 2
