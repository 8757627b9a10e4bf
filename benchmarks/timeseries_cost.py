"""What does a window cost? The series pipeline against a 500-step ancestral loop over a network of Diffusion-TS's size.

Both draw 128 windows of 24 steps and 6 channels on one core, in turns. The rival is built of plain torch layers
in the published size for Stocks: two encoder and two decoder layers of width 64 with 4 heads, feed-forward layers four
times as wide, 500 steps. Its trend and Fourier blocks and its adaptive norms are left out, so it is cheaper here than
the published one. Weights are random on both sides: they do not change the cost.

Source: Yuan & Qiao, Diffusion-TS, ICLR 2024; the settings for Stocks in their repository.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from common import compare, pin_to_one_core

pin_to_one_core()

import torch  # noqa: E402
from diffusers import DDPMScheduler  # noqa: E402
from torch import nn  # noqa: E402

from synthgen.models.losses import Edm  # noqa: E402
from synthgen.models.positions import sinusoids  # noqa: E402
from synthgen.models.series.denoiser import SeriesDenoiser  # noqa: E402
from synthgen.models.series.pipeline import SeriesPipeline  # noqa: E402
from synthgen.models.series.scaler import SeriesScaler  # noqa: E402
from synthgen.trainers.series.model import PRESETS  # noqa: E402

N, LENGTH, CHANNELS, STEPS = 128, 24, 6, 500


class Published(nn.Module):
    """(B, L, C) and steps (B,) to an estimate of the clean windows (B, L, C)."""

    def __init__(self, width: int = 64, n_heads: int = 4, n_layers: int = 2) -> None:
        super().__init__()
        layer: dict[str, Any] = {"nhead": n_heads, "dim_feedforward": 4 * width, "dropout": 0.0, "activation": "gelu"}
        layer |= {"batch_first": True, "norm_first": True}
        self.width = width
        self.embed = nn.Linear(CHANNELS, width)
        self.places = nn.Parameter(torch.zeros(LENGTH, width))
        self.level = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(width, **layer) for _ in range(n_layers))
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(width, **layer) for _ in range(n_layers))
        self.out = nn.Linear(width, CHANNELS)

    def forward(self, noisy: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        start = self.embed(noisy) + self.places + self.level(sinusoids(steps, self.width))[:, None]
        seen = start
        for layer in self.encoder:
            seen = layer(seen)
        drawn = start
        for layer in self.decoder:
            drawn = layer(drawn, seen)
        out: torch.Tensor = self.out(drawn)
        return out


def published_loop() -> float:
    """CPU seconds of the ancestral loop for N windows."""
    torch.manual_seed(0)
    network = Published().eval()
    scheduler = DDPMScheduler(STEPS, beta_schedule="squaredcos_cap_v2", prediction_type="sample")
    scheduler.set_timesteps(STEPS)
    started = time.process_time()
    with torch.inference_mode():
        x = torch.randn(N, LENGTH, CHANNELS)
        for step in scheduler.timesteps:
            x = scheduler.step(network(x, step.expand(N)), step, x).prev_sample
    return time.process_time() - started


def pipeline(preset: str, solver_steps: int) -> float:
    """CPU seconds of the series pipeline for N windows, with its default sampler."""
    torch.manual_seed(0)
    names = [f"x{i}" for i in range(CHANNELS)]
    scaler = SeriesScaler.fit(torch.rand(1000, CHANNELS).numpy(), names)
    denoiser = SeriesDenoiser(n_channels=scaler.n_scaled, **PRESETS[preset]).eval()
    scheduler = Edm.stochastic(sigma_data=1.0).scheduler()
    pipe = SeriesPipeline(
        denoiser, scaler, scheduler, {0: "series"}, channels=names, units=["1"] * CHANNELS, length=LENGTH
    )
    pipe.set_progress_bar_config(disable=True)
    started = time.process_time()
    pipe([0] * N, num_inference_steps=solver_steps, generator=torch.Generator().manual_seed(0))
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="tiny", choices=sorted(PRESETS))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    size = sum(p.numel() for p in Published().parameters())
    print(f"rival: {size:,} parameters, {STEPS} steps; ours: preset {arguments.preset}, {arguments.steps} steps")
    compare(
        f"CPU time of {N} windows, published size over ours",
        published_loop,
        lambda: pipeline(arguments.preset, arguments.steps),
        arguments.repeats,
    )


if __name__ == "__main__":
    main()
