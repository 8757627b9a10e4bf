"""What many tests need: a toy recipe, runs of it in this process, in a forked one and through the command line."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jinja2
import PIL.PngImagePlugin
import psutil
import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml

from synthgen import api
from synthgen.base import json_files
from synthgen.generate.driver import Result
from synthgen.generate.plan import Plan

PRELOADED = (jinja2, PIL.PngImagePlugin, pyarrow.parquet, pa.array([0]))
"""Imported here (pa.array imports pandas) so that forked runs, of which there are hundreds, need not."""

ROOT = Path(__file__).parent.parent
TOY = str(Path(__file__).with_name("toy_plugins.py"))


def toy(**changes: Any) -> dict[str, Any]:
    """A small recipe of the toy parts: 40 slots in 4 shards; most tries are rejected, and still no slot is short."""
    recipe: dict[str, Any] = {
        "kind": "dataset",
        "name": "toy",
        "seed": 7,
        "tries": 20,
        "shard_size": 10,
        "batch_size": 4,
        "splits": {"train": 0.8, "val": 0.2},
        "condition": {"use": "classes", "quotas": {"dark": 24, "bright": 16}},
        "sampler": {"use": "smooth", "size": 4},
        "labelers": [{"use": "class-label"}],
        "scorers": [{"use": "brightness", "noise": 0.1}],
        "keep": ["brightness >= 0.3"],
        "output": {"writers": ["webdataset", "parquet"]},
    }
    return {key: value for key, value in (recipe | changes).items() if value is not None}


def scenes(**changes: Any) -> dict[str, Any]:
    """A small recipe of images with masks that are hard for file formats: ten of them, two of each kind."""
    kinds = dict.fromkeys(("empty", "border", "crowded", "dots", "touching"), 2)
    parts = {
        "condition": {"use": "classes", "quotas": kinds},
        "sampler": {"use": "scenes"},
        "labelers": ["class-label", "boxes"],
        "scorers": [],
        "keep": [],
        "shard_size": 5,
    }
    return toy(**(parts | changes))


def streets(**settings: Any) -> dict[str, Any]:
    """A small recipe of streets with class maps, 12 of them, by settings of the sampler."""
    recipe = {"condition": {"use": "classes", "quotas": {"street": 12}}, "sampler": {"use": "streets", **settings}}
    return toy(**recipe, labelers=[], scorers=[], keep=[], shard_size=6, splits={"train": 0.6, "val": 0.4})


def write(folder: Path, recipe: dict[str, Any], name: str = "toy.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def plan_of(folder: Path, **changes: Any) -> Plan:
    """The plan of the toy recipe with some keys changed."""
    return api.prepare(write(folder, toy(**changes), "plan.yaml"), plugin_files=[TOY]).plan


def run(recipe: Path, out: Path, **options: Any) -> Result:
    """`synthgen.run` with one worker in this process, on the CPU."""
    options = {"executor": "local", "workers": 1, "device": "cpu", "plugin_files": [TOY]} | options
    return api.run(recipe, out, **options)


def in_fork(work: Callable[[], Any]) -> int:
    """Does `work` in a forked process; its exit status as `subprocess` reports it (-9 for SIGKILL)."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` as `make` fills it: once a test run, by the worker that needs it first, for all of them."""
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, done = root / name, root / f"{name}.done"
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed in it
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "synthgen", *map(str, arguments)]


def run_command(recipe: Path, out: Path | None, *arguments: object) -> list[str]:
    """`synthgen run` of a toy recipe, as a list of words."""
    folder = ["-o", out] if out else []
    return command("run", recipe, *folder, "--plugin", TOY, "--device", "cpu", *arguments)


