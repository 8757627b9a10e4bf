"""What the driver and its executors say to each other."""

from __future__ import annotations

import math
import traceback
from dataclasses import dataclass
from typing import Literal, Protocol

from synthgen.errors import PartLostError, StoreError, SynthgenError, UnreachableError
from synthgen.generate.executors.worker import Listen, ShardReport, Worker

Cause = Literal["code", "system", "fatal"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A shard that was not rendered.

    `cause`: "code" if rendering it raised, "system" if its worker died under it or did not reach the
    store, "fatal" if no shard can be rendered (no disk, no model). `counts` is False for a preempted
    worker, which says nothing about the shard.
    """

    shard: int
    cause: Cause
    message: str
    details: str = ""
    counts: bool = True


Outcome = ShardReport | Failure


class Executor(Protocol):
    """Runs shards on workers that hold their models. Not thread-safe; the driver is its only caller."""

    @property
    def capacity(self) -> int:
        """Shards that can be in flight at once."""
        ...

    @property
    def n_workers(self) -> int:
        """Workers that there are or will be; a cluster that grows has more later."""
        ...

    @property
    def n_alive(self) -> int:
        """Workers that have loaded their models and can be given shards."""
        ...

    @property
    def n_lost(self) -> int:
        """Workers that were alive and died, or were given up, so far."""
        ...

    @property
    def description(self) -> str: ...

    def submit(self, shard: int) -> None: ...

    def wait(self, longest_s: float = math.inf) -> Outcome | None:
        """Blocks until one of the submitted shards ends; None if none has after about `longest_s`.

        Raises:
            SynthgenError: the workers cannot start at all, or what they run on is gone.
        """
        ...

    def close(self) -> None:
        """Stops the workers without waiting for what they render."""
        ...


def outcome_of(worker: Worker, shard: int, listen: Listen) -> Outcome:
    """Renders a shard; what the worker raises is a value that travels, because it is the driver's to judge."""
    try:
        return worker.render(shard, listen)
    except (PartLostError, UnreachableError) as error:  # another worker, or this one later, may have more luck
        return Failure(shard, "system", str(error), "".join(traceback.format_exception(error)))
    except Exception as error:
        details = "".join(traceback.format_exception(error))
        message = str(error) if isinstance(error, SynthgenError) else f"{type(error).__name__}: {error}"
        return Failure(shard, "fatal" if isinstance(error, StoreError) else "code", message, details)
