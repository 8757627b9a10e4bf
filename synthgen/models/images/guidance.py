"""How much guidance each class of a class-conditional model needs to be recognised.

Classes that a model has seen little of are drawn like those that are frequent; guidance brings them back, and costs
variety. So each class should have as little of it as it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from synthgen import seeds as streams

BATCH = 100


def fidelity(
    pipeline: Any,
    judge: Any,
    scales: Sequence[float],
    n_each: int,
    seed: int,
    steps: int = 18,
    interval: tuple[float, float] = (0.0, 1.0),
) -> np.ndarray:
    """Share of the generated images of each class in which a classifier sees that class, float64 (scales, K), 0 to 1.

    Args:
        pipeline: a `ClassConditionalPipeline` of K classes.
        judge: what has `predict_proba` and `classes`, with all of the pipeline's among them.
        scales: of guidance, each for the same noise.
        n_each: images of each class and scale.
    """
    names = pipeline.classes
    ids = np.array([list(judge.classes).index(name) for name in names])
    labels = np.repeat(np.arange(len(names)), n_each)
    height, width = pipeline.shape
    noise = streams.normals(
        [streams.seed_of(seed, "guidance", i) for i in range(len(labels))], (pipeline.channels, height, width)
    )
    found = []
    for scale in scales:
        seen = []
        for start in range(0, len(labels), BATCH):
            rows = slice(start, start + BATCH)
            images = pipeline(
                labels[rows].tolist(),
                scale,
                latents=torch.from_numpy(noise[rows]),
                num_inference_steps=steps,
                guidance_interval=interval,
                output_type="uint8",
            ).images
            seen.append(judge.predict_proba(images).argmax(1))
        right = np.concatenate(seen) == ids[labels]
        found.append([right[labels == label].mean() for label in range(len(names))])
    return np.array(found)


def least(shares: np.ndarray, scales: Sequence[float], names: Sequence[str], slack: float) -> Mapping[str, float]:
    """The lowest scale of each class whose share is within `slack` of its best; shares (scales, K), 0 to 1."""
    enough = shares >= shares.max(0) - slack
    order = np.argsort(scales, kind="stable")
    return {name: float(scales[order[enough[order, k].argmax()]]) for k, name in enumerate(names)}
