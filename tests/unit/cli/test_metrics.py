"""What Prometheus hears of a run, and the dashboard that shows it."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from pathlib import Path

import pytest

import helpers
from synthgen.cli import metrics
from synthgen.cli.progress import Quiet
from synthgen.errors import UsageError

DASHBOARD = helpers.ROOT / "infra" / "grafana" / "synthgen.json"


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("", 0))
        return int(made.getsockname()[1])


def scrape(port: int) -> dict[str, float]:
    """Samples by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_a_run_is_told_to_whoever_asks(tmp_path: Path) -> None:
    observer, port = Quiet(), free_port()
    metrics.serve(port, observer)
    assert scrape(port) == {}
    helpers.run(helpers.write(tmp_path, helpers.toy()), tmp_path / "out", observer=observer)
    found, manifest = scrape(port), helpers.manifest(tmp_path / "out")
    assert found['synthgen_samples{dataset="toy"}'] == 40
    assert found['synthgen_tries{dataset="toy"}'] == manifest["tries"]
    assert found['synthgen_rejected{dataset="toy",rule="brightness >= 0.3"}'] == manifest["tries"] - 40
    assert found['synthgen_shards{dataset="toy",state="done"}'] == 4
    assert found['synthgen_workers{dataset="toy",state="alive"}'] == 1
    assert found['synthgen_seconds{dataset="toy",stage="sample"}'] > 0
    assert found['synthgen_classes{class="dark",dataset="toy"}'] == 24


def test_a_port_that_is_taken(cli, recipe: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        answer = cli("run", recipe, "-o", tmp_path / "out", "--plugin", helpers.TOY, "--metrics-port", str(port))
        with pytest.raises(UsageError):
            metrics.serve(port, Quiet())
    assert answer.code == 2
    assert f"--metrics-port {port}: Address already in use; name another port" in answer.err


def test_the_dashboard_asks_for_what_there_is() -> None:
    """Every expression names gauges that are served, and every gauge is shown."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {
        name for panel in panels for target in panel["targets"] for name in re.findall(r"synthgen_\w+", target["expr"])
    }
    assert asked == {f"{metrics.PREFIX}_{key}" for key in (*metrics.PLAIN, *metrics.LABELLED)}
