"""What experiments on Fashion-MNIST share: a generator of clothes, samples of it, a probe with its own steps."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn

from synthgen import seeds as streams
from synthgen.measures.images import probe
from synthgen.measures.images.labelled import Labelled
from synthgen.models import registry
from synthgen.trainers.images.class_conditional import ClassConditionalTrainer

NETWORK = {"patch_size": 2, "channels": [64, 96], "layers": 1, "attention_levels": 1}


def parquet(path: Path, some: Labelled, classes: tuple[str, ...], named: bool = True) -> str:
    """Images as a Parquet file, with the names of their classes if they are to have some."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = []
    for image in some.images:
        with io.BytesIO() as file:
            Image.fromarray(image[..., 0]).save(file, "PNG")
            contents.append({"bytes": file.getvalue()})
    columns: dict[str, Any] = {"image": contents}
    if named:
        columns["label"] = [classes[label] for label in some.labels]
    pq.write_table(pa.table(columns), path)
    return str(path)


def generator(out: Path, data: dict[str, Any], steps: int, seed: int, **more: Any) -> Any:
    """A trained class-conditional model; what is there already is not trained again."""
    values = {"data": data, "steps": steps, "batch_size": 64, "checkpoint_every": 500, "sample_every": 2500}
    values |= {"learning_rate": 1.5e-3, "ema_decay": 0.9995, **more}
    if not (out / "model_index.json").is_file():
        ClassConditionalTrainer(ClassConditionalTrainer.Config.model_validate(values)).train(out, seed, device="cpu")
    pipeline = registry.load_pipeline(out, "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def kept(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """An array that is made once."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, make(), allow_pickle=False)
    found: np.ndarray = np.load(path, allow_pickle=False)
    return found


def remembered(given: argparse.Namespace, name: str, make: Callable[[], Any]) -> Any:
    """A JSON value that is made once for these settings, so that a long experiment goes on where it was stopped."""
    settings = {key: str(value) for key, value in vars(given).items() if key not in ("out", "draws", "seeds", "arms")}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    path = Path(given.out) / "results" / f"{name}-{digest}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make()))
    return json.loads(path.read_text())


def drawn(pipeline: Any, classes: tuple[str, ...], n_each: int, guidance: float, seed: int) -> np.ndarray:
    """As many images of each class, uint8 (N, H, W, C)."""
    labels = np.repeat(np.arange(len(classes)), n_each)
    ids, images = [pipeline.classes.index(name) for name in classes], []
    for start in range(0, len(labels), 100):
        some = [ids[label] for label in labels[start : start + 100]]
        own = [streams.seed_of(seed, "few labels", start + i) for i in range(len(some))]
        latents = torch.from_numpy(streams.normals(own, (1, 28, 28)))
        images.append(pipeline(some, guidance, latents=latents, num_inference_steps=18, output_type="uint8").images)
    return np.concatenate(images)


def accuracy(
    fit: Callable[[int], nn.Module], validation: Labelled, test: Labelled, grid: Sequence[int]
) -> tuple[float, int]:
    """Percent of the test images that a probe gets right, at the steps that were best on validation images."""
    models = {steps: fit(steps) for steps in grid}
    right = {
        steps: (probe.predict(model, validation.images) == validation.labels).mean() for steps, model in models.items()
    }
    best = max(grid, key=lambda steps: right[steps])
    return 100 * float((probe.predict(models[best], test.images) == test.labels).mean()), best


def plain(arm: Labelled, n: int, seed: int) -> Callable[[int], nn.Module]:
    """The probe on these images."""
    targets = arm.labels if arm.soft is None else arm.soft
    return lambda steps: probe.train(arm.images, targets, n, seed, probe.Budget(steps))
