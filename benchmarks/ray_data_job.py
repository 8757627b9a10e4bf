"""The job of `benchmarks/cluster.py ray-data` on Ray Data: two actors draw images, tasks write a tar of each block.

Of the ways to set it up, this was the fastest: actors that leave half a core for the writing tasks, a block a file.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import ray
from PIL import Image

from synthgen import seeds
from synthgen.parts.protocols import Slot
from synthgen.parts.registry import Plugins

PER_FILE = 10


class Draw:
    """The sampler of the recipe, as a stage of Ray Data."""

    def __init__(self, plugin: str, size: int, seconds_each: float, log: str) -> None:
        sampler: Any = Plugins([plugin]).find("samplers", "smooth")
        self.sampler: Any = sampler(sampler.Config(size=size, seconds_each=seconds_each))
        self.log = log

    def __call__(self, batch: dict[str, np.ndarray[Any, Any]]) -> dict[str, list[Any]]:
        slots = [Slot(int(i), {"label": int(i) % 2}, "train", None) for i in batch["id"]]
        with open(self.log, "a") as log:
            log.writelines(f"{slot.index}\n" for slot in slots)
        images = self.sampler.sample(slots, [seeds.seed_of(0, "sampler", slot.index, 0) for slot in slots])["image"]
        keys, labels = [f"s{slot.index:09d}" for slot in slots], [str(slot.index % 2).encode() for slot in slots]
        return {"__key__": keys, "png": [png(image) for image in images], "cls": labels}


def png(image: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def main(plugin: str, out: str, n: str, size: str, seconds_each: str, log: str) -> None:
    ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=200_000_000)
    ray.data.DataContext.get_current().enable_progress_bars = False
    data = ray.data.range(int(n), override_num_blocks=int(n) // PER_FILE).map_batches(
        Draw,
        fn_constructor_args=(plugin, int(size), float(seconds_each), log),
        batch_size=PER_FILE,
        compute=ray.data.ActorPoolStrategy(size=2),
        num_cpus=0.5,
    )
    data.write_webdataset(out, encoder=None, ray_remote_args={"num_cpus": 0.5})


if __name__ == "__main__":
    main(*sys.argv[1:])
