"""Ray actors that hold one labeler or scorer each, for all workers of a run: started and watched by the driver."""

from __future__ import annotations

import asyncio
import logging
import socket
import tempfile
import time
import traceback
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from synthgen.base import environment
from synthgen.dataset.store import Store
from synthgen.errors import SynthgenError
from synthgen.fields import Columns
from synthgen.generate import batching
from synthgen.generate.executors import nodes, patience
from synthgen.generate.executors.cluster import this_node
from synthgen.generate.executors.patience import Patience
from synthgen.generate.executors.placement import Demand, Offer, device_for
from synthgen.generate.executors.pooled import Sent, shown
from synthgen.generate.executors.worker import Job, load_plan, note_environment, with_files
from synthgen.recipe.sections import Pool

LOG = logging.getLogger(__name__)
ASK_EVERY_S = 1.0
COMPLAIN_EVERY_S = 60.0
DEAD_STARTS = 10
CALLER_GONE_S = 60.0
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class State:
    """How an actor of a part is: where it runs, what tells its process from others, and why it cannot work, if so.

    `n_waiting` are batches that it was given and that are not done, `n_done` those that are; the last took `seconds`.
    """

    host: str
    node: str
    birth: str
    problem: str
    n_waiting: int
    n_done: int
    seconds: float


class PartActor:
    """One part of a plan with its model. It answers at once, and annotates one batch after the other, as they came."""

    def __init__(self, job: Job, plugin_files: dict[str, bytes], stream: str) -> None:
        self._birth, self._problem = uuid.uuid4().hex, ""
        self._n_waiting = self._n_done = 0
        self._seconds = 0.0
        self._turn = asyncio.Lock()
        self._heard: dict[str, asyncio.Event] = {}
        self._one = ThreadPoolExecutor(1, thread_name_prefix="annotate")
        try:
            environment.use_one_thread()
            with tempfile.TemporaryDirectory(prefix="synthgen-plugins-") as folder:
                plan = load_plan(with_files(job, plugin_files, Path(folder)))
            self._part = dict(plan.parts.annotators)[stream]
            self._device = environment.choose_device(job.device)
            assert job.storage is not None
            self._environment = note_environment(Store(job.storage), environment.fingerprint(self._device))
            self._one.submit(self._part.setup, self._device).result()
        except SynthgenError as error:
            self._problem = str(error)
        except Exception:  # reported to the driver, which knows what to do about it
            self._problem = traceback.format_exc()

    async def state(self) -> State:
        host, node = socket.gethostname(), this_node()
        return State(host, node, self._birth, self._problem, self._n_waiting, self._n_done, self._seconds)

    async def annotate(self, call: str, references: dict[str, Any], seeds: Sequence[int]) -> AsyncIterator[Any]:
        """First says that the batch's turn has come; then its new columns, seconds, environment, if on a GPU.

        It begins when the caller has heard that and calls `begin`: then it is known under which batch an actor died.
        """
        heard = self._heard[call] = asyncio.Event()
        self._n_waiting += 1
        try:
            async with self._turn:
                yield True
                try:
                    await asyncio.wait_for(heard.wait(), CALLER_GONE_S)
                except TimeoutError:
                    return
                work = partial(self._annotated, Sent(references), seeds)
                added, self._seconds = await asyncio.get_running_loop().run_in_executor(self._one, work)
        finally:
            del self._heard[call]
            self._n_waiting -= 1
            self._n_done += 1
        yield added, self._seconds, self._environment, self._device.startswith("cuda")

    async def begin(self, call: str) -> None:
        if call in self._heard:
            self._heard[call].set()

    def _annotated(self, columns: Sent, seeds: Sequence[int]) -> tuple[Columns, float]:
        started = time.perf_counter()
        try:
            added = {name: list(values) for name, values in self._part.annotate(columns, seeds).items()}
        except Exception as error:
            if batching.out_of_memory(error):
                batching.release()
            raise
        return added, time.perf_counter() - started


