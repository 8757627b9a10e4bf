"""Do images follow class maps, and do they help? A folder of scenes with `train`, `val` and `test`, such as CamVid.

Trains on the training images: a segmenter that evaluates, and the model of `synthgen init` for whole scenes, with
patches of one pixel and mirrored borders. Then, for each guidance, images of validation maps: mean IoU of what the
segmenter finds, beside that on the real images, and how rough they are (`synthgen.vision.roughness`). Last, U-Nets of
`synthgen evaluate` for each of --arms, tested on the test images:

  real        the real training images
  synthetic   samples of edited maps, at one guidance
  both        the two together
  rare        the real ones and samples that must show one of the three rarest classes
  tenth       every tenth real image
  tenth-both  these, and samples of a model that was trained on these alone

Models and datasets are found in --out if they are there. Data are described by --data, a YAML file of `data` settings.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthgen import api, seeds
from synthgen.measures.images import semantic
from synthgen.measures.images.maps import from_dataset, train
from synthgen.models import registry
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.recipe import yaml_text
from synthgen.vision import roughness

ARMS = ("real", "synthetic", "both", "rare", "tenth", "tenth-both")


def line(name: str, images: np.ndarray, items: list[Example], evaluator: object, n_classes: int) -> None:
    seen = [Example(item.name, image, 0, item.layout) for item, image in zip(items, images, strict=True)]
    found = semantic.confusion(evaluator, seen, n_classes)
    print(
        f"{name:<14} mIoU {100 * found.mean_iou:.2f} %, pixel accuracy {100 * found.pixel_accuracy:.2f} %, "
        f"Laplacian {roughness.laplacian(images).mean():.1f}, border {roughness.border(images):.2f}, "
        f"highest frequency {roughness.highest_frequency(images):.2f}",
        flush=True,
    )


class Bench:
    """The models, datasets and sets of images, made when they are first asked for."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked, self.out = asked, Path(asked.out)
        self.settings = dict(yaml_text.parse(asked.data.read_text(), str(asked.data)).data)
        self.data, self.size = MaskData.model_validate(self.settings), list(asked.size)
        self.tenth = {**self.settings, "fraction": 0.1}
        self.real, self.test = reader.read(self.data), reader.read(self.data, "test")
        self.shared = {"crop": self.size, "mirror": True, "batch_size": 8}

    @property
    def n_classes(self) -> int:
        return len(self.data.objects)

    def trained(self, name: str, steps: int, use: str, data: dict[str, Any], **more: object) -> Path:
        """The folder of a model, trained if it is not there."""
        folder = self.out / name
        if not (folder / "README.md").is_file():
            trainer = {"use": use, "data": data, **self.shared, **more, "steps": steps}
            api.train({"kind": "model", "name": name, "trainer": trainer}, folder, device="cpu")
        return folder

    def evaluator(self) -> Any:
        widths = {"widths": list(semantic.WIDTHS), "learning_rate": 2e-3}
        folder = self.trained("evaluator", self.asked.evaluator_steps, "segmenter", self.settings, **widths)
        return registry.load_network(folder, "cpu")

    def model(self, name: str, steps: int, data: dict[str, Any]) -> Path:
        network = {"patch_size": 1, "channels": [16, 48, 96, 128], "padding": "reflect"}
        noise = {"log_sigma_mean": -0.6, "log_sigma_std": 1.5}
        return self.trained(name, steps, "layout-to-image", data, network=network, **noise, learning_rate=8e-4)

    def samples(self, name: str, n: int, model: Path, data: dict[str, Any], **more: object) -> Examples:
        """Those of a dataset, made if it is not there."""
        folder = self.out / name
        if not (folder / "manifest.json").is_file():
            condition = {"use": "edited-layouts", "data": data, "size": self.size, "mirror": True, **more}
            sampler = {"use": "layout-to-image", "model": str(model), "steps": 18, "guidance": self.asked.at}
            recipe = {"kind": "dataset", "name": "scenes", "samples": n, "batch_size": 10, "splits": {"train": 1.0}}
            api.run({**recipe, "condition": condition, "sampler": sampler}, folder, device="cpu")
        return from_dataset(str(folder), "train", "segmentation")

    def arm(self, name: str) -> Examples:
        """What one of ARMS trains on."""
        asked, settings = self.asked, self.settings
        if name in ("real", "both"):
            return self.real if name == "real" else together(self.real, self.arm("synthetic"))
        if name.startswith("tenth"):
            few = reader.read(MaskData.model_validate(self.tenth))
            if name == "tenth":
                return few
            model = self.model("model-tenth", asked.tenth_steps, self.tenth)
            return together(few, self.samples("dataset-tenth", asked.samples, model, self.tenth))
        model = self.model("model", asked.steps, settings)
        if name == "synthetic":
            return self.samples("dataset", asked.samples, model, settings)
        share, each = semantic.shares(self.real), asked.rare // 3
        quotas = dict.fromkeys(sorted(share, key=share.__getitem__)[:3], each)
        return together(self.real, self.samples("dataset-rare", 3 * each, model, settings, require=quotas))


