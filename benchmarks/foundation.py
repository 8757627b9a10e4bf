"""Prompted samplers against a bare loop of diffusers: same pipeline, prompts, batches and steps, results thrown away.

One process, one core, one thread. The model is the small Stable Diffusion of `synthgen.testing`, drawing
at a size that makes a batch take seconds. Prints throughput of ours over the bare loop's with an A/A
ratio, seconds by stage, how many prompts were encoded, and memory over many samples.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

from common import pin_to_one_core, spread

pin_to_one_core()

import psutil  # type: ignore[import-untyped]  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402
from diffusers import StableDiffusionPipeline  # noqa: E402
from overhead import Stages, pipeline  # noqa: E402

from synthgen import api, testing  # noqa: E402
from synthgen.generate.executors.worker import ShardReport  # noqa: E402
from synthgen.generate.plan import Plan  # noqa: E402
from synthgen.models.silence import silence_libraries  # noqa: E402

AXES = {"animal": ["cat", "dog", "fox", "cow"], "place": ["sofa", "grass", "snow"]}


def recipe(folder: Path, n: int, size: int, steps: int, batch_size: int) -> Path:
    path = folder / "recipe.yaml"
    content = {
        "kind": "dataset",
        "name": "bench",
        "samples": n,
        "shard_size": max(batch_size, min(100, n)),
        "batch_size": batch_size,
        "condition": {"use": "prompts", "template": "a {animal} on {place}", "axes": AXES, "label": "animal"},
        "sampler": {
            "use": "text-to-image",
            "model": testing.make("StableDiffusionPipeline", folder),
            "size": [size, size],
            "steps": steps,
        },
        "labelers": ["class-label"],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def bare(plan: Plan) -> float:
    """Seconds of a plain loop over the same prompts, as a user of diffusers writes it."""
    settings = plan.recipe.sampler.settings
    drawn = StableDiffusionPipeline.from_pretrained(settings["model"], safety_checker=None)
    drawn.set_progress_bar_config(disable=True)
    slots = [plan.slot(i) for i in range(plan.n_samples)]
    assert isinstance(plan.recipe.batch_size, int)
    started = time.perf_counter()
    for start in range(0, len(slots), plan.recipe.batch_size):
        batch = slots[start : start + plan.recipe.batch_size]
        drawn(
            [slot.condition["prompt"] for slot in batch],
            height=settings["size"][0],
            width=settings["size"][1],
            num_inference_steps=settings["steps"],
            guidance_scale=5.0,
            generator=[torch.Generator().manual_seed(slot.index) for slot in batch],
            output_type="np",
        )
    return time.perf_counter() - started


class Memory(Stages):
    """Resident memory after every shard."""

    def __init__(self) -> None:
        super().__init__()
        self.samples = 0
        self.seen: list[tuple[int, float]] = []

    def shard_done(self, report: ShardReport) -> None:
        super().shard_done(report)
        self.samples += report.accepted
        self.seen.append((self.samples, psutil.Process().memory_info().rss / 1e6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--many", type=int, default=10_000, help="samples of the memory run; 0 leaves it out")
    arguments = parser.parse_args()
    silence_libraries()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepared = api.prepare(recipe(folder, arguments.samples, arguments.size, arguments.steps, 8))
        first, rival, second = [], [], []
        for _ in range(arguments.repeats):
            first.append(pipeline(prepared, Stages())[0])
            rival.append(bare(prepared.plan))
            second.append(pipeline(prepared, Stages())[0])
        ratio = statistics.median(rival) / statistics.median(first + second)
        same = statistics.median(first) / statistics.median(second)
        print(f"ours over the bare loop: {ratio:.3f} (A/A {same:.3f}; {spread(first + second)} and {spread(rival)} s)")
        stages = Stages()
        pipeline(prepared, stages)
        total = stages.seconds.pop("total")
        print("by stage: " + ", ".join(f"{name} {100 * s / total:.2f} %" for name, s in stages.seconds.items()))
        sampler = prepared.plan.parts.sampler
        n_distinct = len({prepared.plan.slot(i).condition["prompt"] for i in range(arguments.samples)})
        n_encoded = sampler.prompted.n_encoded  # type: ignore[attr-defined]
        print(f"prompts encoded: {n_encoded}, of {arguments.samples} samples with {n_distinct} distinct prompts")
        if arguments.many:
            memory = Memory()
            pipeline(api.prepare(recipe(folder, arguments.many, 16, 1, 50)), memory)
            at = dict(memory.seen)
            tenth = min(at, key=lambda n: abs(n - arguments.many // 10))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
            print(
                f"memory: {at[tenth]:.0f} MB after {tenth} samples, {memory.seen[-1][1]:.0f} MB after {memory.samples}"
            )
            print(f"peak of the process: {peak:.0f} MB")


if __name__ == "__main__":
    main()
