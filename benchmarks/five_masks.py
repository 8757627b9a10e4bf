"""Five microscope images with masks and hundreds without: which way to use them finds nuclei best?

For each draw, four grey images and one in colours of the training images keep their masks. A layout-to-image model
learns from all images, and layouts from the five. Arms of the same U-Net, all turned, zoomed and changed in colour:

- five: these alone; pasted: the same, and nuclei of one image put into another of the same kind (copy-paste);
- features: these alone, with what the diffusion model sees beside the pixels;
- self-trained: the five, and other real images with the masks that `five` finds in them; named: the same with those
  that `features` finds;
- drawn: the five, and generated images that fit nuclei of the five at new places;
- self-trained and pasted, drawn and pasted: these with copy-paste too;
- all: every training image with its own mask, which is what there is to win.

Tested on all test images; panoptic quality (PQ) and aggregated Jaccard index (AJI), means over images of a kind.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

from PIL import Image  # noqa: E402

from synthgen import api  # noqa: E402
from synthgen.measures.images import maps, segmentation  # noqa: E402
from synthgen.measures.settings import gain  # noqa: E402
from synthgen.models import registry  # noqa: E402
from synthgen.readers import origin  # noqa: E402
from synthgen.readers.masks import reader  # noqa: E402
from synthgen.readers.masks.types import Example, Examples, MaskData  # noqa: E402
from synthgen.trainers.images.segmenter import SegmenterTask, SegmenterTrainer  # noqa: E402

TRAIN = "recipes/train/nuclei.yaml"
FIVE = {"grey": 4, "colour": 1}
METRICS = ("PQ", "AJI")
BASELINES = ("five", "pasted", "self-trained", "self-trained and pasted")
"""Ways without a diffusion model; what the others gain is against each of them."""

ARMS = (*BASELINES, "features", "named", "drawn", "drawn and pasted", "all")


def fit(examples: Examples, seed: int, steps: int, features: str | None = None, copy_paste: float = 0.0) -> Any:
    """A segmenter after all of its steps."""
    config = SegmenterTrainer.Config(
        data=MaskData(path="."),
        crop=96,
        widths=[32] if features else [16, 32, 64],
        turn=True,
        zoom=1.5,
        colour_jitter=0.4,
        steps=steps,
        batch_size=8,
        features=features,
        copy_paste=copy_paste,
    )
    return maps.fitted(SegmenterTask(config, examples, examples, examples.take([]), seed, "cpu"))


def write(folder: Path, five: Examples, others: Examples) -> dict[str, Any]:
    """Settings of `data` for a folder of all images with the masks of five."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for item in (*five.items, *others.items):
        Image.fromarray(item.image).save(folder / "images" / f"{Path(item.name).stem}.png")
    for item in five.items:
        assert item.layout is not None
        Image.fromarray(item.layout.instances).save(folder / "masks" / f"{Path(item.name).stem}.png")
    return {
        "path": str(folder),
        "mask_kind": "instances",
        "objects": ["nucleus"],
        "unlabelled": str(folder / "images"),
    }


def painter(out: Path, data: dict[str, Any], steps: int, seed: int) -> Path:
    """The folder of a layout-to-image model; what is there already is not trained again."""
    network = {"patch_size": 1, "channels": [16, 32, 64, 96], "padding": "reflect", "layers": 1, "attention_levels": 1}
    trainer = {"use": "layout-to-image", "data": data, "crop": 64, "gamma": 0.5, "turn": True, "network": network}
    trainer |= {"log_sigma_mean": -0.4, "log_sigma_std": 1.6, "steps": steps, "batch_size": 8, "learning_rate": 8e-4}
    trainer |= {"unlabelled_share": 0.6, "styles": 2, "checkpoint_every": 500}
    if not (out / "model_index.json").is_file():
        api.train({"kind": "model", "name": "painter", "seed": seed, "trainer": trainer}, out, device="cpu")
    return out


