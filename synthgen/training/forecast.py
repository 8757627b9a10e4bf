"""What a training will take: known before its first step, measured in its first steps, and while it goes on."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from synthgen.base.pace import Pace
from synthgen.base.units import duration, size
from synthgen.training import checkpoint
from synthgen.training.ema import weights

COPIES = 4
"""What a checkpoint holds for each weight: itself, its average and the two moments of AdamW."""
MEASURED_S = 5.0
MEASURED_STEPS = 3


class Forecast:
    """Time that is left of a training: steps at their speed of the last minute, and checkpoints at their mean cost.

    A checkpoint's cost is that of writing it and of all that is scored and generated. Until the first one it is not
    known, and left out.
    """

    def __init__(self, start: int, steps: int, every: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steps, self._every = steps, every
        self._aside_s, self.n_checkpoints = 0.0, 0
        self._pace = Pace(MEASURED_STEPS, lambda: self._clock() - self._aside_s)
        self._began = clock()
        self._start = self._done = start
        self._said = False

    def step(self, done: int) -> None:
        self._done = done
        self._pace.add(done)

    @contextmanager
    def checkpoint(self) -> Iterator[None]:
        """Around what is done at a checkpoint."""
        began = self._clock()
        yield
        self._aside_s += self._clock() - began
        self.n_checkpoints += 1

    @property
    def n_checkpoints_left(self) -> int:
        return -(-self._steps // self._every) - self._start // self._every - self.n_checkpoints

    @property
    def seconds_left(self) -> float | None:
        """None while too few steps are done to know."""
        rate = self._pace.rate
        if rate is None:
            return None
        each = self._aside_s / self.n_checkpoints if self.n_checkpoints else 0.0
        return (self._steps - self._done) / rate + self.n_checkpoints_left * each

    def measured(self, device: torch.device) -> str:
        """Once, after some steps and seconds: what they say of the whole; empty else."""
        rate, left = self._pace.rate, self.seconds_left
        if self._said or rate is None or left is None or self._clock() - self._began < MEASURED_S:
            return ""
        self._said = True
        n = self.n_checkpoints_left
        beside = (
            f", and what is scored and generated at {n} checkpoint{'s' * (n > 1)}" if n and not self._aside_s else ""
        )
        return (
            f"estimate from the first {self._done - self._start} steps: about {duration(left)} left "
            f"({duration(1 / rate)} a step){beside}; {memory(device)}"
        )


def before(model: nn.Module, steps: int, batch_size: int, every: int, folder: Path) -> str:
    """What is known before the first step: how many weights are trained, and the disk and memory that they take."""
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    n_bytes = sum(value.numel() * value.element_size() for value in weights(model).values())
    all_bytes = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    disk = (checkpoint.KEEP + 1) * COPIES * n_bytes + all_bytes
    free = shutil.disk_usage(next(parent for parent in (folder, *folder.parents) if parent.exists())).free
    return (
        f"training: {steps} steps of {batch_size}, {trained / 1e6:.3g} million weights. "
        f"Disk: at most about {size(disk)} ({size(free)} free), with a checkpoint of {size(COPIES * n_bytes)} "
        f"every {every} steps. Memory: {size(COPIES * n_bytes + all_bytes)} for weights, gradients, averages and "
        "optimiser, and more for data and batches"
    )


def memory(device: torch.device) -> str:
    """`0.8 GB of memory at most so far`, and that of the GPU."""
    on_gpu = used_on_gpu(device)
    return f"{size(used())} of memory at most so far" + ("" if on_gpu is None else f", {size(on_gpu)} of the GPU's")


def used() -> int:
    """The most bytes of memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def used_on_gpu(device: torch.device) -> int | None:
    """The most bytes that this process has had of a GPU, None of other devices."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None
