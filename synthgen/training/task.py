"""What is particular to one training: its network, batches and losses, how it is scored, and what is kept of it."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from synthgen.training import optimisers
from synthgen.training.batches import Batch, Batches
from synthgen.training.ema import Ema
from synthgen.training.monitor import Monitor
from synthgen.training.optimisers import Optimiser
from synthgen.training.output import work_folder
from synthgen.training.precision import autocast
from synthgen.training.settings import LoopConfig, Row, table

BANDS = {"low": -0.8, "middle": 0.0, "high": 0.8}


@dataclass(frozen=True, slots=True)
class Start:
    """Where a training's model goes, the seed of all its random numbers, and its device (`cpu`, `cuda:0`)."""

    out: Path
    seed: int
    device: str

    @property
    def work(self) -> Path:
        """Where checkpoints, images and logs are kept."""
        return work_folder(self.out)


@dataclass(frozen=True, slots=True)
class Made:
    """A finished model: `save` writes it into a folder, and `card` describes it."""

    save: Callable[[Path], Any]
    card: str


class Task(ABC):
    """What the loop trains. A subclass sets what `network` needs before it calls `__init__`.

    Attributes:
        stream: name of the random numbers that batches are made with.
        summed: whether `losses` are shares of one loss, which the task has divided by something of the whole batch.
        metric: the score that says which step was best, and in which direction.
        sample_every: steps between images; None: there are none.
        data: all that was read, which checkpoints are tied to.
        notes: what users should know of how the data were read.
    """

    stream: ClassVar[str] = "noise"
    summed: ClassVar[bool] = False
    metric: tuple[str, Literal["minimize", "maximize"]] = ("validation loss", "minimize")
    sample_every: int | None = None
    data: Any
    notes: Sequence[str] = ()

    def __init__(self, config: LoopConfig, n: int, seed: int, device: str, precision: str = "fp32") -> None:
        self.config: Any = config
        self.seed, self.device, self.precision = seed, device, precision
        self.batches = Batches(n, config.batch_size, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model: Any = self.network().to(device)

    @abstractmethod
    def network(self) -> nn.Module:
        """The network before its first step."""

    def optimiser(self) -> Optimiser:
        """Of the parameters that are trained, at their peak rates."""
        return optimisers.adamw(optimisers.trained(self.model), self.config)

    @abstractmethod
    def batch(self, step: int, random: torch.Generator) -> Batch:
        """The samples of a step on the CPU, with every random number that their losses need."""

    @abstractmethod
    def losses(self, batch: Any) -> torch.Tensor:
        """The loss of each sample, (B,). The loop takes their mean, or their sum if they are `summed`."""

    @abstractmethod
    def validation(self, ema: Ema) -> dict[str, float]:
        """Scores of the averaged weights on data that nothing is learned from; empty if there are none."""

    @abstractmethod
    def finish(self, ema: Ema, title: str) -> Made:
        """The model with the averaged weights, after the last step."""

    def begin(self, monitor: Monitor) -> None:  # noqa: B027 -- most do nothing here
        """Called once before the first step, also of a training that goes on."""

    def pictures(self, step: int, ema: Ema, monitor: Monitor) -> None:  # noqa: B027 -- many show none
        """Shows what the averaged weights generate, every `sample_every` steps."""

    def parts(self, batch: Any) -> Sequence[Any]:
        """The parts that a batch is computed in, one after the other."""
        parts: Sequence[Any] = batch.parts(self.config.gradient_accumulation_steps)
        return parts

    def autocast(self) -> AbstractContextManager[Any]:
        """For forward passes, in the training's precision."""
        return autocast(self.device, self.precision)

    def averaged(self, ema: Ema, network: nn.Module | None = None) -> Any:
        """`network`, by default a new one, with the averaged weights, ready to be used."""
        model = (self.network() if network is None else network).to(self.device)
        ema.copy_to(model)
        return model.eval()

    def settings(self, model: nn.Module, *rows: Row | Mapping[str, Any]) -> dict[str, Any]:
        """The table of a model card: the size of the network, rows from settings or as given, the seed."""
        found = {"parameters": sum(p.numel() for p in model.parameters())}
        for row in rows:
            found |= row if isinstance(row, Mapping) else table(self.config, row)
        return found | {"precision": self.precision, "seed": self.seed}

    def made(self, model: Any, card: str) -> Made:
        """A finished network or pipeline with its card."""
        return Made(lambda folder: model.to("cpu").save_pretrained(folder), card)


def by_noise_level(levels: torch.Tensor, losses: torch.Tensor) -> dict[str, float]:
    """The mean of losses (N,), and their means at low, middle and high noise by standard normal levels (N,)."""
    found = {"validation loss": float(losses.mean())}
    centres = list(BANDS.values())
    edges = [-torch.inf, *[(a + b) / 2 for a, b in itertools.pairwise(centres)], torch.inf]
    for name, low, high in zip(BANDS, edges, edges[1:], strict=False):
        inside = (levels >= low) & (levels < high)
        if bool(inside.any()):
            found[f"validation loss, {name} noise"] = float(losses[inside].mean())
    return found