def drawn(out: Path, data: dict[str, Any], model: Path, n: int, seed: int) -> Examples:
    """Generated images with the masks that they fit."""
    recipe = {
        "kind": "dataset",
        "name": "drawn",
        "seed": seed,
        "samples": n,
        "shard_size": 50,
        "batch_size": 10,
        "condition": {"use": "placed-objects", "data": data, "size": 96, "turn": True, "densities": {"any": [4, 24]}},
        "sampler": {"use": "layout-to-image", "model": str(model), "steps": 14, "guidance": 2.0},
        "output": {"writers": ["webdataset"]},
    }
    api.run(recipe, out)
    return maps.from_dataset(str(out), None, "segmentation")


def named(model: Any, others: Examples) -> list[Example]:
    """Real images with what a segmenter finds in them."""
    return [dataclasses.replace(item, layout=model.segment(item.image[None])[0]) for item in others.items]


def one(given: argparse.Namespace, draw: int) -> dict[str, dict[str, dict[str, float]]]:
    """Every measure of every arm, in percent, by the kind of image."""
    settings = maps.mask_data(origin.data_section(TRAIN), TRAIN)
    real, test = reader.read(settings), reader.read(settings, "test")
    random, out = np.random.default_rng(draw), given.out / f"draw-{draw}"
    kinds = [item.label for item in real.items]
    rows = [
        row
        for name, n in FIVE.items()
        for row in random.permutation(np.flatnonzero(np.equal(kinds, real.classes.index(name))))[:n].tolist()
    ]
    rest = random.permutation(np.setdiff1d(np.arange(len(real)), rows))[: given.others].tolist()
    five, others = real.take(rows), real.take(rest)
    data = write(out / "data", five, others)

    def model() -> Path:
        return painter(out / "painter", data, given.train_steps, draw)

    def beside(items: list[Example]) -> Examples:
        """These, and the five as often."""
        return dataclasses.replace(five, items=(*items, *five.items * max(1, len(items) // len(five))))

    def network(name: str) -> Any:
        """The segmenter of an arm, which is made once."""
        folder = out / "segmenters" / name
        if not (folder / "config.json").is_file():
            sets: dict[str, Callable[[], Examples]] = {
                "self-trained": lambda: beside(named(network("five"), others)),
                "named": lambda: beside(named(network("features"), others)),
                "drawn": lambda: beside(list(drawn(out / "drawn", data, model(), given.draw, draw).items)),
                "all": lambda: dataclasses.replace(real, items=(*five.items, *others.items)),
            }
            seen, pasted = str(model()) if name == "features" else None, 0.5 if "pasted" in name else 0.0
            examples = sets.get(name.removesuffix(" and pasted"), lambda: five)()
            fit(examples, draw, given.steps, seen, pasted).save_pretrained(folder)
        return registry.load_network(folder, "cpu")

    found = {}
    for name in given.arms:
        by_kind = segmentation.by_class(network(name), test)
        found[name] = {kind: {m: 100 * values[m] for m in METRICS} for kind, values in by_kind.items()}
        shown = "; ".join(
            f"{kind} " + ", ".join(f"{m} {v:.1f}" for m, v in values.items()) for kind, values in found[name].items()
        )
        print(f"draw {draw}: {name}: {shown}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/five-masks", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--others", type=int, default=1000, help="images without masks, at most")
    parser.add_argument("--train-steps", type=int, default=4000)
    parser.add_argument("--draw", type=int, default=400, help="generated images")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    given = parser.parse_args()
    draws = [one(given, draw) for draw in range(given.draws)]
    rivals = [arm for arm in BASELINES if arm in given.arms] or given.arms[:1]
    for kind, metric in itertools.product(draws[0][rivals[0]], METRICS):
        values = {arm: [draw[arm][kind][metric] for draw in draws] for arm in draws[0]}
        for arm, found in values.items():
            print(f"{arm}, {kind}: {metric} {np.mean(found):.1f} %")
            for rival in rivals:
                print(f"  less {rival} {gain(found, values[rival])}")
    print(json.dumps(draws))


if __name__ == "__main__":
    main()
