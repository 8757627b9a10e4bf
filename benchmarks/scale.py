"""How folders scale: resume of 10,000 shards, memory from 10^3 to 10^6 samples, first shard, report of many shards."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import spread

RECIPE = """
kind: dataset
name: scale
samples: {samples}
shard_size: 50
batch_size: 50
condition: {{use: classes, quotas: {{a: 1, b: 1}}}}
sampler: {{use: smooth}}
labelers: [{{use: class-label}}]
"""
PLUGIN = str(Path(__file__).parent.parent / "tests" / "toy_plugins.py")


def fake_commits(folder: Path, plan, n_shards: int) -> None:  # type: ignore[no-untyped-def]
    """Committed and published shards with files of one byte: what a survey reads, without rendering it."""
    from synthgen.dataset.layout import commit_path, data_path, index_path
    from synthgen.dataset.records import Commit, ShardFile
    from synthgen.dataset.store import Store
    from synthgen.generate import survey

    store = Store(folder)
    store.storage.create()
    survey.check_identity(store, plan)
    (folder / "data/train").mkdir(parents=True)
    (folder / "index").mkdir()
    for shard in range(n_shards):
        files = []
        for path, kind in ((data_path("train", shard, "tar"), "tar"), (index_path(shard), "index")):
            (folder / path).write_bytes(b"x")
            files.append(
                ShardFile(path, kind, "train" if kind == "tar" else "", 50, 1, "0" * 64, f"gone-{shard}-{kind}")
            )
        record = Commit(plan.digest, shard, 50, 50, 50, {}, {"a": 25, "b": 25}, [], "0" * 16, files)
        (folder / commit_path(shard)).write_bytes(record.to_json())


def measure(n_samples: int, n_done: int) -> None:
    """In a process of its own: survey and seal a folder; prints seconds and the peak memory added."""
    import resource

    from synthgen import api
    from synthgen.dataset.store import Store
    from synthgen.generate import seal, survey

    with tempfile.TemporaryDirectory() as name:
        recipe = Path(name) / "scale.yaml"
        recipe.write_text(RECIPE.format(samples=n_samples))
        plan = api.prepare(recipe, plugin_files=[PLUGIN]).plan
        fake_commits(Path(name) / "out", plan, n_done)
        store = Store(Path(name) / "out")
        started = time.perf_counter()
        store.collect_orphans()
        found = survey.survey_store(store, plan)
        survey.check_free_disk(store, plan, found)
        resumed = time.perf_counter() - started
        seal.seal(store, plan)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"resume_s": round(resumed, 2), "pending": len(found.pending), "peak_mb": round(peak, 1)}))


def child(*arguments: object) -> dict[str, float]:
    command = [sys.executable, __file__, *map(str, arguments)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


IMPORTING = """
import sys, time
started = time.perf_counter()
import torch
from diffusers import DiffusionPipeline, EDMDPMSolverMultistepScheduler, UNet2DModel
print(time.perf_counter() - started, flush=True)
from synthgen.cli import main
main()
"""


def first_shard(repeats: int) -> None:
    """Seconds from the command to the first committed shard of 32, less importing torch and diffusers.

    The same process imports and runs, because two imports differ by more than what is measured.
    diffusers imports its classes when they are named, so those that the pipeline uses are named.
    """
    beyond = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-c", IMPORTING, "run", "recipes/classification.yaml", "-o", out, "--quiet"]
            command += ["--samples", "32", "--set", "shard_size=32", "--set", "batch_size=32", "--set", "tries=1"]
            command += ["--set", "keep=[]", "--workers", "1"]
            started = time.time()
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            imported = float(printed.splitlines()[0])
            committed = (Path(out) / "commits" / "shard-00000.json").stat().st_mtime - started
        beyond.append(committed - imported)
        print(f"first shard after {committed:.2f} s, of which imports {imported:.2f} s: {beyond[-1]:.2f} s")
    print(f"first shard beyond imports: {spread(beyond)} s")


def report_of_many_shards(n_shards: int, repeats: int) -> None:
    """CPU time of `report` and `verify` on a folder of one sample a shard, over that of reading every index once."""
    import pyarrow.parquet as pq

    from synthgen import api
    from synthgen.dataset import ledger
    from synthgen.dataset.verify import verify
    from synthgen.report import page

    def seconds(work) -> float:  # type: ignore[no-untyped-def]
        started = time.process_time()
        work()
        return time.process_time() - started

    def read_indexes() -> None:
        for path in (out / "index").iterdir():
            with pq.ParquetFile(path) as file:
                file.read()

    with tempfile.TemporaryDirectory() as name:
        recipe, out = Path(name) / "many.yaml", Path(name) / "out"
        text = RECIPE.format(samples=n_shards).replace("50", "1")
        recipe.write_text(text)
        api.run(recipe, out, plugin_files=[PLUGIN], workers=1, device="cpu")
        seconds(read_indexes), seconds(lambda: page.render(ledger.read(out)))  # both are warm from here on
        for _ in range(repeats):
            base, again = seconds(read_indexes), seconds(read_indexes)
            reported, verified = (
                seconds(lambda: page.render(ledger.read(out))),
                seconds(lambda: verify(out, n_threads=1)),
            )
            print(
                f"{n_shards} shards of one sample: report {reported:.2f} s, verify {verified:.2f} s, every index "
                f"read {base:.2f} s: {reported / base:.2f} and {verified / base:.2f} times (A/A {again / base:.2f})"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measure", nargs="*", type=int, help="(internal) samples and committed shards")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return
    for _ in range(arguments.repeats):
        found = child(500_000, 9_000)
        print(f"resume of 10,000 shards, 9,000 done: {found['resume_s']} s ({found['pending']:.0f} pending)")
    for _ in range(arguments.repeats):
        small, large = child(1_000, 20), child(1_000_000, 20_000)
        print(f"driver memory, 10^3 -> 10^6 samples: {small['peak_mb']} -> {large['peak_mb']} MB")
    report_of_many_shards(2_000, arguments.repeats)
    first_shard(arguments.repeats)


if __name__ == "__main__":
    main()
