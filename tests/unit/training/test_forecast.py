"""What a training says it will take, against a training on a clock of the test's own and against real checkpoints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from synthgen.training import checkpoint, forecast, loop
from synthgen.training.batches import Batch
from synthgen.training.ema import Ema
from synthgen.training.forecast import Forecast
from synthgen.training.monitor import Monitor
from synthgen.training.settings import LoopConfig
from synthgen.training.task import Made, Task

CPU = torch.device("cpu")


class Training:
    """100 steps of 2 s, after a first one of 30 s; a checkpoint every 25, which takes 10 s."""

    def __init__(self) -> None:
        self.now = 0.0
        self.forecast = Forecast(0, 100, 25, lambda: self.now)
        self.said: list[str] = []
        self.left: dict[int, float | None] = {}

    def run(self) -> float:
        for done in range(1, 101):
            self.now += 30 if done == 1 else 2
            self.forecast.step(done)
            self.left[done] = self.forecast.seconds_left
            self.said += filter(None, [self.forecast.measured(CPU)])
            if done % 25 == 0:
                with self.forecast.checkpoint():
                    self.now += 10
        return self.now


def test_time_left_is_right_once_a_checkpoint_was_seen() -> None:
    training = Training()
    end = training.run()
    assert end == 30 + 99 * 2 + 4 * 10
    assert training.left[1] is None
    assert training.left[10] == 90 * 2  # the cost of checkpoints is not known yet
    assert training.left[30] == 70 * 2 + 3 * 10
    assert training.left[75] == 25 * 2 + 2 * 10  # the one that is due now, and the last


def test_the_estimate_is_given_once_and_says_what_it_leaves_out() -> None:
    training = Training()
    training.run()
    (said,) = training.said
    assert said.startswith("estimate from the first 4 steps: about 3 min 12 s left (2.0 s a step), ")
    assert "and what is scored and generated at 4 checkpoints" in said
    assert re.search(r"; [\d.]+ [MG]B of memory at most so far$", said)


class Line(Task):
    """One linear layer of 1,000 x 1,000."""

    def network(self) -> nn.Module:
        return nn.Linear(1000, 1000)

    def batch(self, step: int, random: torch.Generator) -> Ones:
        return Ones(torch.ones(2, 1000))

    def losses(self, batch: Ones) -> torch.Tensor:
        found: torch.Tensor = self.model(batch.x).square().mean(1)
        return found

    def validation(self, ema: Ema) -> dict[str, float]:
        return {}

    def finish(self, ema: Ema, title: str) -> Made:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Ones(Batch):
    x: torch.Tensor


class Hearing(Monitor):
    """Remembers what is said."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, quiet=True)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_disk_is_estimated_before_the_first_step(tmp_path: Path) -> None:
    config = LoopConfig(steps=4, batch_size=2, warmup_steps=0, checkpoint_every=2)
    with Hearing(tmp_path / "not there yet") as monitor:
        loop.fit(Line(config, 2, 0, "cpu"), {}, monitor)
    said = monitor.said
    assert said[0].startswith("training: 4 steps of 2, 1 million weights. Disk: at most about 52 MB (")
    assert "with a checkpoint of 16 MB every 2 steps. Memory: 20 MB for weights" in said[0]
    found = checkpoint.latest(tmp_path / "not there yet" / "checkpoints")
    assert found is not None
    assert sum(path.stat().st_size for path in found.iterdir()) == pytest.approx(16e6, rel=0.01)


def test_frozen_weights_are_in_memory_once_and_in_no_checkpoint(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(1000, 1000, bias=False).requires_grad_(False), nn.Linear(1000, 1, bias=False))
    said = forecast.before(model, 10, 1, 5, tmp_path)
    assert "0.001 million weights" in said
    assert "a checkpoint of 16 kB every 5 steps. Memory: 4.0 MB for weights" in said
