"""Cluster files of infra/ray: what Ray itself accepts, and what a run on such a cluster needs."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import helpers

FILES = sorted((helpers.ROOT / "infra" / "ray").glob("*.yaml"))
CLOUDS = [path for path in FILES if path.stem != "local"]
README = (helpers.ROOT / "infra" / "README.md").read_text(encoding="utf-8")
BUCKETS = {"aws": "s3://", "gcp": "gs://"}


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def schema() -> dict[str, Any]:
    """Ray's own, which `ray up` checks files by."""
    ray = importlib.util.find_spec("ray")
    assert ray is not None and ray.origin is not None
    found: dict[str, Any] = json.loads((Path(ray.origin).parent / "autoscaler" / "ray-schema.json").read_text())
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_ray_accepts_it(path: Path) -> None:
    jsonschema.validate(load(path), schema())


def test_ray_refuses_another_key() -> None:
    with pytest.raises(jsonschema.ValidationError, match="min_worker"):
        jsonschema.validate(load(FILES[0]) | {"min_worker": 1}, schema())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_head_renders_nothing_and_asks_for_a_token(path: Path) -> None:
    cluster = load(path)
    head, worker = cluster["head_start_ray_commands"][-1], cluster["worker_start_ray_commands"][-1]
    assert "--num-cpus=0" in head and "--num-cpus" not in worker
    assert "--dashboard-host" not in head, "the job server is reached by `ray dashboard`, and by nobody else"
    for command in (head, worker):
        assert "RAY_AUTH_MODE=token" in command
    assert cluster["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}


@pytest.mark.parametrize("path", CLOUDS, ids=lambda path: path.stem)
def test_workers_are_spot_and_the_head_is_not(path: Path) -> None:
    cluster = load(path)
    types = cluster["available_node_types"]
    head = types.pop(cluster["head_node_type"])
    assert head["resources"] == {"CPU": 0}
    assert not re.search("spot|preempt", json.dumps(head), re.IGNORECASE)
    for worker in types.values():
        assert re.search('"MarketType": "spot"|"provisioningModel": "SPOT"', json.dumps(worker))
        assert worker["min_workers"] == 0 < worker["max_workers"] <= cluster["max_workers"]
        command = next(line for line in README.splitlines() if "submit" in line and f"{BUCKETS[path.stem]}YOUR" in line)
        assert f"--workers {cluster['max_workers']}" in command
        assert ("--device cuda" in command) == ("GPU" in worker["resources"]), "no node has one that could be counted"
    assert not re.search("ACCESS_KEY|SECRET|PASSWORD", path.read_text())
