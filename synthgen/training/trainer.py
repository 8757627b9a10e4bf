"""The base of trainers: from settings and data to a model folder, by the loop, from the last checkpoint on."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from synthgen.base.environment import choose_device, leave_one_core
from synthgen.parts.protocols import Source
from synthgen.training import loop, output
from synthgen.training.cost import Cost
from synthgen.training.monitor import Monitor
from synthgen.training.settings import LoopConfig
from synthgen.training.task import Start, Task


class GradientTrainer(ABC):
    """A plug-in that trains a network. A subclass has a `Config`, a `version`, and says what its task is."""

    version: ClassVar[int] = 1
    Config: ClassVar[type[LoopConfig]]

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def task(self, start: Start) -> Task:
        """Reads the data and builds the network.

        Raises:
            DataError: the data cannot be used.
        """

    def identity(self) -> Mapping[str, Any]:
        values: dict[str, Any] = self.config.model_dump(mode="json")
        return values

    @property
    def sources(self) -> Sequence[Source]:
        return ()

    def train(
        self,
        out: Path,
        seed: int,
        *,
        device: str = "auto",
        quiet: bool = False,
        report: Callable[[int, Mapping[str, float]], None] | None = None,
        finish: bool = False,
    ) -> Path:
        """Trains, or goes on from the last checkpoint under `out/training`, and returns `out`.

        A training whose last checkpoint has as many steps as are asked for makes no more.

        Args:
            finish: no step is made; the model is that of the last checkpoint. Its training can be gone on with later.
            report: called at every checkpoint with the number of steps and the metrics, which are also in
                `training/scores.json`. What it raises stops the training, which can be gone on with.

        Raises:
            DataError: the data cannot be used.
            ModelError: the checkpoint there was made with other settings or data, or a base cannot be used.
            NonFiniteError: the training diverged.
            Interrupted: stopped by a signal, after writing a checkpoint.
            UsageError: it is to finish, and has no checkpoint.
        """
        folder = output.work_folder(out)
        if finish:
            loop.check_begun(folder / loop.CHECKPOINTS)
        leave_one_core()
        task = self.task(Start(out, seed, choose_device(device)))
        facts = self.facts(task)
        with Monitor(folder, quiet, task.notes, task.metric, report) as monitor:
            task.begin(monitor)
            end = loop.ended(task, facts, folder / loop.CHECKPOINTS, finish)
            if end:
                monitor.say(f"no step is made: the last checkpoint, step {end.step} of {end.steps}, is the model")
            made = task.finish(end.ema if end else loop.fit(task, facts, monitor), out.name)
        output.finish(out, made.save, output.ended_card(made.card, end.step, end.steps) if end else made.card)
        output.note_end(out, (end.step, end.steps) if end and end.step < end.steps else None)
        return out

    @property
    def starts_soon(self) -> bool:
        """Whether the first step comes within seconds: nothing large is loaded, and nothing generated, before it."""
        return True

    def cost(self, seed: int, device: str = "auto") -> Cost | None:
        """What all steps take on this machine, by a few that are thrown away; None where even they would take long."""
        if not self.starts_soon:
            return None
        with tempfile.TemporaryDirectory(prefix="synthgen-cost-") as folder:
            return loop.measure(self.task(Start(Path(folder), seed, choose_device(device))), self.config.steps)

    def facts(self, task: Task) -> dict[str, Any]:
        """What a checkpoint must have been made with to be gone on from: settings, version, seed, and the data."""
        identity = self.identity()
        data = {**identity.get("data", {}), "sha256": data_sha256(task.data)}
        return {"trainer version": self.version, "seed": task.seed, **identity, "data": data}


NOTES = ("notes", "left_out", "said")
"""Fields that say how data were read, which is no part of them."""


def data_sha256(data: Any) -> str:
    """sha256 over all values of data as they were read: dataclasses without notes, sequences, arrays, plain values."""
    digest = hashlib.sha256()
    _add(data, digest)
    return digest.hexdigest()


def _add(value: Any, digest: Any) -> None:
    if dataclasses.is_dataclass(value):
        value = [getattr(value, field.name) for field in dataclasses.fields(value) if field.name not in NOTES]
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        value = value.tolist()
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
    elif isinstance(value, list | tuple):
        digest.update(f"[{len(value)}]".encode())
        for each in value:
            _add(each, digest)
    else:
        digest.update(f"{value!r};".encode())
