"""The pipeline (plan, sample, encode, commit; scorers off) against a bare loop of the same sampler.

One process, one core, one thread, the same batches, weights and seeds; the bare loop throws its
results away. Prints throughput of the pipeline over the bare loop, wall and CPU, then seconds by
stage with labelers and scorers on, and no rule, so that the same tries are drawn.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

from common import pin_to_one_core, spread

pin_to_one_core()

from synthgen import api, seeds  # noqa: E402
from synthgen.dataset.store import storage_at  # noqa: E402
from synthgen.generate.executors.choose import Choice  # noqa: E402
from synthgen.generate.executors.worker import ShardReport  # noqa: E402
from synthgen.stages.resolve import ResolvedRecipe  # noqa: E402


class Stages(api.Silent):
    """Adds up seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def shard_done(self, report: ShardReport) -> None:
        for stage, value in report.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + value


def pipeline(prepared: ResolvedRecipe, observer: Stages) -> tuple[float, float]:
    """Wall and CPU seconds of all shards, models already loaded, sealing included."""
    with tempfile.TemporaryDirectory() as folder:
        job_started: list[float] = []

        class Warm(Choice):
            def start(self, job, plan, n_pending, listen):  # type: ignore[no-untyped-def]
                executor = super().start(job, plan, n_pending, listen)
                job_started.extend([time.perf_counter(), time.process_time()])
                return executor

        api.run_prepared(prepared, storage_at(folder), Warm("local", 1), "cpu", observer)
        return time.perf_counter() - job_started[0], time.process_time() - job_started[1]


def bare(prepared: ResolvedRecipe) -> tuple[float, float]:
    """Wall and CPU seconds of the sampler alone over the same batches."""
    plan = prepared.plan
    plan.parts.sampler.setup("cpu")
    size = plan.recipe.batch_size
    assert size != "auto", "name a recipe with a batch size"
    wall, cpu = time.perf_counter(), time.process_time()
    for shard in range(plan.n_shards):
        slots = plan.slots(shard)
        for start in range(0, len(slots), size):
            batch = slots[start : start + size]
            plan.parts.sampler.sample(batch, [seeds.seed_of(plan.recipe.seed, "sampler", slot.index) for slot in batch])
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="recipes/classification.yaml")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    plain = api.prepare(arguments.recipe, arguments.samples, ["labelers=[]", "scorers=[]", "keep=[]"])
    first, rival, second = [], [], []
    for _ in range(arguments.repeats):
        first.append(pipeline(plain, Stages()))
        rival.append(bare(plain))
        second.append(pipeline(plain, Stages()))
    for i, kind in enumerate(("wall", "CPU")):
        ours = [x[i] for x in first + second]
        theirs = [x[i] for x in rival]
        ratio = statistics.median(theirs) / statistics.median(ours)
        same = statistics.median(x[i] for x in first) / statistics.median(x[i] for x in second)
        print(f"{kind}: pipeline over bare {ratio:.3f} (A/A {same:.3f}; {spread(ours)} and {spread(theirs)} s)")
    stages = Stages()
    pipeline(api.prepare(arguments.recipe, arguments.samples, ["keep=[]"]), stages)
    total = sum(stages.seconds.values()) - stages.seconds.get("total", 0.0)
    print(f"with labelers and scorers, bare over pipeline {statistics.median(x[0] for x in rival) / total:.3f}")
    print("seconds by stage:")
    for stage, value in sorted(stages.seconds.items(), key=lambda item: -item[1]):
        print(f"  {stage:28} {value:8.2f}")


if __name__ == "__main__":
    main()
