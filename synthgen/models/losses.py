"""Diffusion objectives: what the network is trained to output, and the scheduler that samples from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EDMDPMSolverMultistepScheduler

Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
P_MEAN, P_STD = -1.2, 1.2
LEAST_SIGMA_MAX = 20.0
SPREADS = 1.75
"""The highest noise level is so many of the data's largest deviations.

With the ideal network and 20 steps, the stochastic solver then gives directions of 11 to 30 deviations 0.99 to 1.00 of
their deviation: what the start lacks, the noise of later steps makes up for. From a level of 20, the widest got 0.73.
"""
REACH = 3.5
"""The highest noise level is at most so many deviations above the median of those in training."""


@dataclass(frozen=True, slots=True)
class Denoised:
    """What a network makes of noisy samples: losses (B,), clean samples (B, ...), and their noise to signal (B,)."""

    losses: torch.Tensor
    clean: torch.Tensor
    sigma: torch.Tensor


class Objective(Protocol):
    """A loss on noisy images; `noise` and `levels` are standard normal, so they can be fixed for validation."""

    def loss(self, network: Network, x: torch.Tensor, levels: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Weighted squared error of each sample, (B,).

        Args:
            network: maps (noisy input, time) to an output of the input's shape.
            x: clean samples (B, ...), in [-1, 1].
            levels: standard normal (B,), turned into noise levels.
            noise: standard normal, shape of x.
        """
        ...

    def denoise(
        self,
        network: Network,
        x: torch.Tensor,
        levels: torch.Tensor,
        noise: torch.Tensor,
        known: torch.Tensor | None = None,
    ) -> Denoised:
        """The loss with what it is of; errors count only where `known`, of the shape of `x`, is true."""
        ...

    def sigma(self, levels: torch.Tensor) -> torch.Tensor:
        """The ratio of noise to signal at each level, for reports."""
        ...

    def scheduler(self) -> Any:
        """A diffusers scheduler that samples from a network trained with this loss."""
        ...


