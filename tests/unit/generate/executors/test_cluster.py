"""A start of Ray that loses its port to another one is tried again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from synthgen.errors import SynthgenError
from synthgen.generate.executors import cluster


def ray_that_fails(times: int) -> Any:
    """What `connect` calls of Ray: its first starts fail, as one does whose port is taken."""
    calls: list[str] = []

    def init(**options: Any) -> None:
        calls.append("init")
        if calls.count("init") <= times:
            raise RuntimeError("Failed to start GCS: InvalidAuthToken.")

    return SimpleNamespace(
        init=init,
        shutdown=lambda: calls.append("shutdown"),
        cluster_resources=dict,
        calls=calls,
        __version__="0",
    )


def test_a_start_that_lost_its_port_is_tried_again() -> None:
    ray = ray_that_fails(2)
    cluster.connect(ray, 1, None, own_cluster=True, store_bytes=10**8)
    assert ray.calls == ["init", "shutdown", "init", "shutdown", "init"]


def test_a_machine_where_ray_does_not_start_is_told_so() -> None:
    with pytest.raises(SynthgenError, match=r"Ray cannot be started on this machine: .*InvalidAuthToken$"):
        cluster.connect(ray_that_fails(9), 1, None, own_cluster=True, store_bytes=10**8)
