"""The Ray cluster that actors run on: started here or joined, and watched; the only file that imports ray."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from synthgen.errors import ClusterError, PluginError, SynthgenError

LOG = logging.getLogger(__name__)
KNOCK_S = 10.0
WATCHED_EVERY_S = 5.0
STARTS = 3
"""Tries to start Ray on this machine."""
HEAD_GONE_S = 40.0
"""How long the head of somebody's cluster may be away: it can be set up to come back, and Ray itself waits 60 s."""
OBJECT_STORE_BYTES = 100_000_000  # pixels never pass through it,
POOLS_BYTES = 2_000_000_000  # unless a part has actors of its own


def import_ray() -> Any:
    """ray, with what must be decided before it is imported or started.

    Under `uv run` Ray would start its workers through uv again, which is slow and fails offline. Workers of a cluster
    that is started here run at the normal priority, not at Ray's niceness of 15, at which other work on the machine
    would leave them next to nothing.
    """
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    try:
        import ray
    except ModuleNotFoundError:
        raise PluginError(f"the `ray` executor needs ray: {sys.executable} -m pip install ray") from None
    return ray


def connect(ray: Any, n_workers: int | None, address: str | None, own_cluster: bool, store_bytes: int) -> None:
    """Starts Ray on this machine, or joins the cluster that was named.

    Raises:
        SynthgenError: there is none at that address.
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    place = named(address)
    if own_cluster:
        options |= {
            "address": "local",
            "include_dashboard": False,
            "num_cpus": n_workers,
            "object_store_memory": store_bytes,
        }
    else:
        options |= {"address": place}
    try:
        if not own_cluster:
            knock(place)
        with _own_sigterm(own_cluster):
            _start(ray, options, STARTS if own_cluster else 1)
        LOG.info("Ray %s at %s: %s", ray.__version__, "this machine" if own_cluster else place, ray.cluster_resources())
    except Exception as error:  # Ray raises bare ones
        why = str(error).rstrip(".")
        if own_cluster:
            raise SynthgenError(f"Ray cannot be started on this machine: {why}") from None
        raise SynthgenError(
            f"cannot reach a Ray cluster at {place}: {why}. If the cluster asks for a token, which Ray does by "
            "default since 2.59, set RAY_AUTH_MODE=token here as well"
        ) from None


def _start(ray: Any, options: dict[str, Any], n_tries: int) -> None:
    """Starts or joins Ray. A start that failed is tried again: another one may have taken the port that it had found.

    Raises what the last try did.
    """
    for left in reversed(range(n_tries)):
        try:
            ray.init(**options)
            return
        except Exception as error:  # Ray raises bare ones
            ray.shutdown()
            if not left:
                raise
            LOG.warning("Ray did not start, and is started again: %s", error)


@contextlib.contextmanager
def _own_sigterm(own_cluster: bool) -> Iterator[None]:
    """While Ray starts in the block, what this program does on SIGTERM stays: Ray would end it with exit code 1.

    In somebody's cluster Ray prints no stack of this process at a signal either; processes of a cluster that is
    started here, which have this environment, do at a crash.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    if not own_cluster:
        os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def named(address: str | None) -> str:
    """The address that was given or, if none was, what Ray itself would look for."""
    return address or os.environ.get("RAY_ADDRESS") or "auto"


def knock(address: str) -> None:
    """Raises OSError if nobody listens at `host:port`; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


def this_node() -> str:
    """The id of the node that an actor runs on, in hex."""
    node: str = import_ray().get_runtime_context().get_node_id()
    return node


def on_node(ray: Any, function: Callable[..., Any], node_id: str) -> Any:
    """`function` as a remote one that runs on this node or fails, and takes nothing of it."""
    strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)
    return ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=strategy)(function)


class Watch:
    """Notices that the cluster's head, or this machine's raylet, is gone; Ray itself would let a driver wait for ever.

    Through `ray://` it sees nothing: the connection there breaks by itself.
    """

    def __init__(self, ray: Any, own_cluster: bool) -> None:
        self._ray = ray
        self._own_cluster = own_cluster
        self._looks = not ray.util.client.ray.is_connected()
        self._checked = self._answered = time.monotonic()
        if self._looks:
            context = ray.get_runtime_context()
            self._head, self._node = context.gcs_address, context.get_node_id()
            self._logs = ray._private.worker._global_node.get_logs_dir_path()

    def check(self) -> None:
        """Looks, unless it did within the last seconds.

        Raises:
            ClusterError: what is gone, and where its logs are.
        """
        now = time.monotonic()
        if not self._looks or now - self._checked < WATCHED_EVERY_S:
            return
        self._checked = now
        try:
            knock(self._head)
        except OSError as error:
            if self._own_cluster or now - self._answered > HEAD_GONE_S:
                raise self._gone(f"the head of the Ray cluster (gcs_server at {self._head})", str(error)) from None
            return
        self._answered = now
        if not any(node["NodeID"] == self._node and node["Alive"] for node in self._ray.nodes()):
            raise self._gone("this machine's raylet", "the cluster's head counts its node as dead")

    def _gone(self, what: str, why: str) -> ClusterError:
        return ClusterError(
            f"{what} has died: {why}. Often memory ran out, or somebody stopped it; Ray's logs are in {self._logs}"
        )
