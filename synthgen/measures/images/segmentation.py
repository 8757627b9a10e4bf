"""How useful is a dataset of images with masks? Train a small U-Net on it and test it on real images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from synthgen.fields import IGNORE, InstanceMap, Schema, Series
from synthgen.measures.images.maps import MapSettings, Probe, Sets, best, sets
from synthgen.measures.settings import Way, chosen_text, gain_lines, how, in_percent, ways
from synthgen.models import folders
from synthgen.parts.protocols import Comparison
from synthgen.readers.masks.types import Example, Examples
from synthgen.recipe.sections import Steps
from synthgen.vision.confusion import Confusion
from synthgen.vision.layouts import Layout
from synthgen.vision.matching import Match

STEPS = 600
PROBE = Probe()
METRICS = ("dice", "mIoU", "AJI", "PQ")


class Segmentation:
    """Dice, mIoU, AJI and PQ on real test images of a U-Net trained on the dataset, beside U-Nets trained on real ones.

    With `evaluator`, also the mean IoU of the dataset's masks with those that a segmenter finds.
    """

    version = 1
    needs = "an `image` with masks (`instances` and `segmentation`)"
    readers = ("masks",)

    class Config(MapSettings):
        """Settings of the comparison of images with masks."""

        steps: Steps = Field(
            default=STEPS,
            description="Training steps of each network; of several, each has the best panoptic quality on real "
            "validation images.",
        )
        tricks: list[Literal["averaged", "copy-paste", "jitter"]] = Field(
            default=[], description="Ways of training that are tried beside the plain one, and chosen likewise."
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    @staticmethod
    def fits(fields: Schema) -> bool:
        series = any(isinstance(field, Series) for field in fields.values())
        return not series and any(isinstance(field, InstanceMap) for field in fields.values())

    def measure(self, comparison: Comparison) -> Mapping[str, Any]:
        """Percentages are 0 to 100.

        The same network is trained with the same steps on the dataset, on the real training images
        and on both, and tested on the real test images, class by class of image.

        Raises:
            DataError: the objects' classes of the real data are not those of the dataset.
            UsageError: the real data are class maps without objects.
        """
        config = self.config
        tried = ways(config.steps, config.tricks)
        found = sets(comparison, config, semantic=False, choosing=len(tried) > 1)
        arms, real_test = found.arms, found.test
        reached, chosen = scores(found, config.seeds, tried, comparison.note)
        counts = {name: sum(item.label == i for item in real_test.items) for i, name in enumerate(real_test.classes)}
        result: dict[str, Any] = {
            "n_test": counts,
            "n_train": {name: len(examples) for name, examples in arms.items()},
            "seeds": config.seeds,
            "steps": config.steps,
            "scores": reached,
        }
        if found.validation is not None:
            result |= {"n_validation": len(found.validation), "chosen": chosen}
        if config.evaluator:
            result["evaluator"] = config.evaluator
            result["matched_iou"] = agreement_with(config.evaluator, arms["synthetic"], real_test)
        return result

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        lines = []
        for group, n in found["n_test"].items() if "scores" in found else ():
            if not n:
                continue
            lines.append(f"on {n} real test images ({group}), {found['seeds']} seeds, {chosen_text(found)}:")
            for name, groups in found["scores"].items():
                shown = ", ".join(f"{m} {v['mean']:.2f} +- {v['deviation']:.2f}" for m, v in groups[group].items())
                lines.append(f"  trained on {found['n_train'][name]:>5} {name:<9} {shown}{how(found, name)}")
            dice = {name: groups[group]["dice"]["mean"] for name, groups in found["scores"].items()}
            for metric in ("AJI", "PQ"):
                values = {name: groups[group][metric]["values"] for name, groups in found["scores"].items()}
                lines += gain_lines(values, metric)
            lines.append(f"  Dice of synthetic over real: {dice['synthetic'] / max(dice['real'], 1e-9):.3f}")
        if "matched_iou" in found:
            lines.append(f"mean IoU of the masks with those that {found['evaluator']} finds:")
            lines += [f"  {name:<20} {value:.3f}" for name, value in found["matched_iou"].items()]
        return "\n".join(lines)


def scores(
    found: Sets, n_seeds: int, tried: Sequence[Way], note: Callable[[str], None]
) -> tuple[dict[str, dict[str, dict[str, Any]]], dict[str, list[str]]]:
    """Every metric on each class of test image, in percent, of networks trained on each of the sets; and how."""
    arms, chosen = found.arms, {name: list[str]() for name in found.arms}
    values: dict[str, dict[str, dict[str, list[float]]]] = {name: {} for name in arms}
    for seed in range(n_seeds):
        for name, examples in arms.items():
            model, way = best(examples, seed, tried, found.validation, quality, PROBE)
            chosen[name].append(str(way))
            for group, one in by_class(model, found.test).items():
                kept = values[name].setdefault(group, {metric: [] for metric in METRICS})
                for metric in METRICS:
                    kept[metric].append(one[metric])
                note(f"seed {seed}: trained on {len(examples)} {name}, {group}: Dice {100 * one['dice']:.2f} %")
    reached = {
        name: {group: {m: in_percent(v) for m, v in kept.items()} for group, kept in groups.items()}
        for name, groups in values.items()
    }
    return reached, chosen


def quality(model: Any, examples: Examples) -> float:
    """Panoptic quality, a mean over the classes of images."""
    return float(np.mean([found["PQ"] for found in by_class(model, examples).values()]))


def by_class(model: Any, test: Examples) -> dict[str, dict[str, float]]:
    """The measures on each class of image, 0 to 1.

    dice, AJI, PQ: means over images; of several classes, PQ is a mean over them, too. mIoU: mean over background and
    classes of the IoU of all pixels.
    """
    found: dict[str, dict[str, float]] = {}
    for label, name in enumerate(test.classes):
        items = [item for item in test.items if item.label == label]
        if not items:
            continue
        matches = [match(model, item) for item in items]
        found[name] = {
            "dice": float(np.mean([m.dice for m in matches])),
            "AJI": float(np.mean([m.aggregated_jaccard for m in matches])),
            "PQ": float(np.mean([m.panoptic_quality for m in matches])),
            "mIoU": mean_iou(matches),
        }
        if len(test.objects) > 1:
            found[name] |= of_classes(model, items, len(test.objects))
    return found


def of_classes(model: Any, items: Sequence[Example], n_classes: int) -> dict[str, float]:
    """Panoptic quality, a mean over images and classes, and mean IoU over the classes, 0 to 1."""
    total, qualities = Confusion.none(n_classes), []
    for item in items:
        assert item.layout is not None
        true, seen = item.layout, model.segment(item.image[None])[0]
        total += Confusion.of(true.segmentation, seen.segmentation, n_classes)
        for cls in range(1, n_classes + 1):
            one, other = (segments(layout, cls) for layout in (true, seen))
            if one.any() or other.any():
                qualities.append(Match(one, other, true.segmentation == IGNORE).panoptic_quality)
    return {"PQ": float(np.mean(qualities)) if qualities else 1.0, "mIoU": total.mean_iou}


def segments(layout: Layout, cls: int) -> np.ndarray:
    """Numbers (H, W) of the segments of a class: of its objects, or 1 for all of a region."""
    inside = layout.segmentation == cls
    return np.where(inside, np.maximum(layout.instances, 1), 0)


def match(model: Any, item: Example) -> Match:
    assert item.layout is not None
    found = model.segment(item.image[None])[0]
    return Match(item.layout.instances, found.instances, item.layout.segmentation == IGNORE)


def mean_iou(matches: Sequence[Match]) -> float:
    """IoU of object and of background pixels over all images together, their mean."""
    ratios = []
    for background in (False, True):
        shared = sum(int((((m.intended > 0) != background) & ((m.found > 0) != background)).sum()) for m in matches)
        joined = sum(int((((m.intended > 0) != background) | ((m.found > 0) != background)).sum()) for m in matches)
        ratios.append(shared / max(joined, 1))
    return float(np.mean(ratios))


def agreement_with(evaluator: str, synthetic: Examples, real_test: Examples) -> Mapping[str, Any]:
    """Mean matched IoU of the masks with those of a segmenter that took no part, and the same on real pairs."""
    from synthgen.models import registry

    place = folders.resolve(evaluator)
    folders.check_class(place, evaluator, "Segmenter", "segmenter")
    model = registry.load_network(place, "cpu")
    found = {}
    for name, examples in (("synthetic", synthetic), ("real test", real_test)):
        for label, group in enumerate(examples.classes):
            items = [item for item in examples.items if item.label == label]
            if items:
                scores = [match(model, item).mean_iou for item in items]
                found[f"{name}, {group}"] = round(float(np.mean(scores)), 4)
    return found
