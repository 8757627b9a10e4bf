"""The small networks of channels: what they see of known values, and that they keep to their own cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from synthgen.models import registry
from synthgen.models.series.cells import SeriesCells, around
from synthgen.trainers.series.trainer import SeriesTrainer

NAN = float("nan")


def column(values: list[float]) -> torch.Tensor:
    return torch.tensor(values)[None, :, None]


def test_what_is_known_around_a_cell() -> None:
    steps = torch.tensor([[0.0, 1.0, 4.0, 5.0, 7.0]])
    found = around(column([NAN, 2.0, NAN, 10.0, NAN]), steps)
    mean, between, before, after = (array[0, :, 0].tolist() for array in found)
    assert mean == [6.0] * 5
    assert between == [2.0, 2.0, 8.0, 10.0, 10.0]
    assert before == pytest.approx([0, 1, 1 / 4, 1, 1 / 3])
    assert after == pytest.approx([1 / 2, 1, 1 / 2, 1, 0])


def test_a_channel_of_which_nothing_is_known_is_all_zeros() -> None:
    known = torch.stack([torch.full((1, 4), NAN), torch.tensor([[NAN, 3.0, NAN, NAN]])], -1)
    for array in around(known, torch.arange(4.0)[None]):
        assert (array[..., 0] == 0).all() and array[..., 1].any()


@pytest.mark.parametrize("patch", [1, 3])
def test_a_cell_sees_its_own_noisy_value_and_no_other(patch: int) -> None:
    torch.manual_seed(0)
    cells = SeriesCells(4, 8, patch)
    torch.nn.init.normal_(cells.last)
    noisy, known = torch.randn(2, 7, 4), torch.full((2, 7, 4), NAN)
    fixed = {
        "known": known,
        "absent": torch.zeros_like(known, dtype=torch.bool),
        "steps": torch.arange(7.0).expand(2, 7),
        "tokens": torch.randn(2, -(-7 // patch), 8),
        "condition": torch.randn(2, 8),
    }
    changed = noisy.clone()
    changed[1, 5, 2] += 1
    moved = cells(noisy, **fixed) != cells(changed, **fixed)
    assert moved.nonzero().tolist() == [[1, 5, 2]]


def test_every_cell_is_told_by_its_own_token() -> None:
    torch.manual_seed(0)
    cells = SeriesCells(2, 8, 3)
    torch.nn.init.normal_(cells.last)
    zeros, nothing = torch.zeros(1, 7, 2), torch.full((1, 7, 2), NAN)
    tokens = torch.randn(1, 3, 8)
    changed = tokens.clone()
    changed[0, 1] += 1
    a, b = (
        cells(zeros, nothing, zeros.bool(), torch.arange(7.0)[None], each, torch.zeros(1, 8))
        for each in (tokens, changed)
    )
    assert (a != b)[0].any(1).tolist() == [False, False, False, True, True, True, False]


def table(path: Path, n_channels: int) -> str:
    values = np.random.default_rng(0).normal(size=(120, n_channels))
    pq.write_table(pa.table({f"c{i}": values[:, i] for i in range(n_channels)}), path)
    return str(path)


@pytest.mark.parametrize("n_channels", [1, 17])
def test_a_model_has_them_and_comes_back_from_its_folder(tmp_path: Path, n_channels: int) -> None:
    data = {"path": table(tmp_path / "table.parquet", n_channels), "length": 10}
    settings = {"data": data, "steps": 8, "batch_size": 4, "warmup_steps": 1, "patch": 2}
    out = SeriesTrainer(SeriesTrainer.Config.model_validate(settings)).train(
        tmp_path / "m", 0, device="cpu", quiet=True
    )
    made = registry.load_pipeline(out, "cpu", torch.float32)
    assert made.denoiser.cells.last.abs().max() > 0, "nothing was learned"
    drawn = [made([0] * 3, num_inference_steps=3, generator=torch.Generator().manual_seed(0)).series for _ in range(2)]
    assert drawn[0].shape == (3, 10, n_channels) and np.isfinite(drawn[0]).all()
    assert np.array_equal(*drawn)
