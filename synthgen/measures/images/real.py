"""Real images by class as a comparison reads them: what is trained on, tested on, chosen by, and has no labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.measures.images.labelled import Labelled
from synthgen.measures.images.unseen import check_unseen
from synthgen.parts.protocols import Comparison
from synthgen.parts.registry import unknown
from synthgen.readers import validation
from synthgen.readers.images import labelled, unlabelled
from synthgen.readers.images.labelled import DataConfig, LabelledImages

VALIDATION = 0.1
"""Share of the training images of each class that choose among ways of training, where there is no split for it.

More do so where `data.validation` says so.
"""


@dataclass(frozen=True, slots=True)
class RealSets:
    """Real images in a dataset's size; no test image and no image without labels is in another set.

    Attributes:
        classes: names in id order, of all sets: the dataset's, as it has them, and those that only real images have.
        validation: what chooses among several ways of training.
        unlabelled: uint8 (N, H, W, C).
    """

    classes: tuple[str, ...]
    train: Labelled
    test: Labelled
    validation: Labelled | None = None
    unlabelled: np.ndarray | None = None


def read(comparison: Comparison, classes: Sequence[str], synthetic: np.ndarray, choosing: bool) -> RealSets:
    """The real images of a comparison with a dataset of these classes and images.

    All are read by one range of values. Images without labels that are among the others are left out.

    Args:
        synthetic: images of the dataset, uint8 (N, H, W, C).
        choosing: whether real images are held out to choose by: a split `val`, or a share of each class.

    Raises:
        DataError: images cannot be read, there are no test images, or other sets hold some of them; real images lack
            classes of the dataset, test images have some of their own, or there is one class only.
    """
    side, _, channels = synthetic.shape[1:]
    data = DataConfig.model_validate(dict(comparison.data))
    everything = labelled.read_training(data, side, channels)
    data = data.model_copy(update={"range": everything.pixels.bounds or data.range})
    test, training, held_out = _test(data, comparison.test, side, channels), everything, None
    if choosing:
        has_split = labelled.validation_folder(local_path(data.path)) is not None
        share = VALIDATION if isinstance(data.validation, str) else max(data.validation, VALIDATION)
        wanted = data.model_copy(update={"validation": validation.SPLIT if has_split else share})
        _, training, held_out = labelled.divided(wanted, everything, 0)
    place = comparison.test or data.path
    twice = check_unseen(
        test.images,
        place,
        {
            f"the training images of {data.path}": training.images,
            f"the validation images of {data.path}": [] if held_out is None else held_out.images,
            f"the images of {comparison.folder}": synthetic,
        },
    )
    names = _names(classes, everything, data.path)
    more = None
    if data.unlabelled:
        seen = [everything, test, *([held_out] if held_out else [])]
        images, labels = (np.concatenate([getattr(one, name) for one in seen]) for name in ("images", "labels"))
        more = unlabelled.read(data, replace(everything, images=images, labels=labels))
    for note in dict.fromkeys([*everything.notes, *test.notes, *(more.notes if more else ()), *twice]):
        comparison.note(note)
    return RealSets(
        names,
        relabelled(training, names, data.path),
        relabelled(test, names, place, classes),
        None if held_out is None else relabelled(held_out, names, data.path),
        None if more is None else more.images,
    )


def _test(data: DataConfig, place: str | None, side: int, channels: int) -> LabelledImages:
    """The split `test` of the data; or that of `place`, or all images there if it has no splits."""
    path = place or data.path
    split: labelled.Split = "test" if place is None or labelled.has_splits(path) else "train"
    return labelled.read(path, split, data.classes, side, channels, data.range, data.skip_broken)


def _names(classes: Sequence[str], real: LabelledImages, where: str) -> tuple[str, ...]:
    """The dataset's classes and those that only real images have.

    Raises:
        DataError: real images lack a class of the dataset, or there are fewer than two.
    """
    _require(classes, real, where)
    names = (*classes, *(name for name in real.classes if name not in classes))
    if len(names) < 2:
        raise DataError(
            f"{where}: has the class {names[0]} only, as the dataset has; a classifier tells at least two apart: name "
            "real images of all classes that yours is for"
        )
    return names


def _require(classes: Sequence[str], images: LabelledImages, where: str) -> None:
    """Raises DataError if images lack a class of the dataset."""
    if not set(classes) <= set(images.classes):
        raise DataError(f"{where} has the classes {list(images.classes)}; the dataset has {list(classes)}")


def relabelled(images: LabelledImages, names: Sequence[str], where: str, required: Sequence[str] = ()) -> Labelled:
    """Images under the ids that `names` have; classes are matched by name.

    Raises:
        DataError: images have other classes, or lack one that is required.
    """
    _require(required, images, where)
    if strange := [name for name in images.classes if name not in names]:
        raise DataError(f"{where}: {unknown(strange[0], names, 'class')}, as of the dataset and of training images")
    return Labelled(images.images, np.array([names.index(name) for name in images.classes])[images.labels])
