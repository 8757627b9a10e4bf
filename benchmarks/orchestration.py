"""Orchestration alone: shards of one second that only sleep, on more workers than cores, over the ideal time.

The clock starts when every worker has rendered its first shard (warm) and stops at the last
commit. `--executor ray` needs no more than this machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from synthgen import api
from synthgen.dataset.store import storage_at
from synthgen.generate.executors.choose import Choice
from synthgen.generate.executors.worker import ShardReport

RECIPE = """
kind: dataset
name: sleep
samples: {samples}
shard_size: 10
batch_size: 10
condition: {{use: classes, quotas: {{a: 1, b: 1}}}}
sampler: {{use: smooth, seconds: {seconds}}}
labelers: [{{use: class-label}}]
"""


class Clock(api.Silent):
    """Notes when each shard's report arrives, and from whom."""

    def __init__(self) -> None:
        self.times: list[tuple[float, str]] = []

    def shard_done(self, report: ShardReport) -> None:
        self.times.append((time.perf_counter(), report.worker))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executor", choices=["local", "ray"], default="local")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--shards", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    plugin = str(Path(__file__).parent.parent / "tests" / "toy_plugins.py")
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as folder:
            recipe = Path(folder) / "sleep.yaml"
            recipe.write_text(RECIPE.format(samples=10 * arguments.shards, seconds=arguments.seconds))
            prepared = api.prepare(recipe, plugin_files=[plugin])
            clock = Clock()
            choice = Choice(arguments.executor, arguments.workers)
            api.run_prepared(prepared, storage_at(Path(folder) / "out"), choice, "cpu", clock)
            print(json.dumps(efficiency(clock, arguments.workers, arguments.seconds)))


def efficiency(clock: Clock, n_workers: int, seconds: float) -> dict[str, float]:
    """Ideal over measured time for the shards that ended after every worker was warm."""
    seen: set[str] = set()
    n_warm = 0
    while len(seen) < n_workers:
        seen.add(clock.times[n_warm][1])
        n_warm += 1
    warm = clock.times[n_warm - 1][0]
    n_left = len(clock.times) - n_warm
    took = clock.times[-1][0] - warm
    ideal = n_left * seconds / n_workers
    return {"shards": n_left, "ideal_s": round(ideal, 3), "took_s": round(took, 3), "ratio": round(ideal / took, 4)}


if __name__ == "__main__":
    main()