@dataclass(frozen=True, slots=True)
class Edm:
    """Preconditioned denoising at log-normal noise levels.

    Attributes:
        sigma_data: standard deviation of the data.
        p_mean: median of the logarithm of noise levels in training.
        p_std: its standard deviation.
        p_std_above: that of levels above the median, if it is another.
        sigma_min: the lowest level of sampling.
        sigma_max: the highest.
        algorithm: of diffusers' multistep solver.

    Source: Karras et al. 2022, "Elucidating the design space of diffusion-based generative models",
    eq. 7-8 and table 1: with the weight 1 / c_out^2 the loss is a plain squared error on the output.
    """

    sigma_data: float
    p_mean: float = P_MEAN
    p_std: float = P_STD
    p_std_above: float | None = None
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    algorithm: str = "dpmsolver++"

    @classmethod
    def stochastic(cls, sigma_data: float, spread: float = 1.0, p_mean: float = P_MEAN, p_std: float = P_STD) -> Edm:
        """Noise levels for data of this `spread`, sampled with a solver that draws noise at every step.

        That mends errors of the steps before, but steps must be finer for it, so they cover the levels that training
        visits and no others: with 20 steps from 80 to 0.002, parts of sine waves that hardly vary came out with 8 %
        too much deviation, from 20 to 0.01 with 1 %.

        Sampling starts from noise alone, so little of the data may show in noise of the highest level. Where the
        values of a sample go together, what they have in common does: averaging over many of them takes the noise
        away. So the highest level is a multiple of the deviation of that common part, and training visits the way up
        to it as often as it would otherwise.

        Args:
            sigma_data: standard deviation of the data.
            spread: their largest standard deviation in any direction, from `sigma_data` (values are independent) to
                `sigma_data` times the root of how many values a sample has (all are equal).
            p_mean: median of the logarithm of noise levels in training.
            p_std: its standard deviation, at least; above the median it may be more.
        """
        sigma_max = max(LEAST_SIGMA_MAX, round(SPREADS * spread, 1))
        above = max(p_std, (math.log(sigma_max) - p_mean) / REACH)
        return cls(sigma_data, p_mean, p_std, above, 0.01, sigma_max, "sde-dpmsolver++")

    def sigma(self, levels: torch.Tensor) -> torch.Tensor:
        above = self.p_std if self.p_std_above is None else self.p_std_above
        return (levels * torch.where(levels > 0, above, self.p_std) + self.p_mean).exp()

    def loss(self, network: Network, x: torch.Tensor, levels: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return self.errors(network, x, levels, noise).flatten(1).mean(1)

    def denoise(
        self,
        network: Network,
        x: torch.Tensor,
        levels: torch.Tensor,
        noise: torch.Tensor,
        known: torch.Tensor | None = None,
    ) -> Denoised:
        errors, clean = self._errors(network, x, levels, noise)
        errors = errors if known is None else errors * known
        return Denoised(errors.flatten(1).mean(1), clean, self.sigma(levels))

    def errors(self, network: Network, x: torch.Tensor, levels: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Squared errors of the network's output, of the shape of `x`: for losses that leave some cells out."""
        return self._errors(network, x, levels, noise)[0]

    def _errors(
        self, network: Network, x: torch.Tensor, levels: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        sigma = self.sigma(levels)
        s = sigma.view(-1, *[1] * (x.ndim - 1))
        total = s**2 + self.sigma_data**2
        c_skip = self.sigma_data**2 / total
        c_out = s * self.sigma_data / total.sqrt()
        noisy = x + s * noise
        output = network(noisy / total.sqrt(), sigma.log() / 4)
        return (output - (x - c_skip * noisy) / c_out).square(), c_skip * noisy + c_out * output

    def scheduler(self) -> EDMDPMSolverMultistepScheduler:
        """DPM-Solver++ 2M on Karras et al.'s noise levels; its "epsilon" is the raw network output."""
        return EDMDPMSolverMultistepScheduler(
            sigma_min=self.sigma_min,
            sigma_max=self.sigma_max,
            sigma_data=self.sigma_data,
            rho=7.0,
            solver_order=2,
            prediction_type="epsilon",
            algorithm_type=self.algorithm,
        )


def min_snr(snr: torch.Tensor, gamma: float, prediction: str) -> torch.Tensor:
    """Weights of squared errors that bound what nearly clean samples count, of the shape of `snr`.

    All stand for a loss on the clean sample with the weight min(SNR, gamma). An error in epsilon is
    SNR times that in the clean sample, one in v SNR + 1 times. A gamma of 0 weights nothing: all are 1.

    Args:
        snr: signal to noise, alpha^2 / sigma^2, from 0 on.
        prediction: `epsilon` or `v_prediction`, as schedulers of diffusers call it.

    Source: Hang et al. 2023, "Efficient diffusion training via min-SNR weighting strategy", eq. 8;
    at SNR 0, the limits: 1 for epsilon and 0 for v.
    """
    if gamma == 0:
        return torch.ones_like(snr)
    if prediction == "epsilon":
        return torch.where(snr <= gamma, 1.0, gamma / snr)
    return snr.clamp_max(gamma) / (snr + 1)


class VPrediction:
    """v-prediction on a cosine-free linear schedule rescaled to zero terminal SNR, min-SNR weights.

    Source: Salimans & Ho 2022 (v); Lin et al. 2023, algorithm 1 (zero terminal SNR, trailing
    steps); Hang et al. 2023, eq. 8 (min-SNR, here with gamma 5 for v: min(SNR, 5) / (SNR + 1)).
    """

    n_steps = 1000
    gamma = 5.0

    def __init__(self) -> None:
        base = DDIMScheduler(
            num_train_timesteps=self.n_steps, rescale_betas_zero_snr=True, prediction_type="v_prediction"
        )
        self._alphas_cumprod = base.alphas_cumprod.double()

    def _times(self, levels: torch.Tensor) -> torch.Tensor:
        """Uniform integer times, by the normal distribution function of the levels."""
        uniform = torch.special.ndtr(levels.double())
        return (uniform * self.n_steps).long().clamp(0, self.n_steps - 1)

    def sigma(self, levels: torch.Tensor) -> torch.Tensor:
        signal = self._alphas_cumprod[self._times(levels)]
        return ((1 - signal) / signal.clamp_min(1e-8)).sqrt().float()

    def loss(self, network: Network, x: torch.Tensor, levels: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return self.denoise(network, x, levels, noise).losses

    def denoise(
        self,
        network: Network,
        x: torch.Tensor,
        levels: torch.Tensor,
        noise: torch.Tensor,
        known: torch.Tensor | None = None,
    ) -> Denoised:
        times = self._times(levels)
        signal = self._alphas_cumprod[times.cpu()].to(x.device)
        a = signal.sqrt().float().view(-1, *[1] * (x.ndim - 1))
        b = (1 - signal).sqrt().float().view_as(a)
        noisy = a * x + b * noise
        output = network(noisy, times.to(x.device))
        errors = (output - (a * noise - b * x)).square()
        error = (errors if known is None else errors * known).flatten(1).mean(1)
        weight = min_snr(signal / (1 - signal).clamp_min(1e-12), self.gamma, "v_prediction")
        losses = error * weight.float().clamp_min(1e-3)
        return Denoised(losses, a * noisy - b * output, (b / a.clamp_min(1e-4)).flatten())

    def scheduler(self) -> DPMSolverMultistepScheduler:
        return DPMSolverMultistepScheduler(
            num_train_timesteps=self.n_steps,
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            solver_order=2,
            euler_at_final=True,
        )