class Pools:
    """All actors of all parts that have some. Workers find them by `names`, also after one was replaced.

    Attributes:
        names: those of the actors by the random stream of their part.
        n_lost: actors that were alive and died, or were given up.
    """

    def __init__(self, ray: Any, pools: Mapping[str, Pool], device: str) -> None:
        self._ray, self._pools, self._device = ray, pools, device
        offered = [node["Resources"] for node in ray.nodes()]
        self._demands = {stream: Demand.of(pool, device, offered) for stream, pool in pools.items()}
        run = uuid.uuid4().hex[:12]
        self.names = {
            stream: tuple(f"synthgen-{run}-{stream}-{i}" for i in range(pool.actors)) for stream, pool in pools.items()
        }
        self._members: list[_Member] = []
        self._patience = {stream: Patience("a batch", patience.LEAST_S / 2) for stream in pools}
        self._dead_starts: defaultdict[str, int] = defaultdict(int)
        self._looked_at = self._complained_at = time.monotonic()
        self.n_lost = 0

    @property
    def description(self) -> str:
        """`, labeler segment-anything on 2 of its own`; empty if there are no pools."""
        return "".join(f", {shown(stream)} on {pool.actors} of its own" for stream, pool in self._pools.items())

    def reserve(self, offers: Sequence[Offer]) -> list[str]:
        """Takes the actors' room of what nodes have left; the parts that got none, with what an actor of each takes."""
        return [
            f"an actor of {shown(stream)}, which takes {demand}"
            for stream, demand in self._demands.items()
            if not demand.reserve(self._pools[stream].actors, offers)
        ]

    def fits(self, offered: Mapping[str, float]) -> bool:
        """Whether a node has room for an actor of any part."""
        return any(demand.fits(offered) for demand in self._demands.values())

    def start(self, job: Job, plugin_files: dict[str, bytes]) -> None:
        """Starts all actors; those for which there is no room yet wait for it."""
        for stream, pool in self._pools.items():
            own = replace(job, device=device_for(pool, self._device))
            for name in self.names[stream]:
                member = _Member(stream, name, (own, plugin_files, stream))
                self._make(member)
                self._members.append(member)

    def _make(self, member: _Member) -> None:
        options = self._demands[member.stream].actor_options
        actor = self._ray.remote(PartActor).options(name=member.name, **options)
        member.actor = actor.remote(*member.arguments)

    @property
    def waiting(self) -> bool:
        """Whether a part has no actor that could work, so that nothing can come of workers."""
        return {member.stream for member in self._members if member.alive} != set(self._pools)

    def look(self) -> None:
        """Hears how the actors are, unless it did just now, and gives up those that nothing comes of.

        Raises:
            SynthgenError: those of a part cannot start.
        """
        now = time.monotonic()
        if now - self._looked_at < ASK_EVERY_S or not self._members:
            return
        self._looked_at = now
        asked = {member.asked: member for member in self._members if member.asked is not None}
        answered, _ = self._ray.wait([*asked], num_returns=len(asked), timeout=0) if asked else ([], [])
        for reference in answered:
            self._hear(asked[reference])
        for member in self._members:
            if member.asked is None and member.ask_at <= now:
                member.asked = member.actor.state.remote()
            if member.alive and (why := self._patience[member.stream].worn_out(now - member.moved_at)):
                self._lose(member, f"is stuck and given up: {why}")
                self._ray.kill(member.actor, no_restart=False)
        if not self.waiting:
            self._complained_at = now
        elif now - self._complained_at > COMPLAIN_EVERY_S:
            self._complained_at = now
            alive = {member.stream for member in self._members if member.alive}
            for stream in self._pools.keys() - alive:
                needs, there = self._demands[stream], nodes.listed(self._ray)
                LOG.warning(
                    "waiting for Ray to start an actor of %s, which takes %s; there are %s", shown(stream), needs, there
                )

    def _hear(self, member: _Member) -> None:
        reference, member.asked = member.asked, None
        stream, errors = member.stream, self._ray.exceptions
        try:
            state: State = self._ray.get(reference)
        except errors.RayError as error:
            if member.alive:
                self._lose(member, "died")
            elif not isinstance(error, errors.ActorUnavailableError):  # as while Ray restarts it, or a cable is cut
                self._dead_starts[stream] += 1
            n = self._dead_starts[stream]
            none = not any(other.alive for other in self._members if other.stream == stream)
            if getattr(error, "actor_init_failed", False) or (n >= DEAD_STARTS and none):
                raise SynthgenError(f"the Ray actors of {shown(stream)} cannot start: {str(error).strip()}") from None
            if isinstance(error, errors.ActorDiedError):  # for good: Ray does not restart it
                self._make(member)
            member.ask_at = time.monotonic() + min(2.0**n - 1, LONGEST_PAUSE_S)
            return
        if state.problem:
            if not self._patience[stream].known:
                raise SynthgenError(f"{shown(stream)} cannot be loaded on {state.host}: {state.problem}")
            LOG.warning(
                "%s joined the cluster and is not used for %s: %s", state.host, shown(stream), state.problem
            )  # the others go on
            self._members.remove(member)
            self._ray.kill(member.actor, no_restart=True)
            return
        if member.alive and member.birth != state.birth:
            self._lose(member, "died")
        if not member.alive or state.n_done != member.n_done or not state.n_waiting:
            member.moved_at = time.monotonic()
        if state.n_done > member.n_done:
            self._patience[stream].learn(state.seconds)
        member.alive, self._dead_starts[stream] = True, 0
        member.host, member.birth, member.n_done = state.host, state.birth, state.n_done

    def _lose(self, member: _Member, how: str) -> None:
        member.alive, member.n_done = False, 0
        self.n_lost += 1
        LOG.warning(
            "an actor of %s on %s %s; Ray starts it again, and its batches are annotated again",
            *(shown(member.stream), member.host, how),
        )

    def close(self) -> None:
        for member in self._members:
            self._ray.kill(member.actor, no_restart=True)


@dataclass(eq=False)
class _Member:
    """An actor, started again and again, and what was last heard of it. `moved_at`: when a batch of it was done."""

    stream: str
    name: str
    arguments: tuple[Job, dict[str, bytes], str]
    actor: Any = None
    asked: Any = None
    ask_at: float = 0.0
    alive: bool = False
    host: str = ""
    birth: str = ""
    n_done: int = 0
    moved_at: float = 0.0
