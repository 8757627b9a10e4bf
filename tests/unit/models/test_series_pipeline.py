"""The series pipeline: shapes, known values, padding, guidance, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from synthgen.models import registry
from synthgen.models.series.denoiser import SeriesDenoiser


@pytest.fixture(scope="module")
def pipeline() -> Any:
    made = registry.load_pipeline(Path(tiny.series()), "cpu", torch.float32)
    made.set_progress_bar_config(disable=True)
    return made


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_draws_the_trained_length_by_default(pipeline: Any) -> None:
    out = pipeline([0, 1, 1], num_inference_steps=3, generator=random(0))
    assert out.series.shape == (3, 17, 2) and out.series.dtype == np.float32
    assert np.isfinite(out.series).all()
    assert np.array_equal(out.times, np.tile(np.arange(17.0), (3, 1)))
    assert pipeline.classes == ["calm", "wild"]


def test_known_values_come_back_to_the_bit_and_the_rest_is_drawn(pipeline: Any) -> None:
    known = np.full((2, 17, 2), np.nan, dtype=np.float32)
    known[:, :9, 0] = 12.3456
    known[0, 3, 1] = 0.0
    drawn = pipeline([0, 0], known=known, num_inference_steps=3, generator=random(1)).series
    assert np.array_equal(drawn[~np.isnan(known)], known[~np.isnan(known)])
    assert np.isfinite(drawn).all()


def test_known_values_change_what_is_drawn_beside_them(pipeline: Any) -> None:
    drawn = []
    for value in (8.0, 12.0):
        known = np.full((1, 17, 2), np.nan, dtype=np.float32)
        known[:, :8, 0] = value
        drawn.append(pipeline([0], known=known, num_inference_steps=3, generator=random(1)).series[:, 8:])
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-3


def test_guidance_of_one_is_none_and_others_change_the_result(pipeline: Any) -> None:
    plain, same, guided = (
        pipeline([1], guidance_scale=scale, num_inference_steps=3, generator=random(2)).series
        for scale in (1.0, [1.0], 3.0)
    )
    assert np.array_equal(plain, same) and not np.array_equal(plain, guided)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_labels": [2]}, "class ids must be from 0 to 1"),
        ({"class_labels": [0], "times": np.array([[0.0, 2.0, 2.0]])}, "times must rise"),
        ({"class_labels": [0], "covariates": np.zeros((1, 17, 1))}, "trained without covariates"),
        ({"class_labels": [0], "latents": torch.zeros(2, 17, 3)}, r"latents must have the shape \(1, 17, 3\)"),
    ],
)
def test_wrong_calls_are_explained(pipeline: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipeline(**settings)


def network(**more: Any) -> SeriesDenoiser:
    torch.manual_seed(0)
    made = SeriesDenoiser(2, n_classes=1, width=16, n_blocks=2, n_heads=2, **more).eval()
    for layer in (made.out, made.shift, *(block.modulation for block in made.blocks)):
        torch.nn.init.normal_(layer.weight, std=0.3)
    return made


def evaluate(made: SeriesDenoiser, x: torch.Tensor, **more: Any) -> torch.Tensor:
    n, length = x.shape[:2]
    given: dict[str, Any] = {
        "times": torch.arange(length).float().expand(n, length),
        "known": torch.full_like(x, torch.nan),
        "absent": torch.zeros_like(x, dtype=torch.bool),
        **more,
    }
    with torch.inference_mode():
        return made(x, torch.zeros(n), torch.zeros(n, dtype=torch.long), **given)


def test_padding_does_not_change_what_is_real() -> None:
    made, x = network(), torch.randn(2, 12, 2)
    real = torch.arange(12)[None, :].expand(2, 12) < 8
    padded = torch.where(real[..., None], x, 99.0)
    absent = ~real[..., None].expand_as(x)
    a = evaluate(made, x, real=real, absent=absent)[:, :8]
    b = evaluate(made, padded, real=real, absent=absent)[:, :8]
    torch.testing.assert_close(a, b)


def test_times_matter_and_their_origin_does_not_break_it() -> None:
    made, x = network(), torch.randn(1, 10, 2)
    regular = torch.arange(10).float()[None]
    wide = regular * 2.5
    assert (evaluate(made, x, times=regular) - evaluate(made, x, times=wide)).abs().max() > 1e-3


@pytest.mark.parametrize("patch", [1, 3, 4])
def test_any_length_fits_any_patch(patch: int) -> None:
    x = torch.randn(2, 10, 2)
    assert evaluate(network(patch=patch), x).shape == x.shape


def test_covariates_and_static_numbers_reach_the_output() -> None:
    made, x = network(n_covariates=1, n_static=2), torch.randn(1, 6, 2)
    static = torch.tensor([[1.0, torch.nan]])
    base = evaluate(made, x, covariates=torch.zeros(1, 6, 1), static=static)
    assert not torch.equal(base, evaluate(made, x, covariates=torch.ones(1, 6, 1), static=static))
    assert not torch.equal(base, evaluate(made, x, covariates=torch.zeros(1, 6, 1), static=torch.ones(1, 2)))
    assert torch.isfinite(base).all()


def test_covariates_and_static_numbers_are_seen_in_the_units_that_were_trained() -> None:
    made, x = network(n_covariates=1, n_static=2), torch.randn(1, 6, 2)
    covariates, static = torch.randn(1, 6, 1), torch.tensor([[0.5, torch.nan]])
    plain = evaluate(made, x, covariates=covariates, static=static)
    numbers = torch.tensor([[1000.0, 7.0], [1010.0, 7.0], [torch.nan, 7.0]])
    made.set_units(torch.tensor([[-300.0], [-100.0]]), numbers)
    assert made.covariate_units[:, 0].tolist() == [-200.0, 100.0]
    assert made.static_units.tolist() == [[1005.0, 7.0], [5.0, 1.0]]
    in_units = evaluate(made, x, covariates=covariates * 100 - 200, static=static * 5 + 1005)
    torch.testing.assert_close(in_units, plain, rtol=1e-3, atol=1e-4)
