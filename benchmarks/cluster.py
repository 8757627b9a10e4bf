"""What a cluster costs, each as a ratio within one run with its A/A ratio beside it.

python benchmarks/cluster.py kills      wall time with six workers killed over that of a clean run
python benchmarks/cluster.py driver     the driver's cost of many no-op shards over a bare `ray.wait` loop; its memory
python benchmarks/cluster.py scaling    throughput of 1 to 16 actors over that of one, times their number
python benchmarks/cluster.py ray-data   the same job on Ray Data: speed, rows made again after a kill, equal bytes
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from common import spread

from synthgen import api
from synthgen.dataset.store import storage_at
from synthgen.generate.executors.choose import Choice
from synthgen.generate.executors.worker import ShardReport

PLUGIN = str(Path(__file__).parent.parent / "tests" / "toy_plugins.py")
IN_FLIGHT = 2


def recipe(folder: Path, samples: int, **sampler: Any) -> Path:
    text = "\n".join(
        [
            *("kind: dataset", "name: bench", f"samples: {samples}", "shard_size: 10", "batch_size: 10"),
            *("condition: {use: classes, quotas: {a: 1, b: 1}}", "labelers: [class-label]"),
            "sampler: {use: smooth, " + ", ".join(f"{key}: {value}" for key, value in sampler.items()) + "}",
        ]
    )
    path = folder / "bench.yaml"
    path.write_text(text)
    return path


class Killer(api.Silent):
    """Kills one worker after each of the shards in `at`; notes when the first shard was done."""

    def __init__(self, at: list[int]) -> None:
        self.at, self.n_done, self.began = at, 0, 0.0

    def shard_done(self, report: ShardReport) -> None:
        self.n_done += 1
        self.began = self.began or time.perf_counter()
        if self.n_done in self.at:
            psutil.Process(int(report.worker.rpartition(":")[2])).kill()


def kills(n_shards: int, n_workers: int, seconds: float, repeats: int) -> None:
    """Workers are processes of this machine; the clock starts with the first shard that is done."""

    def run(at: list[int]) -> float:
        with tempfile.TemporaryDirectory() as name:
            prepared = api.prepare(recipe(Path(name), 10 * n_shards, seconds=seconds), plugin_files=[PLUGIN])
            killer, out = Killer(at), storage_at(Path(name) / "out")
            assert api.run_prepared(prepared, out, Choice("local", n_workers), "cpu", killer).complete
            return time.perf_counter() - killer.began

    at = [n_shards * i // 8 for i in range(1, 7)]
    clean, killed, again = [], [], []
    for _ in range(repeats):
        clean.append(run([]))
        killed.append(run(at))
        again.append(run([]))
    ratio = statistics.median(killed) / statistics.median(clean + again)
    same = statistics.median(clean) / statistics.median(again)
    print(
        f"six kills over none, {n_shards} shards of {seconds:g} s on {n_workers} workers: {ratio:.2f} (A/A {same:.2f})"
    )
    print(f"  {spread(killed)} and {spread(clean + again)} s")


def report(shard: int) -> ShardReport:
    return ShardReport(shard, 10, 10, {}, {"a": 5, "b": 5}, 0, 1000, {"total": 0.0}, "here", "0" * 16)


class Memory(api.Silent):
    """Notes the resident memory of the driver in bytes, about twenty times in a run of `n_shards`."""

    def __init__(self, n_shards: int) -> None:
        self.every, self.n_done = max(1, n_shards // 20), 0
        self.rss: list[int] = []

    def shard_done(self, report: ShardReport) -> None:
        self.n_done += 1
        if self.n_done % self.every == 0:
            self.rss.append(psutil.Process().memory_info().rss)


class Noop:
    """Stands where the actor stands, and reports at once or after SECONDS: what is left is the driver's work."""

    def __init__(self, job: Any = None, *arguments: object) -> None:
        self.seconds = float(job.recipe["seconds"]) if job else 0.0

    def ready(self) -> tuple[str, str, str, str]:
        return "here", "", "", ""

    def progress(self) -> None:
        return None

    def render(self, shard: int) -> ShardReport:
        time.sleep(self.seconds)
        return report(shard)


