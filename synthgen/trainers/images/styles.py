"""Styles: kinds of exposure and stain within a class of images, found by clustering, that a model is conditioned on.

A small network that must guess from noise how bright an image is guesses differently in every
corner. If it knows the style, it does not have to guess.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthgen.readers.masks.types import Example, Examples

MIN_PICTURES = 3


@dataclass(frozen=True, slots=True)
class Styles:
    """Training and held-out examples whose labels are style ids, with the class and the share of each style."""

    training: Examples
    held_out: Examples
    class_of: list[int]
    shares: list[float]


def find(training: Examples, held_out: Examples, n_styles: int, gamma: float) -> Styles:
    """Clusters the images of each class into styles, about `n_styles` in all, at least one a class.

    Classes get styles in proportion to the root of their number of images. Clusters are k-means'
    on the means and deviations of background and objects in every channel. Held-out images get the
    nearest style.
    """
    from sklearn.cluster import KMeans

    counts = np.array([sum(item.label == i for item in training.items) for i in range(len(training.classes))])
    roots = np.sqrt(counts)
    train_labels, held_labels = np.zeros(len(training), int), np.zeros(len(held_out), int)
    class_of: list[int] = []
    shares: list[float] = []
    for label, count in enumerate(counts):
        k = int(np.clip(round(n_styles * roots[label] / roots.sum()), 1, max(1, count // MIN_PICTURES)))
        rows = [i for i, item in enumerate(training.items) if item.label == label]
        others = [i for i, item in enumerate(held_out.items) if item.label == label]
        model = KMeans(k, n_init=4, random_state=0).fit(np.stack([features(training.items[i], gamma) for i in rows]))
        train_labels[rows] = model.labels_ + len(class_of)
        if others:
            nearest = model.predict(np.stack([features(held_out.items[i], gamma) for i in others]))
            held_labels[others] = nearest + len(class_of)
        class_of += [label] * k
        shares += [float(share) for share in np.bincount(model.labels_, minlength=k) / count]
    return Styles(relabelled(training, train_labels), relabelled(held_out, held_labels), class_of, shares)


def nearest(items: Sequence[Example], training: Examples, gamma: float) -> list[Example]:
    """Images without objects, each with the label of the training image whose colours are the most like its own."""
    known = np.stack([_colours(item, gamma) for item in training.items])
    found = [int(((known - _colours(item, gamma)) ** 2).sum(1).argmin()) for item in items]
    return [dataclasses.replace(item, label=training.items[i].label) for item, i in zip(items, found, strict=True)]


def _colours(item: Example, gamma: float) -> np.ndarray:
    """Mean and deviation of all pixels in each channel, float64 (6,)."""
    pixels = (item.image / 255.0) ** gamma
    return np.concatenate([pixels.mean((0, 1)), pixels.std((0, 1))])


def features(item: Example, gamma: float) -> np.ndarray:
    """Mean and deviation of background and of objects in each channel, of pixels (v / 255)^gamma; float64 (12,)."""
    pixels = (item.image / 255.0) ** gamma
    if item.layout is not None:
        inside = item.layout.instances > 0
    else:
        assert item.channels is not None
        inside = item.channels.max(2) > 0
    found = []
    for mask in (~inside, inside):
        some = pixels[mask] if mask.any() else pixels.reshape(-1, pixels.shape[2])
        found += [some.mean(0), some.std(0)]
    return np.concatenate(found)


def relabelled(examples: Examples, labels: np.ndarray) -> Examples:
    pairs = zip(examples.items, labels.tolist(), strict=True)
    items = tuple(dataclasses.replace(item, label=label) for item, label in pairs)
    return dataclasses.replace(examples, items=items)
