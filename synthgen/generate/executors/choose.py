"""Which executor runs a recipe, and the one line that says why."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from synthgen.base.environment import choose_device, usable_cores, use_one_thread
from synthgen.errors import UsageError
from synthgen.generate.executors.outcome import Executor
from synthgen.generate.executors.placement import Demand, device_for
from synthgen.generate.executors.worker import Job, Listen
from synthgen.generate.plan import Plan
from synthgen.recipe.sections import Pool, Resources

Wanted = Literal["auto", "local", "ray"]


ANY_NUMBER = 1e9


class Choice:
    """Decides once, from the command and the environment; then starts executors.

    Attributes:
        name: "local" or "ray".
        reason: why, in a few words.
    """

    def __init__(self, wanted: Wanted = "auto", n_workers: int | None = None, address: str | None = None) -> None:
        in_cluster = bool(os.environ.get("RAY_ADDRESS") or os.environ.get("RAY_JOB_ID"))
        self.n_workers = n_workers
        self.address = address
        self.own_cluster = not (address or in_cluster)
        if wanted == "local" and address:
            raise UsageError(
                "--address names a Ray cluster, and --executor local does not use one; leave out one of them"
            )
        if wanted != "auto":
            self.name, self.reason = wanted, f"--executor {wanted}"
        elif address:
            self.name, self.reason = "ray", "--address was given"
        elif in_cluster:
            self.name, self.reason = "ray", "RAY_ADDRESS is set or this is a Ray job"
        else:
            self.name, self.reason = "local", "no Ray cluster was named"

    def check_device(self, device: str) -> None:
        """Raises UsageError if workers of this machine cannot use the device; what a cluster has, it says itself."""
        if self.name == "local" and device not in ("auto", "cpu"):
            choose_device(device)

    def start(self, job: Job, plan: Plan, n_pending: int, listen: Listen) -> Executor:
        """An executor with its workers started; more workers than pending shards are never started.

        `listen` hears how far shards are, whenever the executor is waited for.
        """
        use_one_thread()
        resources, pools = plan.recipe.resources, plan.recipe.pools()
        if self.name == "ray":
            from synthgen.generate.executors.ray import RayPool

            n_workers = self.n_workers
            if self.own_cluster and not n_workers:
                n_workers = default_workers(resources, job.device, pools.values())
            return RayPool(job, resources, pools, n_workers, n_pending, self.address, self.own_cluster, listen)
        from synthgen.generate.executors.local import InProcess, ProcessPool

        job = dataclasses.replace(job, device=device_for(resources, job.device))
        n_workers = min(self.n_workers or default_workers(resources, job.device), n_pending)
        return InProcess(job, plan, listen) if n_workers == 1 else ProcessPool(job, n_workers, listen)


def default_workers(resources: Resources, device: str, pools: Iterable[Pool] = ()) -> int:
    """As many as this machine has room for: one a GPU, or one a core, unless the recipe says what each takes.

    Actors of `pools` run beside them: GPUs and memory of theirs are taken, and cores as long as one is left.

    Raises:
        UsageError: not even one fits.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    machine = {"CPU": float(usable_cores()), "GPU": float(usable_gpus(device)), "memory": float(memory)}
    left = dict(machine)
    for pool in pools:
        one = dataclasses.replace(Demand.of(pool, device, [machine]), accelerator=None)
        if one.reserve(pool.actors, [free := left | {"CPU": ANY_NUMBER}]) < pool.actors:
            raise UsageError(
                f"pool: {pool.actors} actors take {one} each, and this machine has {_listed(machine)}; ask for less"
            )
        left = free | {"CPU": max(left["CPU"] - pool.actors * one.cpus, min(resources.cpus, machine["CPU"]))}
    demand = dataclasses.replace(Demand.of(resources, device, [machine]), accelerator=None)
    cpus = ANY_NUMBER if demand.gpus else left["CPU"]  # one core drives several GPUs if it must
    if not (n_workers := demand.fits(left | {"CPU": cpus})):
        beside = " beside the actors of parts that have some of their own" if left != machine else ""
        raise UsageError(
            f"resources: a worker takes {demand}{beside}, and this machine has {_listed(machine)}; ask for less, or "
            "--workers 1"
        )
    return n_workers


def _listed(machine: dict[str, float]) -> str:
    return f"{machine['CPU']:g} CPU, {machine['GPU']:g} GPU, {machine['memory'] / 1e9:.0f} GB of memory"


def usable_gpus(device: str) -> int:
    """GPUs that workers may use on this machine."""
    if device == "cpu" or not Path("/proc/driver/nvidia").exists():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
