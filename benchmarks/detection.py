"""Are blood cells without a box as rare in the samples as in real images, and do the samples help a detector?

Takes the real blood cells that recipes/train/blood-cells.yaml names. Renders recipes/detection.yaml twice under --out,
or finds the datasets there: with its rules, and with every first try. Prints for both, and for random crops of the real
training and test images, how much foreground lies outside all boxes. Then a small detector is trained on each dataset,
on the real images and on both, and tested on the real test images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

import synthgen
from synthgen import api
from synthgen.measures.images.maps import mask_data
from synthgen.readers import origin
from synthgen.readers.masks import reader
from synthgen.recipe.sections import Evaluation
from synthgen.scorers.unboxed_foreground import UnboxedForeground
from synthgen.stages import evaluation
from synthgen.trainers.images.crops import crop

RECIPE, TRAIN = "recipes/detection.yaml", "recipes/train/blood-cells.yaml"
KINDS = {"rules": [], "first-tries": ["keep=[]"]}
SIDE_PX = 96
N_CROPS = 4
LIMIT = 0.15


def real_crops(split: Literal["train", "test"]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Images and boxes of `N_CROPS` random crops of every real image, as a generator is trained on."""
    data = mask_data(origin.data_section(TRAIN), TRAIN)
    examples = reader.read(data, split)
    random = torch.Generator().manual_seed(0)
    views = [crop(item, (SIDE_PX, SIDE_PX), random, True) for item in examples.items for _ in range(N_CROPS)]
    return [view.image for view in views], [view.boxes for view in views if view.boxes is not None]


def report(name: str, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> None:
    """Prints what the scorer finds, and which share of the images the recipe's rule accepts."""
    found = UnboxedForeground(UnboxedForeground.Config()).annotate({"image": images, "boxes": boxes}, [0] * len(images))
    share, blobs = np.array(found["unboxed_share"]), np.array(found["unboxed_blobs"])
    quantiles = ", ".join(f"{value:.3f}" for value in np.quantile(share, [0.5, 0.9, 0.95]))
    print(
        f"{name} ({len(share)}): {100 * share.mean():.1f} % of the foreground outside the boxes (50, 90, 95 % of the "
        f"images at most {quantiles}); {100 * (blobs > 0).mean():.1f} % of the images with such a blob, "
        f"{blobs.mean():.2f} an image; share <= {LIMIT}: {100 * (share <= LIMIT).mean():.1f} %",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/detection", type=Path)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--unlabelled", type=float, default=1.0, help="that of the trainer `detector`, of all networks")
    parser.add_argument("--only", nargs="*", default=list(KINDS), choices=list(KINDS), help="these datasets only")
    parser.add_argument("--set", action="append", default=[], help="of the recipe, such as sampler.model=my-model")
    arguments = parser.parse_args()
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    for split in splits:
        report(f"real crops, {split}", *real_crops(split))
    for kind in arguments.only:
        folder = arguments.out / kind
        overrides = [*KINDS[kind], *arguments.set]
        manifest = api.run(RECIPE, folder, samples=arguments.samples, overrides=overrides).manifest
        samples = list(synthgen.load(folder))
        report(kind, [sample["image"] for sample in samples], [sample["boxes"] for sample in samples])
        print(f"{kind}: {100 * manifest['samples'] / manifest['tries']:.1f} % of the tries accepted", flush=True)
        if arguments.seeds:
            own = {"detection": {"unlabelled": arguments.unlabelled}}
            settings = Evaluation(seeds=arguments.seeds, steps=arguments.steps, measures=own)
            found = evaluation.compare(str(folder), TRAIN, settings, lambda text: None, allow_incomplete=True)
            print(evaluation.text(found))
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
