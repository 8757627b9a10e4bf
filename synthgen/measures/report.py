"""Puts the measures of a classification dataset together: what `synthgen evaluate` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from synthgen.base.environment import leave_one_core
from synthgen.dataset import loading
from synthgen.errors import DataError, UsageError
from synthgen.fields import Image, Label
from synthgen.measures.classification import Labelled, in_features, usefulness
from synthgen.measures.probe import Budget
from synthgen.models import folders
from synthgen.readers.images import labelled as real_data


def evaluate(
    folder: str,
    real: str | Mapping[str, Any],
    test: str | None,
    judge: str | None,
    n_seeds: int,
    steps: int,
    split: str,
    say: Callable[[str], None],
    allow_incomplete: bool = False,
) -> dict[str, Any]:
    """All measures as JSON values; percentages 0 to 100.

    Raises:
        UsageError: the dataset's pictures have no class `label`.
        DataError: the classes of the real data are not those of the dataset.
    """
    leave_one_core()
    dataset = loading.load(folder, split=None if split == "all" else split, allow_incomplete=allow_incomplete)
    if not isinstance(dataset.fields.get("image"), Image) or not isinstance(dataset.fields.get("label"), Label):
        raise UsageError(
            f"{folder}: cannot be evaluated; pictures with a class (`label`, by the labeler class-label) or with masks "
            f"(`instances` and `segmentation`) can. Its fields are: {', '.join(dataset.fields)}"
        )
    classes = list(dataset.classes)
    synthetic = stacked(dataset)
    train_set, test_set = read_real(real, test, classes, synthetic.images.shape[1:], say)
    accuracy = usefulness(synthetic, train_set, test_set, len(classes), range(n_seeds), Budget(steps=steps), say)
    n_real = min(len(train_set), len(synthetic))
    sizes = {"synthetic": len(synthetic), "real": n_real, "both": n_real + len(synthetic)}
    found: dict[str, Any] = {
        "dataset": (dataset.manifest or {}).get("digest"),
        "n_test": len(test_set),
        "seeds": n_seeds,
        "steps": steps,
        "accuracy": {
            name: {
                "n": sizes[name],
                "mean": round(100 * spread.mean, 3),
                "deviation": round(100 * spread.deviation, 3),
                "values": [round(100 * value, 3) for value in spread.values],
            }
            for name, spread in accuracy.items()
        },
    }
    if judge:
        from synthgen.models import registry

        place = folders.resolve(judge)
        network = registry.load_network(place, "cpu")
        found["judge"] = judge
        found["fd_name"] = f"FD-task({folders.weights_sha256(place)[:8]})"
        found["features"] = in_features(network, synthetic, train_set, test_set)
    return found


def stacked(dataset: Any) -> Labelled:
    """A loaded dataset as arrays."""
    samples = [dataset[i] for i in range(len(dataset))]
    return Labelled(
        np.stack([sample["image"] for sample in samples]), np.array([sample["label"] for sample in samples])
    )


def read_real(
    real: str | Mapping[str, Any],
    test: str | None,
    classes: list[str],
    shape: tuple[int, ...],
    say: Callable[[str], None],
) -> tuple[Labelled, Labelled]:
    """Real training and test images in the dataset's size and with its class ids, their values read by one range.

    Args:
        real: where they are, or the section `data` of a recipe.
    """
    data = real if isinstance(real, Mapping) else {"path": real}
    path, skip_broken = str(data["path"]), bool(data.get("skip_broken", False))
    wanted: Any = data.get("range", "auto")
    wanted = wanted if wanted == "auto" else tuple(wanted)
    train_images = real_data.read(path, "train", None, shape[0], shape[2], wanted, skip_broken)
    wanted = train_images.pixels.bounds or wanted
    test_images = real_data.read(test or path, "test", None, shape[0], shape[2], wanted, skip_broken)
    for note in dict.fromkeys([*train_images.notes, *test_images.notes]):
        say(note)
    return relabelled(train_images, classes, path), relabelled(test_images, classes, test or path)


def relabelled(images: Any, classes: list[str], where: str) -> Labelled:
    """Only the dataset's classes, under the dataset's ids; classes are matched by name."""
    if not set(classes) <= set(images.classes):
        raise DataError(f"{where} has the classes {list(images.classes)}; the dataset has {classes}")
    ids = np.array([classes.index(name) if name in classes else -1 for name in images.classes])
    labels = ids[images.labels]
    return Labelled(images.images[labels >= 0], labels[labels >= 0])