def start_ray() -> Any:
    import ray

    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    ray.init("local", num_cpus=16, include_dashboard=False, logging_level=logging.ERROR, object_store_memory=10**8)
    return ray


def noop_run(n_shards: int, n_actors: int, seconds: float = 0.0) -> tuple[tuple[float, float], list[int]]:
    """Wall and CPU seconds of the driver with its log, and its memory on the way."""

    from synthgen.dataset.local import LocalStorage
    from synthgen.dataset.store import Store
    from synthgen.generate import driver as drivers
    from synthgen.generate.executors import ray as executor
    from synthgen.generate.executors.worker import Job
    from synthgen.recipe.sections import Resources

    executor.Actor = Noop  # type: ignore[attr-defined, assignment]
    with tempfile.TemporaryDirectory() as name:
        plan = api.prepare(recipe(Path(name), 10 * n_shards), plugin_files=[PLUGIN]).plan
        storage, memory = LocalStorage(Path(name) / "out"), Memory(n_shards)
        storage.create()
        with storage.lease() as held:
            job = Job({"seconds": seconds}, plan.digest, "cpu", (), name, held)
            pool = executor.RayPool(job, Resources(), {}, n_actors, n_shards, None, True, lambda progress: None)
            loop = drivers._Loop(plan, Store(held), pool, memory, ())
            while pool.n_alive < n_actors:
                pool._next()
            wall, cpu = time.perf_counter(), time.process_time()
            loop.run(range(n_shards))
            taken = time.perf_counter() - wall, time.process_time() - cpu
            pool.close()
    return taken, memory.rss


def driver(n_shards: int, repeats: int) -> None:
    """The whole driver over a bare loop, on two actors."""
    ray = start_ray()
    first, rival, second, memory = [], [], [], list[int]()
    for _ in range(repeats):
        first.append(noop_run(n_shards, 2)[0])
        rival.append(bare(ray, n_shards))
        taken, memory = noop_run(n_shards, 2)
        second.append(taken)
    for i, kind in enumerate(("wall", "CPU")):
        mine, theirs = [x[i] for x in first + second], [x[i] for x in rival]
        ratio = statistics.median(mine) / statistics.median(theirs)
        same = statistics.median(x[i] for x in first) / statistics.median(x[i] for x in second)
        print(f"driver of {n_shards} no-op shards over a bare loop, {kind}: {ratio:.2f} (A/A {same:.2f})")
        print(f"  {spread(mine)} and {spread(theirs)} s")
    print("resident memory of the driver on the way (MB), last run:", *(f"{rss / 1e6:.0f}" for rss in memory))
    ray.shutdown()


def scaling(n_each: int, seconds: float, repeats: int) -> None:
    """Actors that wait take no CPU, so that two cores show what the driver and Ray add."""
    ray = start_ray()
    for n_actors in (1, 2, 4, 8, 16, 1):
        walls = [noop_run(n_each * n_actors, n_actors, seconds)[0][0] for _ in range(repeats)]
        share = n_each * seconds / statistics.median(walls)
        print(f"{n_actors} actors, {n_each} shards of {seconds:g} s each: {share:.2f} of ideal ({spread(walls)} s)")
    ray.shutdown()


def bare(ray: Any, n_shards: int) -> tuple[float, float]:
    """Wall and CPU seconds of a loop that does nothing but keep two actors busy."""
    actors = [ray.remote(num_cpus=1, max_restarts=-1)(Noop).remote() for _ in range(2)]
    ray.get([actor.ready.remote() for actor in actors])
    free = deque(actors * IN_FLIGHT)
    pending: dict[Any, Any] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    numbers = iter(range(n_shards))
    shard = next(numbers, None)
    while shard is not None or pending:
        while free and shard is not None:
            actor = free.popleft()
            pending[actor.render.remote(shard)] = actor
            shard = next(numbers, None)
        done, _ = ray.wait([*pending], num_returns=1)
        ray.get(done[0])
        free.append(pending.pop(done[0]))
    taken = time.perf_counter() - wall, time.process_time() - cpu
    for actor in actors:
        ray.kill(actor)
    return taken


