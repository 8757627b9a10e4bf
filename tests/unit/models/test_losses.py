"""Objectives against closed forms: for Gaussian data the ideal network is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from synthgen.models.losses import Edm, Objective, VPrediction, min_snr

MEAN, STD = 0.3, 0.5


def ideal_denoiser(x: torch.Tensor, signal: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """E[x0 | signal * x0 + noise * e = x] for x0 ~ N(MEAN, STD^2)."""
    gain = signal * STD**2 / (signal**2 * STD**2 + noise**2)
    return MEAN + gain * (x - signal * MEAN)


def edm_output(scaled: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """The raw output of the ideal preconditioned network."""
    sigma = (4 * time).exp().view(-1, *[1] * (scaled.ndim - 1))
    total = sigma**2 + STD**2
    noisy = scaled * total.sqrt()
    denoised = ideal_denoiser(noisy, torch.ones_like(sigma), sigma)
    return (denoised - STD**2 / total * noisy) / (sigma * STD / total.sqrt())


def v_output(x: torch.Tensor, time: torch.Tensor, alphas_cumprod: torch.Tensor) -> torch.Tensor:
    signal = alphas_cumprod[time.long()].float().view(-1, *[1] * (x.ndim - 1))
    a, b = signal.sqrt(), (1 - signal).sqrt()
    denoised = ideal_denoiser(x, a, b)
    noise = torch.where(b > 0, (x - a * denoised) / b.clamp_min(1e-8), torch.zeros_like(x))
    return a * noise - b * denoised


def sample(scheduler: Any, output: Any, steps: int) -> torch.Tensor:
    """The pipeline's loop with an ideal network in place of the UNet."""
    scheduler.set_timesteps(steps)
    x = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x = scheduler.step(output(scheduler.scale_model_input(x, t), t.expand(len(x))), t, x).prev_sample
    return x


@pytest.mark.parametrize("steps", [18, 40])
def test_edm_scheduler_samples_the_gaussian_it_was_trained_on(steps: int) -> None:
    drawn = sample(Edm(STD).scheduler(), edm_output, steps)
    assert float(drawn.mean()) == pytest.approx(MEAN, abs=0.03)
    assert float(drawn.std()) == pytest.approx(STD, rel=0.06)


def test_v_scheduler_samples_the_gaussian_it_was_trained_on() -> None:
    objective = VPrediction()
    alphas = objective._alphas_cumprod
    drawn = sample(objective.scheduler(), lambda x, t: v_output(x, t, alphas), 40)
    assert float(drawn.mean()) == pytest.approx(MEAN, abs=0.05)
    assert float(drawn.std()) == pytest.approx(STD, rel=0.1)


def drawn_levels(scheduler: Any, n_values: int) -> torch.Tensor:
    """Means (2000,) of samples whose values are all equal, and over samples standard normal, by the ideal network."""

    def output(scaled: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        sigma = (4 * time).exp().view(-1, 1)
        total = sigma**2 + 1
        noisy = scaled * total.sqrt()
        denoised = noisy.mean(1, keepdim=True) * n_values / (n_values + sigma**2)
        return (denoised - noisy / total) / (sigma / total.sqrt())

    scheduler.set_timesteps(20)
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2000, n_values, generator=random) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        given = scheduler.scale_model_input(x, t)
        x = scheduler.step(output(given, t.expand(len(x))), t, x, generator=random).prev_sample
    return x.mean(1)


def test_levels_of_samples_whose_values_go_together_are_drawn_as_they_are() -> None:
    n_values = 900
    drawn = drawn_levels(Edm.stochastic(1.0, spread=n_values**0.5).scheduler(), n_values)
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.05)
    from_too_little_noise = drawn_levels(Edm.stochastic(1.0, spread=1.0).scheduler(), n_values)
    assert float(from_too_little_noise.std()) < 0.8


def test_training_visits_the_highest_level_alike_whatever_the_spread() -> None:
    assert Edm.stochastic(1.0, spread=1.0).sigma_max == 20
    assert Edm.stochastic(1.0, spread=1.0).p_std_above == 1.2
    for spread in (20.0, 100.0):
        wide = Edm.stochastic(1.0, spread)
        assert wide.sigma_max == 1.75 * spread
        low, highest = wide.sigma(torch.tensor([-1.0, 3.5])).tolist()
        assert highest == pytest.approx(wide.sigma_max)
        assert low == pytest.approx(float(Edm(1.0).sigma(torch.tensor([-1.0]))))


@pytest.mark.parametrize("objective", [Edm(STD), VPrediction()], ids=["edm", "v"])
def test_the_ideal_network_beats_a_biased_one(objective: Objective) -> None:
    random = torch.Generator().manual_seed(1)
    x = MEAN + STD * torch.randn(2000, 1, generator=random)
    levels, noise = torch.randn(2000, generator=random), torch.randn(2000, 1, generator=random)

    def ideal(noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        if isinstance(objective, Edm):
            return edm_output(noisy, time)
        assert isinstance(objective, VPrediction)
        return v_output(noisy, time, objective._alphas_cumprod)

    best = objective.loss(ideal, x, levels, noise)
    worse = objective.loss(lambda noisy, time: ideal(noisy, time) + 0.2, x, levels, noise)
    assert best.shape == (2000,)
    assert float(best.mean()) < float(worse.mean())


def test_edm_noise_levels_are_log_normal() -> None:
    sigma = Edm(STD).sigma(torch.tensor([0.0, 1.0]))
    assert sigma.log().tolist() == pytest.approx([-1.2, 0.0], abs=1e-6)


def test_min_snr_weights_stand_for_one_loss_on_the_clean_sample() -> None:
    """An error in epsilon or in v is turned into the error of x0 that it implies, whose weight is min(SNR, gamma)."""
    signal = torch.tensor([0.99, 0.9, 0.5, 0.1, 1e-4], dtype=torch.float64)
    a, b, off = signal.sqrt(), (1 - signal).sqrt(), 0.37
    x0, noise = torch.tensor(0.2), torch.tensor(-1.1)
    noisy, snr = a * x0 + b * noise, signal / (1 - signal)
    from_epsilon = (noisy - b * (noise + off)) / a
    from_v = a * noisy - b * (a * noise - b * x0 + off)
    for gamma in (1.0, 5.0):
        wanted = snr.clamp_max(gamma)
        for prediction, found in (("epsilon", from_epsilon), ("v_prediction", from_v)):
            assert torch.allclose(min_snr(snr, gamma, prediction) * off**2, wanted * (found - x0).square())
    assert (min_snr(snr, 0.0, "epsilon") == 1).all()
    nothing = torch.zeros(1)
    assert (min_snr(nothing, 5.0, "epsilon"), min_snr(nothing, 5.0, "v_prediction")) == (1, 0)
