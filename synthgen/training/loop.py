"""The training loop: steps, warm-up and decay, clipping, averages, checkpoints, exact resume."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from synthgen.errors import Interrupted, NonFiniteError, UsageError
from synthgen.training import checkpoint, forecast, optimisers
from synthgen.training.cost import Cost
from synthgen.training.ema import Ema
from synthgen.training.monitor import Monitor
from synthgen.training.settings import LoopConfig
from synthgen.training.task import Task

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, slots=True)
class Ended:
    """The averaged weights of a training's last checkpoint: `step` of its `steps` are done."""

    ema: Ema
    step: int
    steps: int


def ended(task: Task, facts: dict[str, Any], folder: Path, finish: bool) -> Ended | None:
    """What a training ends with that does not go on; None if it goes on.

    It does not if it is to `finish`, nor if it is asked for fewer steps than its last checkpoint in `folder` has, of a
    training that was meant to be longer: then `facts` may differ in the number of steps.

    Raises:
        UsageError: it is to finish, and has no checkpoint.
        ModelError: the checkpoint was made with other settings or data, or is damaged.
    """
    found = checkpoint.latest(folder)
    if finish:
        check_begun(folder)
    if found is None:
        return None
    step, planned = checkpoint.progress(found)
    steps = task.config.steps if planned is None else planned
    if not finish and (step < task.config.steps or steps == task.config.steps):
        return None
    model = task.model
    ema, optimiser = Ema(model, task.config.ema_decay), task.optimiser()
    known = facts if planned is None else facts | {"steps": planned}
    return Ended(ema, checkpoint.load(found, model, ema, optimiser, known), steps)


def check_begun(folder: Path) -> None:
    """Raises UsageError if a training has no checkpoint in `folder`, of which a model could be made."""
    if checkpoint.latest(folder) is None:
        raise UsageError(
            f"--finish: there is no checkpoint in {folder}. Train first, without --finish: the first checkpoint is "
            "made after `checkpoint_every` steps, or when the training is stopped with Ctrl-C"
        )


def fit(task: Task, facts: dict[str, Any], monitor: Monitor) -> Ema:
    """Trains `task.model` to the last step and returns its averaged weights.

    Frozen parameters (those that need no gradient) are neither averaged nor kept in checkpoints, which are in
    `checkpoints` in the monitor's folder. The last one there is gone on from. All randomness of step k follows
    from k, so a run that was killed and resumed ends with the same bits as one that was not.

    Raises:
        ModelError: a checkpoint there was made with other settings or data (`facts` differ).
        NonFiniteError: the training diverged; nothing of the step in which it did is kept.
        Interrupted: on SIGINT or SIGTERM, after writing a checkpoint.
    """
    config, folder = task.config, monitor.folder / CHECKPOINTS
    model = task.model.train()
    ema = Ema(model, config.ema_decay)
    trained, optimiser = optimisers.trained(model), task.optimiser()
    peaks = [group["lr"] for group in optimiser.param_groups]
    found = checkpoint.latest(folder)
    start = checkpoint.load(found, model, ema, optimiser, facts) if found else 0
    if start >= config.steps:
        return ema
    losses, began, since = [], time.monotonic(), start
    monitor.say(forecast.before(model, config.steps, config.batch_size, config.checkpoint_every, folder))
    outlook = forecast.Forecast(start, config.steps, config.checkpoint_every)
    with _stop_signals() as stopped:
        for step in range(start, config.steps):
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * rate(step, config)
            losses.append(backward(task, step))
            norm = torch.nn.utils.clip_grad_norm_(trained, config.max_grad_norm)
            check_converging(step + 1, losses[-1], float(norm), folder)
            optimiser.step()
            optimiser.zero_grad()
            ema.update(model, step)
            done = step + 1
            outlook.step(done)
            if text := outlook.measured(next(model.parameters()).device):
                monitor.say(text)
            monitor.on_step(done, config.steps, losses[-1], outlook.seconds_left)
            if stopped:
                checkpoint.save(folder, done, model, ema, optimiser, facts)
                raise Interrupted(f"interrupted at step {done}, which is kept.", 128 + stopped[0])
            if done % config.checkpoint_every == 0 or done == config.steps:
                seconds_a_step = (time.monotonic() - began) / (done - since)
                with outlook.checkpoint():
                    checkpoint.save(folder, done, model, ema, optimiser, facts)
                    _report(task, done, ema, sum(losses) / len(losses), seconds_a_step, monitor)
                model.train()
                losses, began, since = [], time.monotonic(), done
    return ema


def measure(task: Task, steps_left: int) -> Cost:
    """What `steps_left` steps of a training take, by a few steps whose weights are thrown away."""
    model, optimiser = task.model.train(), task.optimiser()
    took = []
    for step in range(1 + forecast.MEASURED_STEPS):
        began = time.monotonic()
        backward(task, step)
        optimiser.step()
        optimiser.zero_grad()
        took.append(time.monotonic() - began)
        if sum(took) > forecast.MEASURED_S:
            break
    device = next(model.parameters()).device
    return Cost(min(took), steps_left, forecast.used(), forecast.used_on_gpu(device))


def backward(task: Task, step: int) -> float:
    """Adds the gradient of batch `step` to the weights' and returns its loss.

    Of the batch's parts only one is in memory at a time.
    """
    random = task.batches.generator(task.stream, step)
    batch = task.batch(step, random)
    n, total = 1 if task.summed else len(batch), 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(1 << 62, (1,), generator=random)))  # for dropout
        for part in task.parts(batch):
            loss = task.losses(part).sum() / n
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
    return total


def _report(task: Task, done: int, ema: Ema, train_loss: float, seconds: float, monitor: Monitor) -> None:
    started = time.monotonic()
    metrics = {"training loss": train_loss, **task.validation(ema), "seconds a step": seconds}
    if task.sample_every and (done % task.sample_every == 0 or done == task.config.steps):
        task.pictures(done, ema, monitor)
    monitor.record(done, metrics | {"seconds of this report": time.monotonic() - started})


def check_converging(step: int, loss: float, gradient: float, folder: Path) -> None:
    """Raises NonFiniteError if the loss or the gradient of a step is no finite number: its weights would be none."""
    if not (math.isfinite(loss) and math.isfinite(gradient)):
        raise NonFiniteError(
            f"the training diverged: the loss of step {step} is {loss:g} and its gradient {gradient:g}. Checkpoints "
            f"from before are in {folder}, and no model was written. Look for values out of range in the data, or "
            "train with a lower `learning_rate` or a longer `warmup_steps`"
        )


def rate(step: int, config: LoopConfig) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then a cosine down to `final_rate`."""
    rise = min(1.0, (step + 1) / max(1, config.warmup_steps))
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
