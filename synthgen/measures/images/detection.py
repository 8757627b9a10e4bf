"""How useful is a dataset of images with boxes? Train a small detector on it and test it on real images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from synthgen.dataset import loading
from synthgen.errors import DataError, UsageError
from synthgen.fields import Boxes, InstanceMap, Schema, SegmentationMap, Series
from synthgen.measures.images.maps import ARMS, Sets, check_sets, fitted, mask_data, read_test, weights_or_ones
from synthgen.measures.settings import MeasureSettings, Way, arm_lines, in_percent, ways
from synthgen.models.images.detections import average_precision
from synthgen.parts.protocols import Comparison
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.recipe.sections import Steps, Trick

STEPS = 600
WIDTHS = (16, 32, 64, 96)
LARGEST_CROP = 96
TRICKS: Mapping[Trick | None, Mapping[str, Any]] = {"jitter": {"colour_jitter": 0.4}}
"""Settings of the trainer of detectors."""

COCO_IOUS = tuple(np.linspace(0.5, 0.95, 10))


class Detection:
    """Mean average precision on real test images of a detector trained on the dataset, beside ones of real images."""

    version = 1
    needs = "an `image` with boxes (`boxes`), without masks"
    readers = ("masks",)

    class Config(MeasureSettings):
        """Settings of the comparison of images with boxes."""

        steps: Steps = Field(
            default=STEPS,
            description="Training steps of each network; of several, each has the best mAP on real validation images.",
        )
        tricks: list[Literal["averaged", "jitter"]] = Field(
            default=[], description="Ways of training that are tried beside the plain one, and chosen likewise."
        )
        unlabelled: float = Field(
            default=1.0,
            gt=0,
            le=1,
            description="For real data with objects that nobody boxed: that of the trainer `detector`, for all "
            "networks. 1 trusts the boxes to be complete.",
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    @staticmethod
    def fits(fields: Schema) -> bool:
        other = any(isinstance(field, InstanceMap | SegmentationMap | Series) for field in fields.values())
        return not other and isinstance(fields.get("boxes"), Boxes)

    def measure(self, comparison: Comparison) -> Mapping[str, Any]:
        """Percentages are 0 to 100. mAP: the mean over classes and over IoUs from 0.5 to 0.95; AP50: at 0.5 alone.

        The same network is trained with the same steps on the dataset, on the real training images
        and on both, and tested on the real test images.

        Raises:
            DataError: the objects' classes of the real data are not those of the dataset, or test images are in another
                set, too.
            UsageError: the real data have no boxes.
        """
        config, data, validation = self.config, mask_data(comparison.data, comparison.name), None
        tried = ways(config.steps, config.tricks)
        if not data.boxes:
            raise UsageError(
                f"{comparison.name}: the dataset has boxes, and the real data have none; name `data.boxes`"
            )
        synthetic = from_dataset(comparison.folder, config.part, comparison.allow_incomplete)
        real_train, real_test = reader.read(data), read_test(data, comparison.test)
        if len(tried) > 1:
            _, real_train, validation = reader.divided(data, 0)
        for where, one in ((data.path, real_train), (comparison.test or data.path, real_test)):
            if one.objects != synthetic.objects:
                raise DataError(f"{where} has the objects {one.objects}; the dataset has {synthetic.objects}")
        both = replace(real_train, items=(*synthetic.items, *real_train.items))
        found = Sets(dict(zip(ARMS, (synthetic, real_train, both), strict=True)), real_test, validation)
        check_sets(found, comparison, data.path)
        result: dict[str, Any] = {
            "n_test": len(real_test),
            "n_train": {name: len(examples) for name, examples in found.arms.items()},
            "seeds": config.seeds,
            "steps": config.steps,
            **scores(found, config, tried, comparison.note),
        }
        if validation is not None:
            result["n_validation"] = len(validation)
        return {"detection": result}

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        if "detection" not in found:
            return ""
        return "\n".join(arm_lines(found["detection"], "mAP"))


def from_dataset(folder: str, split: str | None, allow_incomplete: bool = False) -> Examples:
    """Images and boxes of a generated dataset, as real ones are read."""
    dataset = loading.load(folder, split=split, allow_incomplete=allow_incomplete)
    items, samples = [], [dataset[i] for i in range(len(dataset))]
    for sample, weight in zip(samples, weights_or_ones(dataset, samples), strict=True):
        image = np.repeat(sample["image"], 3, axis=2) if sample["image"].shape[2] == 1 else sample["image"]
        boxes = sample["boxes"]
        classes = boxes[:, 4].astype(np.int64)
        items.append(Example(sample["key"], image, 0, None, boxes[:, :4], classes, weight=weight))
    kind = dataset.fields["boxes"]
    assert isinstance(kind, Boxes)
    return Examples(tuple(items), ("picture",), kind.classes)


def scores(
    given: Sets, config: Detection.Config, tried: Sequence[Way], note: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """`scores` of detectors trained on each set, and the ways `chosen`, if there are several.

    Scores are mAP, AP50 and the AP50 of each class that the test images have, in percent. All are trained on crops of
    one size, the largest that every image holds.
    """
    arms, chosen = given.arms, {name: list[str]() for name in given.arms}
    least = min(min(item.image.shape[:2]) for examples in arms.values() for item in examples.items)
    unit = 2 ** (len(WIDTHS) - 1)
    side = max(min(least, LARGEST_CROP) // unit * unit, unit)
    values: dict[str, list[dict[str, float]]] = {name: [] for name in arms}
    for seed in range(config.seeds):
        for name, examples in arms.items():
            models = [train(examples, seed, config, side, way) for way in tried]
            place = 0
            if given.validation is not None:
                place = int(np.argmax([precision(model, given.validation)["mAP"] for model in models]))
            chosen[name].append(str(tried[place]))
            found = precision(models[place], given.test)
            values[name].append(found)
            note(f"seed {seed}: trained on {len(examples)} {name}: mAP {100 * found['mAP']:.2f} %")
    reached = {name: {key: in_percent([run[key] for run in runs]) for key in runs[0]} for name, runs in values.items()}
    return {"scores": reached} | ({"chosen": chosen} if given.validation is not None else {})


def train(examples: Examples, seed: int, config: Detection.Config, side: int, way: Way) -> Any:
    """A small detector trained for a fixed number of steps; no checkpoint is chosen, so no test data is needed.

    Raises:
        DataError: no image has a box, or one is smaller than `side`.
    """
    from synthgen.trainers.images.detector import DetectorTask, DetectorTrainer, check

    settings = DetectorTrainer.Config(
        data=MaskData(path=".", boxes="."),
        crop=side,
        widths=list(WIDTHS),
        turn=True,
        unlabelled=config.unlabelled,
        steps=way.steps,
        batch_size=8,
        **TRICKS.get(way.trick, {}),
    )
    check(examples, side)
    none = examples.take([])
    task = DetectorTask(settings, examples, examples, none, none, seed, "cpu")
    return fitted(task, average=way.trick == "averaged")


def precision(model: Any, test: Examples) -> dict[str, float]:
    """mAP, AP50, and AP50 of each class that occurs, 0 to 1, of a detector on images."""
    from synthgen.trainers.images.detector import Found

    found = Found.of(model, test)
    by_class = average_precision(found.intended, found.found, found.names)
    over_ious = average_precision(found.intended, found.found, found.names, COCO_IOUS)
    each = {f"AP50 {name}": value for name, value in by_class.items()}
    return {"mAP": float(np.mean([*over_ious.values()])), "AP50": float(np.mean([*by_class.values()])), **each}