def ray_data(n: int, size: int, each: float, repeats: int) -> None:
    """Both as a whole command, from its start to its last file, on two actors; then both are killed half way."""

    def hashes(folder: Path) -> set[str]:
        return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.tar")}

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def theirs(run: str, kill_at: int = 0) -> tuple[float, float]:
            (folder / run).mkdir(exist_ok=True)
            words = [str(Path(__file__).with_name("ray_data_job.py")), PLUGIN, str(folder / run)]
            words += [*map(str, (n, size, each)), str(folder / f"log-{run}")]
            return finished([sys.executable, *words], folder / f"log-{run}", kill_at)

        def ours(run: str, kill_at: int = 0) -> tuple[float, float]:
            log = folder / f"log-{run}"
            path = recipe(folder, n, size=size, seconds_each=each, log=log)
            words = ["run", str(path), "-o", str(folder / run), "--plugin", PLUGIN, "--device", "cpu", "--quiet"]
            words += ["--executor", "ray", "--workers", "2"]
            return finished([sys.executable, "-m", "synthgen", *words], log, kill_at)

        runs = {"synthgen": ours, "the same again": ours, "Ray Data": theirs}
        found: dict[str, list[tuple[float, float]]] = {who: [] for who in runs}
        for i in range(repeats):
            for who, run in runs.items():
                found[who].append(run(f"{who}-{i}"))
        base = statistics.median(wall for wall, _ in found["synthgen"])
        for who, taken in found.items():
            walls = [wall for wall, _ in taken]
            ratio = statistics.median(walls) / base
            memory = max(megabytes for _, megabytes in taken)
            print(f"{who}: {spread(walls)} s, ratio {ratio:.2f}; driver {memory:.0f} MB", flush=True)
        for who in ("synthgen", "Ray Data"):  # after a kill, the same command once more
            equal = len({frozenset(hashes(folder / f"{who}-{i}")) for i in range(repeats)}) == 1
            runs[who](f"{who}-k", n // 2)
            runs[who](f"{who}-k")
            made = (folder / f"log-{who}-k").read_text().splitlines()
            print(f"{who}: {repeats} runs wrote {'equal' if equal else 'different'} bytes")
            print(f"  killed after {n // 2} of {n} and run again: {len(made) - n} generated twice", flush=True)


def finished(words: list[str], log: Path, kill_at: int) -> tuple[float, float]:
    """Seconds that a command takes, and the peak memory of its first process; killed at so many lines of the log."""
    began, memory = time.perf_counter(), 0.0
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        time.sleep(0.05)
        with contextlib.suppress(psutil.NoSuchProcess):
            driver = psutil.Process(process.pid)
            memory = max(memory, driver.memory_info().rss / 1e6)
            if kill_at and log.exists() and log.read_text().count("\n") >= kill_at:
                for each in [driver, *driver.children(recursive=True)]:
                    each.kill()
    errors = process.communicate()[1]
    if process.returncode and not kill_at:
        raise RuntimeError(errors)
    return time.perf_counter() - began, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["kills", "driver", "scaling", "ray-data"])
    parser.add_argument("--shards", type=int, help="by default 60 for `kills`, 10,000 for `driver`, 20 an actor")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.0, help="that a shard of `kills` or `scaling` takes")
    parser.add_argument("--samples", type=int, default=400, help="of `ray-data`")
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.what == "kills":
        kills(arguments.shards or 60, arguments.workers, arguments.seconds, arguments.repeats)
    elif arguments.what == "driver":
        driver(arguments.shards or 10_000, arguments.repeats)
    elif arguments.what == "scaling":
        scaling(arguments.shards or 20, arguments.seconds, arguments.repeats)
    else:
        ray_data(arguments.samples, 256, 0.05, arguments.repeats)


if __name__ == "__main__":
    main()
