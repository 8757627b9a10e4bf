"""`ray`: shards on a pool of actors."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthgen.errors import ClusterError, SynthgenError
from synthgen.generate.executors import nodes
from synthgen.generate.executors.actor import Actor, Life
from synthgen.generate.executors.cluster import (
    OBJECT_STORE_BYTES,
    POOLS_BYTES,
    Watch,
    connect,
    import_ray,
    named,
)
from synthgen.generate.executors.outcome import Failure, Outcome
from synthgen.generate.executors.patience import Patience
from synthgen.generate.executors.placement import Demand, Offer, device_for
from synthgen.generate.executors.pools import Pools
from synthgen.generate.executors.worker import Job, Listen, ShardProgress, ShardReport
from synthgen.recipe.sections import Pool, Resources

LOG = logging.getLogger(__name__)
IN_FLIGHT = 2
DEAD_STARTS = 10
PATIENCE_S = 60.0
ASK_EVERY_S = 1.0
GROW_EVERY_S = 5.0
LONGEST_PAUSE_S = 30.0
PROGRESS = "progress"


class RayPool:
    """Actors that hold the models, one CPU (or one GPU) each unless the recipe asks for more; Ray restarts dead ones.

    Without an address, and outside a cluster, Ray is started on this machine and stopped at the
    end. Only shard numbers and small reports travel; actors read models from, and write shards
    to, paths that every node must see, which is looked at before the first one starts. Shards go to
    actors that have answered, so a cluster with fewer free CPUs than actors were asked for works too,
    and one that grows gets more actors, up to one a pending shard.
    """

    def __init__(
        self,
        job: Job,
        resources: Resources,
        pools: Mapping[str, Pool],
        n_workers: int | None,
        n_pending: int,
        address: str | None,
        own_cluster: bool,
        listen: Listen,
    ) -> None:
        self._listen = listen
        self._ray = ray = import_ray()
        self._started_here = not ray.is_initialized()
        if self._started_here:
            pools_cpus = sum(pool.actors * pool.cpus for pool in pools.values())
            n_cpus = n_workers and math.ceil(n_workers * resources.cpus + pools_cpus)
            connect(ray, n_cpus, address, own_cluster, POOLS_BYTES if pools else OBJECT_STORE_BYTES)
        self._watch = Watch(ray, own_cluster)
        self._wanted = n_workers
        self._n_left = n_pending
        self._demand = demand = Demand.of(resources, job.device, [node["Resources"] for node in ray.nodes()])
        self._pools = Pools(ray, pools, job.device)
        self._check_room(f"a worker, which takes {demand}", own_cluster)
        job = replace(job, folder=folder_of_actors(ray, job))
        if not own_cluster:
            fitting = [
                node
                for node in nodes.alive(ray)
                if demand.fits(node["Resources"]) or self._pools.fits(node["Resources"])
            ]
            nodes.check(ray, fitting, job)
        plugin_files = {path: Path(path).read_bytes() for path in job.plugin_files}
        self._pools.start(job, plugin_files)
        job = replace(job, device=device_for(resources, job.device), pools=self._pools.names)
        self._actor = ray.remote(
            **demand.actor_options,
            max_concurrency=1,
            concurrency_groups={PROGRESS: 1},  # a thread that answers while another renders
        )(Actor)
        self._arguments = (job, plugin_files)
        self._actors: list[Any] = []
        self._out_of_reach: dict[int, tuple[str, int]] = {}  # by actor: its process, and the shard that it rendered
        self._deaths: Counter[int] = Counter()  # of processes under a shard, which were taken for lost connections
        self._queue: deque[int] = deque()
        self._free: deque[Life] = deque()
        self._starting: dict[Any, Life] = {}
        self._later: list[tuple[float, Any]] = []
        self._pending: dict[Any, tuple[int, Life]] = {}
        self._asked: dict[Any, Life] = {}
        self._asked_at = self._heard_at = time.monotonic()
        self._grown_at = time.monotonic()
        self._n_dead_starts = self._n_unfit = 0
        self._alive: list[Life] = []
        self._outcomes: deque[Outcome] = deque()
        self._patience = Patience()
        self._n_lost = 0
        self._grow()
        where = "a cluster started on this machine" if own_cluster else f"the cluster at {named(address)}"
        self.description = f"on {self.n_workers} Ray actors of {where}{self._pools.description}"

    @property
    def n_workers(self) -> int:
        return len(self._actors)

    @property
    def n_alive(self) -> int:
        return len(self._alive)

    @property
    def n_lost(self) -> int:
        return self._n_lost + self._pools.n_lost

    @property
    def capacity(self) -> int:
        return max(1, len(self._actors)) * IN_FLIGHT

    def _room(self) -> int:
        """Workers that fit on the nodes that there are now beside the pools, whoever else uses them."""
        offers = self._offers()
        self._pools.reserve(offers)
        return sum(map(self._demand.fits, offers))

    def _offers(self) -> list[Offer]:
        return [dict(node["Resources"]) for node in nodes.alive(self._ray)]

    def _check_room(self, worker: str, own_cluster: bool) -> None:
        """Raises SynthgenError if one of each kind of actors does not fit, unless nodes may come to which they do."""
        lacking = self._pools.reserve(self._offers()) or ([] if self._room() else [worker])
        if not lacking or (self._wanted and not own_cluster):
            return
        beside = self._pools.description and worker in lacking
        raise SynthgenError(
            f"no node of the Ray cluster has room for {' or for '.join(lacking)}"
            f"{', beside the actors of parts that have some of their own' if beside else ''}; it has "
            f"{nodes.listed(self._ray)}. Start nodes, ask for less (`resources`, `pool`, --device), or give --workers "
            "N, which waits for nodes that the cluster adds by itself"
        )

    def _grow(self) -> None:
        """Starts as many actors as there is room for, and shards. Those of lost nodes wait for others to come."""
        self._grown_at = time.monotonic()
        limit = (self._wanted or self._room()) - self._n_unfit
        for _ in range(len(self._actors), min(limit, self._n_left)):
            self._start()

    def submit(self, shard: int) -> None:
        self._queue.append(shard)
        self._hand_out()

    def wait(self, longest_s: float = math.inf) -> Outcome | None:
        end = time.monotonic() + longest_s
        while time.monotonic() <= end:
            try:
                outcome = self._next()
            except (ConnectionError, self._ray.exceptions.RaySystemError) as error:
                raise ClusterError(f"the connection to the Ray cluster is lost: {str(error).strip()}") from None
            if outcome is not None:
                return outcome
        return None

    def _next(self) -> Outcome | None:
        """A shard's outcome, or None after anything else has happened, or nothing for a while."""
        if self._outcomes:
            return self._outcomes.popleft()
        self._watch.check()
        self._pools.look()
        now = time.monotonic()
        if not self._wanted and now - self._grown_at > GROW_EVERY_S:
            self._grow()
        for due, actor in [(due, actor) for due, actor in self._later if due <= now]:
            self._later.remove((due, actor))
            self._await(actor)
        self._ask()
        self._give_up_stuck()
        references = [*self._starting, *self._pending, *self._asked]
        if not references:  # all actors are lost, and none can be asked yet
            time.sleep(ASK_EVERY_S)
            return None
        done, _ = self._ray.wait(references, num_returns=1, timeout=ASK_EVERY_S)
        if not done:
            self._complain()
        elif done[0] in self._asked:
            self._hear_progress(done[0])
        else:
            self._heard_at = time.monotonic()
            if done[0] in self._pending:
                return self._hear(done[0])
            self._hear_start(done[0])
        return None

    def _ask(self) -> None:
        """Asks every actor that renders how far it is, unless it was asked just now or has not answered yet."""
        if time.monotonic() - self._asked_at < ASK_EVERY_S:
            return
        self._asked_at = time.monotonic()
        silent = {id(life) for life in self._asked.values()}
        for life in {id(life): life for _, life in self._pending.values()}.values():
            if id(life) not in silent and not life.ended:
                self._asked[life.actor.progress.options(concurrency_group=PROGRESS).remote()] = life

    def _hear_progress(self, reference: Any) -> None:
        """An answer may be late, or not come because the actor died: `_hear` sees that."""
        life = self._asked.pop(reference)
        with contextlib.suppress(self._ray.exceptions.RayError):
            progress: ShardProgress | None = self._ray.get(reference)
            if progress != life.progress:
                life.progress, life.moved_at = progress, time.monotonic()
            if progress is not None and any(shard == progress.shard for shard, _ in self._pending.values()):
                self._listen(progress)

    def _give_up_stuck(self) -> None:
        """Hands back the shards of actors that nothing comes of: a process that hangs, or a node that is cut off.

        The actor is killed, where it can be reached, and takes shards again when it answers. What it might still commit
        is the same as what another makes, and the first one counts.
        """
        for life in [life for life in self._alive if life.in_flight]:
            if self._pools.waiting:
                life.moved_at = time.monotonic()
            why = self._patience.worn_out(time.monotonic() - life.moved_at)
            if not why:
                continue
            self._ray.kill(life.actor, no_restart=False)
            for i, reference in enumerate(life.in_flight):
                shard, _ = self._pending.pop(reference)
                message = f"the Ray actor on {life.host} is stuck and given up: {why}"
                self._outcomes.append(Failure(shard, "system", message, counts=i == 0))
            self._asked = {reference: other for reference, other in self._asked.items() if other is not life}
            self._end(life)

    def _end(self, life: Life) -> None:
        """An actor is dead, or out of reach: it gets no more shards until it answers again."""
        if life.ended:
            return
        life.ended = True
        self._n_lost += 1
        self._alive.remove(life)
        self._free = deque(other for other in self._free if other is not life)
        self._await(life.actor)

    def close(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor, no_restart=True)
        self._pools.close()
        if self._started_here:
            self._ray.shutdown()

    def _start(self) -> None:
        self._actors.append(self._actor.remote(*self._arguments))
        self._await(self._actors[-1])

    def _await(self, actor: Any) -> None:
        """Shards go to an actor, new or restarted, once it has answered."""
        self._starting[actor.ready.remote()] = Life(actor)

    def _hand_out(self) -> None:
        while self._queue and self._free:
            life, shard = self._free.popleft(), self._queue.popleft()
            if not life.in_flight:
                life.moved_at = time.monotonic()
            reference = life.actor.render.remote(shard)
            life.in_flight.append(reference)
            self._pending[reference] = (shard, life)

    def _hear_start(self, reference: Any) -> None:
        """An actor has loaded its models and takes shards, or has died again."""
        life = self._starting.pop(reference)
        errors = self._ray.exceptions
        try:
            life.host, life.node, life.birth, problem = self._ray.get(reference)
        except errors.RayError as error:
            if not isinstance(error, errors.ActorUnavailableError):  # as while Ray restarts it, or a cable is cut
                self._n_dead_starts += 1
            if getattr(error, "actor_init_failed", False) or (self._n_dead_starts >= DEAD_STARTS and not self._alive):
                raise SynthgenError(f"the Ray actors cannot start: {str(error).strip()}") from None
            actor = life.actor
            if isinstance(error, errors.ActorDiedError):  # for good: Ray does not restart it
                self._actors.remove(actor)
                self._out_of_reach.pop(id(actor), None)
                actor = self._actor.remote(*self._arguments)
                self._actors.append(actor)
            self._later.append((time.monotonic() + min(2.0**self._n_dead_starts, LONGEST_PAUSE_S), actor))
        else:
            self._n_dead_starts = 0
            birth, shard = self._out_of_reach.pop(id(life.actor), (life.birth, -1))
            if birth != life.birth:  # the connection was lost because the process had died
                self._deaths[shard] += 1
            if problem and self._patience.known:  # on a node that came later; the others go on
                LOG.warning("%s joined the cluster and is not used: %s", life.host, problem)
                self._n_unfit += 1
                self._actors.remove(life.actor)
                self._ray.kill(life.actor, no_restart=True)
                return
            self._alive.append(life)
            self._free += [life] * IN_FLIGHT
            self._hand_out()

    def _hear(self, reference: Any) -> Outcome:
        """A shard's outcome. Of the shards in flight on an actor that died, only the first was being rendered."""
        shard, life = self._pending.pop(reference)
        try:
            outcome: Outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._end(life)
            message, blamed = self._cause(life, error)
            rendered = life.in_flight[0] == reference
            if rendered and isinstance(error, self._ray.exceptions.ActorUnavailableError):
                self._out_of_reach[id(life.actor)] = life.birth, shard
                blamed, self._deaths[shard] = self._deaths[shard] > 0, max(self._deaths[shard] - 1, 0)
            return Failure(shard, "system", message, str(error), blamed and rendered)
        life.in_flight.remove(reference)
        life.moved_at = time.monotonic()
        if isinstance(outcome, ShardReport):
            self._n_left -= 1
            if outcome.seconds:
                self._patience.learn(outcome.seconds["total"])
        self._free.append(life)
        self._hand_out()
        return outcome

    def _cause(self, life: Life, error: Exception) -> tuple[str, bool]:
        """What became of an actor, and whether the shard may be to blame."""
        errors = self._ray.exceptions
        if isinstance(error, errors.ActorUnavailableError):
            return f"the connection to the Ray actor on {life.host} was lost", False
        if isinstance(error, errors.OutOfMemoryError):
            advice = "give each more with `--set resources.memory_gb=N`, or start fewer with --workers"
            return f"memory ran out on {life.host}, and Ray ended the actor there; {advice}", True
        if getattr(error, "preempted", False):
            return f"the node {life.host} was preempted", False
        if all(node["NodeID"] != life.node for node in nodes.alive(self._ray)):
            return f"the node {life.host} is gone", False
        return f"the Ray actor on {life.host} died (often the system's answer to too little memory)", True

    def _complain(self) -> None:
        if not self._pending and time.monotonic() - self._heard_at > PATIENCE_S:
            self._heard_at = time.monotonic()
            LOG.warning(
                "waiting for Ray to start an actor, which takes %s; there are %s", self._demand, nodes.listed(self._ray)
            )


def folder_of_actors(ray: Any, job: Job) -> str:
    """The driver's folder, or `.` if that is the copy of a Ray job's working directory: actors start in their own."""
    package = Path(ray.get_runtime_context().runtime_env.get("working_dir", "")).stem
    return "." if package and Path(job.folder).name == package else job.folder
