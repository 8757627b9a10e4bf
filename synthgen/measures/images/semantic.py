"""How useful is a dataset of images with class maps? Train a U-Net on it and test it on real images, by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from synthgen.base.sizes import size_of
from synthgen.errors import DataError
from synthgen.fields import InstanceMap, Schema, SegmentationMap
from synthgen.measures.images.maps import ARMS, MapSettings, Probe, Sets, best, sets
from synthgen.measures.settings import Way, arm_lines, in_percent, ways
from synthgen.models import folders
from synthgen.parts.protocols import Comparison
from synthgen.readers.masks.types import Example, Examples
from synthgen.recipe.sections import Steps
from synthgen.vision.confusion import Confusion

STEPS = 2000
WIDTHS = (24, 48, 96, 160)


class SemanticSegmentation:
    """Mean IoU, IoU by class and pixel accuracy on real test images of a U-Net trained on the dataset.

    Beside it stand U-Nets trained on real images and on both. With `evaluator`, also how well the dataset's maps agree
    with those that a segmenter finds, beside the same on real test images.
    """

    version = 2
    needs = "an `image` with a class map (`segmentation`) without objects"
    readers = ("masks",)

    class Config(MapSettings):
        """Settings of the comparison of images with class maps."""

        steps: Steps = Field(
            default=STEPS,
            description="Training steps of each network; of several, each has the best mean IoU on real validation "
            "images.",
        )
        tricks: list[Literal["averaged", "jitter"]] = Field(
            default=[], description="Ways of training that are tried beside the plain one, and chosen likewise."
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    @staticmethod
    def fits(fields: Schema) -> bool:
        maps = [field for field in fields.values() if isinstance(field, SegmentationMap)]
        return bool(maps) and not any(isinstance(field, InstanceMap) for field in fields.values())

    def measure(self, comparison: Comparison) -> Mapping[str, Any]:
        """Percentages are 0 to 100; the confusion matrix has shares of each true class's pixels.

        Raises:
            DataError: the classes of the real data are not those of the dataset.
            UsageError: the real data are of objects.
        """
        config = self.config
        tried = ways(config.steps, config.tricks)
        found = sets(comparison, config, semantic=True, choosing=len(tried) > 1)
        arms, real_test = found.arms, found.test
        synthetic = arms["synthetic"]
        result: dict[str, Any] = {
            "n_test": len(real_test),
            "n_train": {name: len(examples) for name, examples in arms.items()},
            "seeds": config.seeds,
            "steps": config.steps,
            "classes": list(synthetic.objects),
            "pixels": {name: shares(examples) for name, examples in {**arms, "test": real_test}.items()},
            **scores(found, config.seeds, tried, probe_of(synthetic), comparison.note),
        }
        if found.validation is not None:
            result["n_validation"] = len(found.validation)
        if config.evaluator:
            result["evaluator"] = config.evaluator
            result["agreement"] = agreement_with(config.evaluator, synthetic, real_test)
        return {"class_maps": result}

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        if "class_maps" not in found:
            return ""
        found = found["class_maps"]
        lines = arm_lines(found, "mIoU")
        width = max(map(len, found["classes"]))
        lines.append(
            f"IoU by class (%), and its share of the test pixels:\n  {'':<{width}} " + " ".join(f"{a:>9}" for a in ARMS)
        )
        for cls in found["classes"]:
            means = [found["iou"][arm][cls]["mean"] for arm in ARMS]
            values = ["-" if mean is None else f"{mean:.1f}" for mean in means]
            lines.append(f"  {cls:<{width}} {' '.join(f'{v:>9}' for v in values)}   {found['pixels']['test'][cls]:.2%}")
        if "agreement" in found:
            lines.append(f"agreement of the maps with those that {found['evaluator']} finds:")
            for name, one in found["agreement"].items():
                lines.append(f"  {name:<10} mIoU {one['mIoU']:.2f} %, pixel accuracy {one['pixel accuracy']:.2f} %")
        return "\n".join(lines)


def probe_of(examples: Examples) -> Probe:
    """A U-Net for whole scenes of the size of most of the images, cut to what four levels can halve.

    Scenes are seen mirrored, too, and thin and rare classes count more in its loss, or they would be learned last.
    """
    shapes = [item.image.shape[:2] for item in examples.items]
    height, width = max(set(shapes), key=shapes.count)
    unit = 2 ** (len(WIDTHS) - 1)
    crop = size_of((max(height // unit * unit, 2 * unit), max(width // unit * unit, 2 * unit)))
    return Probe(WIDTHS, crop, turn=False, mirror=True, class_balance=0.5)


def scores(
    given: Sets, n_seeds: int, tried: Sequence[Way], probe: Probe, note: Callable[[str], None]
) -> dict[str, Any]:
    """`scores`, `iou` and `confusion` of networks trained on each of the sets, in percent; and the ways `chosen`."""
    test, chosen = given.test, {name: list[str]() for name in given.arms}
    found: dict[str, list[Confusion]] = {name: [] for name in given.arms}
    for seed in range(n_seeds):
        for name, examples in given.arms.items():
            model, way = best(examples, seed, tried, given.validation, quality, probe)
            chosen[name].append(str(way))
            one = confusion(model, test.items, len(test.objects))
            found[name].append(one)
            note(f"seed {seed}: trained on {len(examples)} {name}: mIoU {100 * one.mean_iou:.2f} %")
    kinds: dict[str, Callable[[Confusion], float]] = {
        "mIoU": lambda one: one.mean_iou,
        "pixel accuracy": lambda one: one.pixel_accuracy,
        "frequency-weighted IoU": lambda one: one.frequency_weighted_iou,
    }
    return {
        "scores": {
            name: {kind: in_percent([of(one) for one in ones]) for kind, of in kinds.items()}
            for name, ones in found.items()
        },
        "iou": {
            name: {cls: _where_seen([float(one.iou[i]) for one in ones]) for i, cls in enumerate(test.objects, start=1)}
            for name, ones in found.items()
        },
        "confusion": {name: shared(sum(ones, Confusion.none(len(test.objects)))) for name, ones in found.items()},
        **({"chosen": chosen} if len(tried) > 1 else {}),
    }


def _where_seen(values: list[float]) -> dict[str, Any]:
    """Of shares that are NaN where a class is neither in the maps nor in what is seen, the others, in percent."""
    seen = [value for value in values if np.isfinite(value)]
    return in_percent(seen) if seen else {"mean": None, "deviation": None, "values": []}


def quality(model: Any, examples: Examples) -> float:
    """Mean IoU over all pixels."""
    return confusion(model, examples.items, len(examples.objects)).mean_iou


def confusion(model: Any, items: Sequence[Example], n_classes: int) -> Confusion:
    """Of a segmenter's answers on images, against their maps."""
    total = Confusion.none(n_classes)
    for item in items:
        assert item.layout is not None
        total += Confusion.of(item.layout.segmentation, model.segment(item.image[None])[0].segmentation, n_classes)
    return total


