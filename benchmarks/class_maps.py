"""Do images follow class maps, and do they help? A folder of scenes with `train`, `val` and `test`, such as CamVid.

Trains on the training images: a segmenter that evaluates, and the model of `synthgen init` for whole scenes, with
patches of one pixel and mirrored borders. Then, for each guidance, images of validation maps: mean IoU of what the
segmenter finds, beside that on the real images, and how rough they are (mean absolute Laplacian; power at the highest
frequency over that just below). Last, a dataset of edited maps at one guidance, and U-Nets trained on it, on the real
images and on both, tested on the test images.

Models and dataset are found in --out if they are there. Data are described by --data, a YAML file of `data` settings.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from synthgen import api, seeds
from synthgen.measures.images import semantic
from synthgen.measures.images.maps import Probe, from_dataset, train
from synthgen.models import registry
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.recipe import yaml_text


def trained(out: Path, name: str, trainer: dict, steps: int) -> Path:
    """The folder of a model, trained if it is not there."""
    folder = out / name
    if not (folder / "README.md").is_file():
        api.train({"kind": "model", "name": name, "trainer": {**trainer, "steps": steps}}, folder, device="cpu")
    return folder


def roughness(images: np.ndarray) -> tuple[float, float]:
    """Mean absolute Laplacian of the grey images, and power at the highest frequency over that just below."""
    grey = images.astype(np.float64).mean(-1)
    inner = grey[:, 1:-1, 1:-1]
    laplacian = 4 * inner - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2] - grey[:, 1:-1, 2:]
    height, width = grey.shape[1:]
    centred = grey - grey.mean((1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(centred * np.hanning(height)[:, None] * np.hanning(width))) ** 2).mean(0)
    y, x = height // 2, width // 2
    highest = np.mean([power[y, : x // 2].mean(), power[: y // 2, x].mean()])
    below = np.mean([power[y - 6 : y - 2, : x // 2].mean(), power[: y // 2, x - 6 : x - 2].mean()])
    return float(np.abs(laplacian).mean()), float(highest / below)


def line(name: str, images: np.ndarray, items: list[Example], evaluator: object, n_classes: int) -> None:
    seen = [Example(item.name, image, 0, item.layout) for item, image in zip(items, images, strict=True)]
    found = semantic.confusion(evaluator, seen, n_classes)
    laplacian, highest = roughness(images)
    print(
        f"{name:<14} mIoU {100 * found.mean_iou:.2f} %, pixel accuracy {100 * found.pixel_accuracy:.2f} %, "
        f"Laplacian {laplacian:.1f}, highest frequency {highest:.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a YAML file with the settings of `data`")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 72), help="width and height of scenes after `scale`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5500, help="of the image model")
    parser.add_argument("--evaluator-steps", type=int, default=3000)
    parser.add_argument("--guidance", type=float, nargs="+", default=[1, 2, 3, 5])
    parser.add_argument("--pictures", type=int, default=40, help="validation images")
    parser.add_argument("--samples", type=int, default=440)
    parser.add_argument("--at", type=float, default=3.0, help="guidance of the dataset")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--probe-steps", type=int, default=1500)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    settings = dict(yaml_text.parse(asked.data.read_text(), str(asked.data)).data)
    data, size = MaskData.model_validate(settings), list(asked.size)
    shared = {"data": settings, "crop": size, "mirror": True, "batch_size": 8}
    segmenter = {"use": "segmenter", **shared, "widths": list(semantic.WIDTHS), "learning_rate": 2e-3}
    network = {"patch_size": 1, "channels": [16, 48, 96, 128], "padding": "reflect"}
    noise = {"log_sigma_mean": -0.6, "log_sigma_std": 1.5}
    painter = {"use": "layout-to-image", **shared, "network": network, **noise, "learning_rate": 8e-4}
    evaluator = registry.load_network(trained(asked.out, "evaluator", segmenter, asked.evaluator_steps), "cpu")
    model = trained(asked.out, "model", painter, asked.steps)

    items, n_classes = reader.read(data, "val").items, len(data.objects)
    rows = np.linspace(0, len(items) - 1, min(asked.pictures, len(items))).astype(int)
    some = [items[i] for i in rows]
    line("real", np.stack([item.image for item in some]), some, evaluator, n_classes)
    pipeline = registry.load_pipeline(model, "cpu", torch.float32)
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

    recipe = {
        "kind": "dataset",
        "name": "scenes",
        "samples": asked.samples,
        "batch_size": 10,
        "splits": {"train": 1.0},
        "condition": {"use": "edited-layouts", "data": settings, "size": size, "mirror": True},
        "sampler": {"use": "layout-to-image", "model": str(model), "steps": 18, "guidance": asked.at},
    }
    out = api.run(recipe, asked.out / "dataset", device="cpu").out
    synthetic, real, test = (
        from_dataset(str(out), "train", "segmentation"),
        reader.read(data),
        reader.read(data, "test"),
    )
    both = Examples((*synthetic.items, *real.items), real.classes, real.objects, stuff=real.stuff)
    probe = Probe(semantic.WIDTHS, semantic.crop_of(synthetic), turn=False, mirror=True)
    for seed in range(asked.seeds):
        for name, examples in (("real", real), ("synthetic", synthetic), ("both", both)):
            network = train(examples, seed, asked.probe_steps, probe=probe)
            found = semantic.confusion(network, test.items, n_classes)
            by_class = dict(zip(test.objects, np.round(100 * found.iou[1:], 1).tolist(), strict=True))
            print(
                f"seed {seed}, {len(examples)} {name}: mIoU {100 * found.mean_iou:.2f} % {json.dumps(by_class)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
