"""Fixtures of all tests; the work is done by plain functions in helpers.py."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bucket
import fuzzing
import helpers
from synthgen.base.environment import usable_cores, use_one_thread
from synthgen.parts import registry

MOST_WORKERS = 8
"""Each holds torch and its models: about a GB."""

sys.dont_write_bytecode = False  # hundreds of processes would compile torch, each for itself
sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "synthgen-test-pycache")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background, and by all children then
os.environ.pop("UV_RUN_RECURSION_DEPTH", None)  # commands would be shown with `uv run` before them
use_one_thread()  # two threads on busy cores wait for each other most of the time

if Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > 1 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/dev/shm")  # hundreds of runs, each with dozens of fsyncs


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """For folders of tests one worker more than cores, as some wait for processes; for single files none."""
    if any(Path(argument.split("::")[0]).is_file() for argument in config.args):
        return 0
    return min(usable_cores() + 1, MOST_WORKERS)


@pytest.fixture(scope="module", autouse=True)
def plugins_of_this_file() -> Iterator[None]:
    """Plug-ins that tests of another file gave to this process are not known here."""
    given, registry._GIVEN = registry._GIVEN, {}
    yield
    registry._GIVEN = given


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["fuzzed"] = {kind: dict(counts) for kind, counts in fuzzing.COUNTS.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    for kind, counts in getattr(node, "workeroutput", {}).get("fuzzed", {}).items():
        fuzzing.COUNTS.setdefault(kind, Counter()).update(counts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for kind, outcomes in sorted(fuzzing.COUNTS.items()):
        listed = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(outcomes.items()))
        terminalreporter.write_line(f"fuzzed {outcomes.total():,} {kind}: {listed}")


@pytest.fixture(scope="session")
def server() -> Iterator[bucket.Server]:
    """An S3 server, which the environment names."""
    with bucket.serve() as running:
        yield running


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The toy recipe as a file."""
    return helpers.write(tmp_path, helpers.toy())


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of hard masks, generated once. Look, do not touch."""
    return helpers.once(tmp_path_factory, "scenes", lambda folder: generate(folder, helpers.scenes())) / "out"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy dataset, generated once by one undisturbed process. Look, do not touch."""
    return helpers.once(tmp_path_factory, "finished", lambda folder: generate(folder, helpers.toy())) / "out"


def generate(folder: Path, recipe: dict[str, Any]) -> None:
    path = helpers.write(folder, recipe)
    assert helpers.in_fork(lambda: helpers.run(path, folder / "out")) == 0


@pytest.fixture(scope="session", autouse=True)
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A token for Ray of these tests' own, instead of the one that it would leave in the home folder.

    It is there from the first test on: a process asks once how Ray is guarded, and goes by that from then on.
    """
    path = tmp_path_factory.mktemp("ray") / "token"
    path.write_text(secrets.token_hex(32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
        yield


@pytest.fixture(scope="session")
def cluster(token: None) -> Iterator[str]:
    """The address of a running cluster with two CPUs, shared by all tests of a worker: starting one takes longer."""
    with helpers.ray_cluster() as address:
        yield address