def shared(one: Confusion) -> list[list[float]]:
    """Rows of the confusion matrix as percent of the class's pixels, background first."""
    rows = 100 * one.table / np.maximum(one.table.sum(1, keepdims=True), 1)
    return [[round(value, 2) for value in row] for row in rows.tolist()]


def shares(examples: Examples) -> dict[str, float]:
    """Share of the known pixels that each class covers."""
    counts = examples.class_pixels
    found = (counts / max(int(counts.sum()), 1)).round(6).tolist()
    return dict(zip(examples.objects, found[1:], strict=True))


def agreement_with(evaluator: str, synthetic: Examples, real_test: Examples) -> dict[str, Any]:
    """How well the maps agree with those of a segmenter that took no part, beside the same on real images, in percent.

    Raises:
        DataError: the segmenter knows other classes.
    """
    from synthgen.models import registry

    place = folders.resolve(evaluator)
    index = folders.check_class(place, evaluator, "Segmenter", "segmenter")
    if tuple(index["objects"]) != synthetic.objects:
        raise DataError(
            f"{evaluator} knows {', '.join(index['objects'])}; the dataset has {', '.join(synthetic.objects)}"
        )
    model = registry.load_network(place, "cpu")
    found = {}
    for name, examples in (("synthetic", synthetic), ("real test", real_test)):
        one = confusion(model, examples.items, len(examples.objects))
        by_class = zip(examples.objects, one.iou[1:].tolist(), strict=True)
        found[name] = {
            "mIoU": round(100 * one.mean_iou, 3),
            "pixel accuracy": round(100 * one.pixel_accuracy, 3),
            "iou": {cls: round(100 * value, 3) for cls, value in by_class if np.isfinite(value)},
        }
    return found
