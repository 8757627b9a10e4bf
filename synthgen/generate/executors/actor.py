"""A worker as a Ray actor: what runs in its process, and what the driver knows of it."""

from __future__ import annotations

import socket
import tempfile
import traceback
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthgen.errors import SynthgenError
from synthgen.generate.executors.cluster import this_node
from synthgen.generate.executors.outcome import Failure, outcome_of
from synthgen.generate.executors.worker import Job, ShardProgress, ShardReport, Worker, with_files


class Actor:
    """A worker as a Ray actor. Failures to start are kept and reported with the first shard."""

    def __init__(self, job: Job, plugin_files: dict[str, bytes]) -> None:
        self._worker: Worker | None = None
        self._error, self._birth = "", uuid.uuid4().hex
        self._progress: ShardProgress | None = None
        try:
            with tempfile.TemporaryDirectory(prefix="synthgen-plugins-") as folder:
                self._worker = Worker(with_files(job, plugin_files, Path(folder)))
        except SynthgenError as error:
            self._error = str(error)
        except Exception:  # reported to the driver, which knows what to do about it
            self._error = f"a worker cannot start: {traceback.format_exc()}"

    def ready(self) -> tuple[str, str, str, str]:
        """The host's name, the node's id, what tells this process from others, and why it cannot render, if so."""
        return socket.gethostname(), this_node(), self._birth, self._error

    def progress(self) -> ShardProgress | None:
        """How far the shard is that is being rendered; called while it is."""
        return self._progress

    def render(self, shard: int) -> ShardReport | Failure:
        if self._worker is None:
            return Failure(shard, "fatal", self._error)
        return outcome_of(self._worker, shard, self._note)

    def _note(self, progress: ShardProgress) -> None:
        self._progress = progress


@dataclass
class Life:
    """An actor from one start to its death, with the shards that it was given, oldest first.

    `moved_at` is when something last came of the oldest one.
    """

    actor: Any
    host: str = ""
    node: str = ""
    birth: str = ""
    in_flight: list[Any] = field(default_factory=list)
    progress: ShardProgress | None = None
    moved_at: float = 0.0
    ended: bool = False