def environment(**more: str) -> dict[str, str]:
    """The environment of a child: this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def call(words: list[str], cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    process = start(words, cwd=cwd, **more)
    output, errors = finish(process)
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


def start(words: list[str], cwd: Path | None = None, own_group: bool = False, **more: str) -> subprocess.Popen[str]:
    """A process with its output on pipes, in a process group of its own if asked; `more` goes into its environment."""
    return subprocess.Popen(
        words,
        cwd=cwd,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=own_group,
    )


QUIET_S, LONGEST_S = 300.0, 1500.0


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Output and errors of a process once it has ended.

    On a busy machine a right one may take long, so what fails it is not its time but that nothing comes of it: no line
    and no commit for minutes.
    """
    assert process.stdout is not None and process.stderr is not None
    said: dict[str, list[str]] = {"output": [], "errors": []}
    readers = [
        threading.Thread(target=lambda pipe=pipe, lines=said[name]: lines.extend(iter(pipe.readline, "")), daemon=True)
        for name, pipe in (("output", process.stdout), ("errors", process.stderr))
    ]
    for reader in readers:
        reader.start()
    words = [str(word) for word in process.args] if isinstance(process.args, list) else []
    commits = Path(words[words.index("-o") + 1]) / "commits" if "-o" in words else None
    began = moved = time.monotonic()
    before = None
    while process.poll() is None:
        state = len(said["output"]), len(said["errors"]), len(list(commits.glob("*.json"))) if commits else 0
        now = time.monotonic()
        moved, before = (now, state) if state != before else (moved, before)
        if now - moved > QUIET_S or now - began > LONGEST_S:
            process.kill()
            raise AssertionError(f"{words} hangs; its last words: {said['output'][-20:]} {said['errors'][-20:]}")
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
    for reader in readers:
        reader.join(timeout=60)
    return "".join(said["output"]), "".join(said["errors"])


def still_alive(processes: list[psutil.Process], patience_s: float = 60) -> list[psutil.Process]:
    """Those that have not ended by then. Zombies count as ended: a container may have nobody who reaps them."""

    def runs(process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    end, alive = time.monotonic() + patience_s, processes
    while (alive := [process for process in alive if runs(process)]) and time.monotonic() < end:
        psutil.wait_procs(alive, timeout=0.1)
    return alive


@contextmanager
def ray_cluster(job_server: bool = False) -> Iterator[str]:
    """The address of a cluster that was started by `ray start --head`; its temporary folder needs a short path.

    With `job_server`, the address of that; jobs find `synthgen` as on a node in whose environment Ray was started.
    """
    folder = tempfile.mkdtemp(prefix="sg", dir="/tmp")
    programs = Path(sys.executable).parent
    words = [str(programs / "ray"), "start", "--head", "--disable-usage-stats", "--object-store-memory=100000000"]
    words += ["--port=0", f"--temp-dir={folder}", f"--num-cpus={1 if job_server else 2}"]
    url = f"http://127.0.0.1:{free_port()}"
    if job_server:
        ports = ("dashboard-agent-listen-port", "ray-client-server-port")
        words += [f"--dashboard-port={url.rpartition(':')[2]}", *(f"--{name}={free_port()}" for name in ports)]
    else:
        words += ["--include-dashboard=false"]
    before = {process.pid for process in psutil.process_iter()}
    try:
        started = call(words, PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")
        assert started.returncode == 0, started.stderr
        match = re.search(r"--address='([\d.:]+)'", started.stdout)
        assert match, started.stdout
        yield url if job_server else match[1]
    finally:
        for process in psutil.process_iter():
            try:
                if process.pid not in before and folder in " ".join(process.cmdline()):
                    process.kill()
            except psutil.NoSuchProcess:
                continue
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


UNPROMISED = ("commits", "log", ".synthgen", "failures")


def snapshot(out: Path, without: str = "") -> dict[str, str]:
    """sha256 of everything that a run promises to be byte-identical: all but the ledger, logs and private files."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_file() and name.split("/")[0] not in (*UNPROMISED, without):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def manifest(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return found


def signed(raw: bytes) -> bytes:
    """A record or manifest that was changed, with the hash of what it holds now."""
    return b"".join(json_files.signed([raw[: raw.rindex(b',\n "sha256": ')]]))


def leftovers(out: Path) -> list[str]:
    """Files below the staging folders: there are none after a run that ended by itself."""
    return [str(path) for path in (out / ".synthgen" / "staging").rglob("*") if path.is_file()]


def check_actors_write_the_same(path: Path, folder: Path, address: str) -> Path:
    """Runs 8, then all 12 samples of a recipe here, and all at once on a cluster of two; returns what that wrote."""
    run(path, folder / "local", samples=8)
    grown = run(path, folder / "local")
    assert grown.complete and grown.n_rendered == 1
    done = call(command("run", path, "-o", folder / "ray", "--device", "cpu", "--address", address), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "on 2 Ray actors" in done.stderr
    assert snapshot(folder / "local") == snapshot(folder / "ray")
    return folder / "ray"


def bind_messages(part: Any, schema: Mapping[str, Any]) -> list[str]:
    """What `bind` finds wrong, as recipes show it: after the setting's name if it is about one."""
    return [": ".join([*map(str, problem.place), problem.message]) for problem in part.bind(schema)]
