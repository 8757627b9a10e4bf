"""The nodes of a Ray cluster: what they have, and whether they see what the run needs."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from synthgen.dataset.store import Store
from synthgen.errors import StoreError, SynthgenError
from synthgen.generate.executors.cluster import on_node
from synthgen.generate.executors.worker import Job

ANSWER_S = 90.0
"""How long a node may take to start a process and look: Ray starts its first ones slowly."""
SHOWN = 20


def alive(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def name(node: dict[str, Any]) -> str:
    """`worker-3 (10.0.0.7)`: as people find it."""
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def listed(ray: Any) -> str:
    """`head (10.0.0.1) with 4 CPU; worker (10.0.0.2) with 8 CPU, 1 GPU`, `no node`."""
    found = []
    for node in alive(ray)[:SHOWN]:
        amounts = [f"{node['Resources'].get(key, 0):g} {key}" for key in ("CPU", "GPU") if key in node["Resources"]]
        kinds = [key.partition(":")[2] for key in node["Resources"] if key.startswith("accelerator_type:")]
        found.append(f"{name(node)} with {', '.join([*amounts, *kinds]) or 'no CPU and no GPU'}")
    more = len(alive(ray)) - len(found)
    return "; ".join(found) + (f" and {more} more" if more else "") if found else "no node"


def check(ray: Any, some: Sequence[dict[str, Any]], job: Job) -> None:
    """Lets every node look at once whether it sees the output and the folder that the command was given in.

    Raises:
        StoreError: nodes that do not, by name, and what is wrong there.
    """
    asked = {on_node(ray, sees, node["NodeID"]).remote(job): node for node in some}
    done, _ = ray.wait([*asked], num_returns=len(asked), timeout=ANSWER_S) if asked else ([], [])
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    for reference in done:
        try:
            if problem := ray.get(reference):
                wrong[problem].append(name(asked[reference]))
        except ray.exceptions.RayTaskError as error:
            wrong[f"cannot run synthgen there: {str(error).strip().splitlines()[-1]}"].append(name(asked[reference]))
        except ray.exceptions.RayError:  # gone meanwhile
            continue
    if wrong:
        n_wrong = sum(map(len, wrong.values()))
        lines = [f"  {', '.join(hosts[:SHOWN])}: {problem}" for problem, hosts in wrong.items()]
        assert job.storage is not None
        need = "reach the store" if job.storage.remote else "see the same paths (a shared file system)"
        raise StoreError(
            f"{n_wrong} of {len(some)} nodes cannot take part:\n" + "\n".join(lines) + f"\nEvery node must {need}, and "
            "have the same version of synthgen"
        )


def sees(job: Job) -> str:
    """On a node: what is wrong there; empty if nothing is."""
    assert job.storage is not None
    if not os.access(job.folder, os.X_OK):
        return f"there is no {job.folder}, the folder that the command was given in"
    try:
        Store(job.storage).check_lease()
    except SynthgenError as error:
        return str(error)
    return ""
