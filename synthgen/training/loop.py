"""The training loop: steps, warm-up and decay, clipping, averages, checkpoints, exact resume."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from synthgen.base.environment import leave_one_core
from synthgen.errors import Interrupted, NonFiniteError
from synthgen.training import checkpoint, forecast
from synthgen.training.ema import Ema


class LoopConfig(BaseModel):
    """Settings that every gradient-trained model shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    steps: int = Field(default=5000, ge=1, description="Optimiser steps.")
    batch_size: int = Field(default=64, ge=1, description="Images a step.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Peak learning rate of AdamW.")
    final_rate: float = Field(default=0.02, ge=0, le=1, description="Share of the peak rate at the last step (cosine).")
    warmup: int = Field(default=300, ge=0, description="Steps of linear rise to the peak rate.")
    weight_decay: float = Field(default=0.01, ge=0, description="Decoupled weight decay.")
    grad_clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    ema: float = Field(default=0.999, ge=0, lt=1, description="Decay of the averaged weights, which are what is kept.")
    checkpoint_every: int = Field(default=500, ge=1, description="Steps between checkpoints.")


class Task(Protocol):
    """What is particular to one trainer."""

    model: nn.Module

    def loss(self, step: int) -> torch.Tensor:
        """The loss of batch `step`, which alone decides its data and noise."""
        ...

    def report(self, step: int, ema: Ema, train_loss: float, seconds: float) -> None:
        """Called at every checkpoint and at the end: validation, pictures, logs."""
        ...


@dataclass
class Progress:
    """Where a training stands: `on_step` gets step, steps, loss and the seconds left, None while they are not known.

    `say` gets what the training will take, as sentences.
    """

    on_step: Callable[[int, int, float, float | None], None]
    say: Callable[[str], None] = lambda text: None


def fit(task: Task, config: LoopConfig, folder: Path, facts: dict[str, Any], progress: Progress) -> Ema:
    """Trains `task.model` to the last step and returns its averaged weights.

    Frozen parameters (those that need no gradient) are neither averaged nor kept in checkpoints.
    A checkpoint in `folder` is gone on from. All randomness of step k follows from k, so a run
    that was killed and resumed ends with the same bits as one that was not.

    Raises:
        ModelError: a checkpoint there was made with other settings (`facts` differ).
        NonFiniteError: the training diverged; nothing of the step in which it did is kept.
        Interrupted: on SIGINT or SIGTERM, after writing a checkpoint.
    """
    leave_one_core()
    model = task.model.train()
    ema = Ema(model, config.ema)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(
        trained, config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay, fused=True
    )
    found = checkpoint.latest(folder)
    start = checkpoint.load(found, model, ema, optimiser, facts) if found else 0
    if start >= config.steps:
        return ema
    losses, began, since = [], time.monotonic(), start
    progress.say(forecast.before(model, config.steps, config.batch_size, config.checkpoint_every, folder))
    outlook = forecast.Forecast(start, config.steps, config.checkpoint_every)
    with _stop_signals() as stopped:
        for step in range(start, config.steps):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * rate(step, config)
            loss = task.loss(step)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(trained, config.grad_clip)
            losses.append(float(loss.detach()))
            check_converging(step + 1, losses[-1], float(norm), folder)
            optimiser.step()
            optimiser.zero_grad()
            ema.update(model, step)
            done = step + 1
            outlook.step(done)
            if text := outlook.measured(next(model.parameters()).device):
                progress.say(text)
            progress.on_step(done, config.steps, losses[-1], outlook.seconds_left)
            if stopped:
                checkpoint.save(folder, done, model, ema, optimiser, facts)
                raise Interrupted(f"interrupted at step {done}, which is kept.", 128 + stopped[0])
            if done % config.checkpoint_every == 0 or done == config.steps:
                seconds_a_step = (time.monotonic() - began) / (done - since)
                with outlook.checkpoint():
                    checkpoint.save(folder, done, model, ema, optimiser, facts)
                    task.report(done, ema, sum(losses) / len(losses), seconds_a_step)
                model.train()
                losses, began, since = [], time.monotonic(), done
    return ema


def check_converging(step: int, loss: float, gradient: float, folder: Path) -> None:
    """Raises NonFiniteError if the loss or the gradient of a step is no finite number: its weights would be none."""
    if not (math.isfinite(loss) and math.isfinite(gradient)):
        raise NonFiniteError(
            f"the training diverged: the loss of step {step} is {loss:g} and its gradient {gradient:g}. Checkpoints "
            f"from before are in {folder}, and no model was written. Look for values out of range in the data, or "
            "train with a lower `learning_rate` or a longer `warmup`"
        )


def rate(step: int, config: LoopConfig) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then a cosine down to `final_rate`."""
    rise = min(1.0, (step + 1) / max(1, config.warmup))
    fall = 0.5 * (1 + math.cos(math.pi * step / config.steps))
    return rise * (config.final_rate + (1 - config.final_rate) * fall)


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list that gets the number of the first SIGINT or SIGTERM; the step in progress is finished."""
    received: list[int] = []
    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, lambda n, _: received.append(n))
    except ValueError:  # not the main thread: signals stay with it
        previous = {}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def batch_rows(n: int, batch_size: int, step: int, seed: int) -> torch.Tensor:
    """Row numbers of batch `step`: every epoch is a new permutation of `n` rows that depends on (seed, epoch) alone."""
    first = step * batch_size
    rows: list[torch.Tensor] = []
    while batch_size > 0:
        epoch, at = divmod(first, n)
        piece = permutation(n, seed, epoch)[at : at + batch_size]
        rows.append(piece)
        first += len(piece)
        batch_size -= len(piece)
    return torch.cat(rows)


_permutations: dict[tuple[int, int], tuple[int, torch.Tensor]] = {}


def permutation(n: int, seed: int, epoch: int) -> torch.Tensor:
    """A permutation of 0 .. n - 1; the last one made is remembered."""
    held = _permutations.get((n, seed))
    if held is None or held[0] != epoch:
        held = (epoch, torch.randperm(n, generator=step_generator(seed, "epoch", epoch)))
        _permutations[n, seed] = held
    return held[1]


def step_generator(seed: int, stream: str, step: int) -> torch.Generator:
    """A CPU generator that depends on (seed, stream, step) alone: resume needs no saved generator state."""
    from synthgen.seeds import seed_of

    return torch.Generator().manual_seed(seed_of(seed, f"train:{stream}", step) % (1 << 63))
