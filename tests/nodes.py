"""Nodes of a Ray cluster that are machines to each other, on one machine: network namespaces joined by cables.

Each node has a network, process numbers, a host name and a temporary folder of its own, and all see the same file
system. Needs root (Linux namespaces, a bridge, veth pairs).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

import helpers

PORT = 6379
UP = "Ray runtime started"
SUBNET = "10.77.0"
GATEWAY = f"{SUBNET}.254"  # this machine, as the nodes see it
RAY = str(Path(sys.executable).with_name("ray"))


def why_not() -> str:
    """Why nodes cannot be made here; empty if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "unshare", "nsenter", "mount") if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    probe = f"sg-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    bridge = subprocess.run(["ip", "link", "add", probe[:15], "type", "bridge"], capture_output=True, check=False)
    subprocess.run(["ip", "link", "del", probe[:15]], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", probe], capture_output=True, check=False)
    return "" if made.returncode == bridge.returncode == 0 else "network namespaces or bridges are not allowed here"


class Node:
    """One node: `start` boots it, `kill` is a power cut, `cut` and `mend` are its cable."""

    def __init__(self, lab: Lab, number: int, cpus: int) -> None:
        self.lab = lab
        self.cpus = cpus
        self.name = f"{lab.name}n{number}"
        self.address = f"{SUBNET}.{number}"
        self._cable = f"{lab.name}c{number}"
        self._process: subprocess.Popen[bytes] | None = None
        ip("netns", "add", self.name)
        ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", self._cable, "master", lab.name, "up")
        for words in (("addr", "add", f"{self.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
            ip("-n", self.name, *words)
        ip("-n", self.name, "link", "set", "lo", "up")

    def start(self, **environment: str) -> None:
        """Boots the node: its first process is Ray's, and all others end with it; `environment` is added to its own."""
        is_head = self is self.lab.nodes[0]
        role = ["--head", f"--port={PORT}", "--include-dashboard=false"]
        role += [f"--temp-dir={self.lab.scratch}/ray"]
        if not is_head:
            role = [f"--address={self.lab.nodes[0].address}:{PORT}"]
        ray = [RAY, "start", "--block", *role, f"--num-cpus={self.cpus}", f"--node-ip-address={self.address}"]
        ray += ["--object-store-memory=80000000", "--disable-usage-stats"]
        again = f"while ! {' '.join(ray)}; do sleep 1; done"  # as whoever looks after a node would start it again
        boot = f"mount -t tmpfs tmpfs {self.lab.scratch} && hostname {self.name} && {again}"
        words = ["ip", "netns", "exec", self.name, "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child"]
        words += ["--mount-proc", "bash", "-c", boot]
        with open(self.lab.logs / f"{self.name}.log", "ab") as log:
            everything = helpers.environment(**self.lab.environment, **environment)
            self._process = subprocess.Popen(words, stdout=log, stderr=log, env=everything)
        told = self.lab.logs / f"{self.name}.log"
        n_before = told.read_text().count(UP)
        while told.read_text().count(UP) == n_before:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} does not start: {told.read_text()}")
            time.sleep(0.1)

    def inside(self, *words: str) -> list[str]:
        """A command as it is given on this node."""
        assert self._process is not None
        (first,) = psutil.Process(self._process.pid).children()
        return ["nsenter", f"--target={first.pid}", "--mount", "--uts", "--pid", "--net", "--", *words]

    def kill(self) -> None:
        """All processes of the node are gone at once."""
        if self._process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for first in psutil.Process(self._process.pid).children():
                    first.kill()
            self._process.kill()
            self._process.wait()
            self._process = None

    def hide(self, folder: Path) -> None:
        """The node does not see what is in a folder, as if it had not mounted it."""
        subprocess.run(self.inside("mount", "-t", "tmpfs", "tmpfs", str(folder)), check=True)

    def cut(self) -> None:
        ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        ip("link", "set", self._cable, "up")

    def remove(self) -> None:
        self.kill()
        ip("netns", "del", self.name)


class Lab:
    """Nodes on one switch; the first one is the head. `environment` is added to that of all nodes."""

    def __init__(self, logs: Path, **environment: str) -> None:
        self.name = f"sg{os.getpid() % 100000}"
        self.logs = logs
        self.scratch = tempfile.mkdtemp(prefix="sg", dir="/tmp")
        self.environment = {"RAY_AUTH_MODE": "disabled", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", **environment}
        self.nodes: list[Node] = []

    def add(self, cpus: int = 1) -> Node:
        node = Node(self, len(self.nodes) + 1, cpus)
        self.nodes.append(node)
        return node

    @property
    def address(self) -> str:
        return f"{self.nodes[0].address}:{PORT}"


@contextlib.contextmanager
def lab(logs: Path, **environment: str) -> Iterator[Lab]:
    """A switch without nodes; all that is plugged into it is gone after the block."""
    made = Lab(logs, **environment)
    ip("link", "add", made.name, "type", "bridge")
    ip("addr", "add", f"{GATEWAY}/24", "dev", made.name)
    ip("link", "set", made.name, "up")
    try:
        yield made
    finally:
        for node in made.nodes:
            node.remove()
        ip("link", "del", made.name)
        shutil.rmtree(made.scratch, ignore_errors=True)


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
