"""Real images by class as a comparison reads them: what is trained on, tested on, chosen by, and has no labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.measures.images.labelled import Labelled
from synthgen.parts.protocols import Comparison
from synthgen.readers import listing, validation
from synthgen.readers.images import labelled, unlabelled
from synthgen.readers.images.labelled import DataConfig, LabelledImages

VALIDATION = 0.1
"""Share of the training images of each class that choose among ways of training, where there is no split for it."""


@dataclass(frozen=True, slots=True)
class RealSets:
    """Real images in a dataset's size and under its class ids; no image of one set is in another.

    Attributes:
        validation: what chooses among several ways of training.
        unlabelled: uint8 (N, H, W, C).
    """

    train: Labelled
    test: Labelled
    validation: Labelled | None = None
    unlabelled: np.ndarray | None = None


def read(comparison: Comparison, classes: Sequence[str], shape: tuple[int, ...], choosing: bool) -> RealSets:
    """The real images of a comparison with a dataset of these classes and images of `shape`.

    All are read by one range of values. Images without labels that are among the others are left out.

    Args:
        choosing: whether real images are held out to choose by: a split `val`, or a share of each class.

    Raises:
        DataError: images cannot be read, there are no test images, or classes of the dataset are missing.
    """
    side, _, channels = shape
    data = DataConfig.model_validate(dict(comparison.data))
    everything = labelled.read_training(data, side, channels)
    data = data.model_copy(update={"range": everything.pixels.bounds or data.range})
    test, training, held_out = _test(data, comparison.test, side, channels), everything, None
    if choosing:
        has_split = labelled.validation_folder(local_path(data.path)) is not None
        wanted = data.model_copy(update={"validation": validation.SPLIT if has_split else VALIDATION})
        _, training, held_out = labelled.divided(wanted, everything, 0)
    more = None
    if data.unlabelled:
        seen = [everything, test, *([held_out] if held_out else [])]
        images, labels = (np.concatenate([getattr(one, name) for one in seen]) for name in ("images", "labels"))
        more = unlabelled.read(data, replace(everything, images=images, labels=labels))
    for note in dict.fromkeys([*everything.notes, *test.notes, *(more.notes if more else ())]):
        comparison.note(note)
    return RealSets(
        relabelled(training, classes, data.path),
        relabelled(test, classes, comparison.test or data.path),
        None if held_out is None else relabelled(held_out, classes, data.path),
        None if more is None else more.images,
    )


def _test(data: DataConfig, place: str | None, side: int, channels: int) -> LabelledImages:
    """The split `test` of the data; or that of `place`, or all images there if it has no splits."""
    path = place or data.path
    root = local_path(path)
    is_table = root.suffix == ".parquet" and root.is_file()
    folder = root.is_dir() and not any("-ubyte" in file.name for file in listing.files(root, nested=False))
    whole = is_table or (folder and not any((root / name).is_dir() for name in ("train", "test")))
    split: labelled.Split = "train" if place is not None and whole else "test"
    return labelled.read(path, split, data.classes, side, channels, data.range, data.skip_broken)


def relabelled(images: LabelledImages, classes: Sequence[str], where: str) -> Labelled:
    """Only the dataset's classes, under the dataset's ids; classes are matched by name."""
    if not set(classes) <= set(images.classes):
        raise DataError(f"{where} has the classes {list(images.classes)}; the dataset has {list(classes)}")
    ids = np.array([classes.index(name) if name in classes else -1 for name in images.classes])
    labels = ids[images.labels]
    return Labelled(images.images[labels >= 0], labels[labels >= 0])