def fidelity(bench: Bench) -> None:
    """Prints how well images follow maps of the validation split, at each guidance."""
    asked, evaluator, n_classes = bench.asked, bench.evaluator(), bench.n_classes
    items = reader.read(bench.data, "val").items
    rows = np.linspace(0, len(items) - 1, min(asked.pictures, len(items))).astype(int)
    some = [items[i] for i in rows]
    line("real", np.stack([item.image for item in some]), some, evaluator, n_classes)
    pipeline = registry.load_pipeline(bench.model("model", asked.steps, bench.settings), "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    channels = np.stack([item.encoded(n_classes) for item in some])
    noise_nchw = torch.from_numpy(seeds.normals(list(range(len(some))), (3, *channels.shape[2:])))
    for guidance in asked.guidance:
        batches = [
            pipeline(
                channels[i : i + 10],
                [0] * len(channels[i : i + 10]),
                latents=noise_nchw[i : i + 10],
                guidance_scale=guidance,
                num_inference_steps=18,
                output_type="uint8",
            ).images
            for i in range(0, len(some), 10)
        ]
        line(f"guidance {guidance:g}", np.concatenate(batches), some, evaluator, n_classes)


def usefulness(bench: Bench) -> None:
    """Prints what U-Nets reach on the test images that were trained on each arm."""
    asked, test, probe = bench.asked, bench.test, semantic.probe_of(bench.real)
    for name in asked.arms:
        examples = bench.arm(name)
        for seed in range(asked.seeds):
            network = train(examples, seed, asked.probe_steps, probe=probe)
            found = semantic.confusion(network, test.items, bench.n_classes)
            iou = json.dumps(dict(zip(test.objects, np.round(100 * found.iou[1:], 1).tolist(), strict=True)))
            print(f"{name}, {len(examples)}, seed {seed}: mIoU {100 * found.mean_iou:.2f} % {iou}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a YAML file with the settings of `data`")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 72), help="width and height of scenes after `scale`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5500, help="of the image model")
    parser.add_argument("--evaluator-steps", type=int, default=3000)
    parser.add_argument("--guidance", type=float, nargs="*", default=[1, 2, 3, 5])
    parser.add_argument("--pictures", type=int, default=40, help="validation images")
    parser.add_argument("--samples", type=int, default=440)
    parser.add_argument("--at", type=float, default=3.0, help="guidance of the dataset")
    parser.add_argument("--rare", type=int, default=240, help="samples with quotas")
    parser.add_argument("--arms", nargs="*", default=ARMS, choices=ARMS)
    parser.add_argument("--tenth-steps", type=int, default=1400, help="of the image model of a tenth")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--probe-steps", type=int, default=1500)
    bench = Bench(parser.parse_args())
    torch.set_num_threads(1)
    if bench.asked.guidance:
        fidelity(bench)
    usefulness(bench)


def together(one: Examples, other: Examples) -> Examples:
    return replace(one, items=(*one.items, *other.items))


if __name__ == "__main__":
    main()
