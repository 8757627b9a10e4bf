"""How useful is a dataset of labelled images? Train on it and test on real images; then compare features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from synthgen.base.units import plural
from synthgen.dataset import loading
from synthgen.errors import ModelError
from synthgen.fields import Image, InstanceMap, Label, Schema
from synthgen.measures.images import real as real_images
from synthgen.measures.images.labelled import Labelled, stacked
from synthgen.measures.settings import MeasureSettings, chosen_text, gain, how, in_percent, ways
from synthgen.models import folders
from synthgen.parts.protocols import Comparison
from synthgen.parts.registry import unknown
from synthgen.recipe.sections import Steps

if TYPE_CHECKING:  # torch is imported where it is needed: plans ask every measure what it would miss
    from synthgen.measures.images.usefulness import Arm

ClassTrick = Literal["cutout", "mixup", "averaged", "oversampled", "adjusted"]
N_FEATURES = 10_000
NAMED = 10
"""Classes that are named where a dataset lacks some; what is beyond is counted."""
FEW = 50
"""Validation images. By so many, two standard errors of a difference are 12 points, where 90 % are classified rightly:
2 sqrt(2 * 0.9 * 0.1 / 50)."""
UNEVEN = 1.5
"""From this ratio of the most to the least frequent class on, the mean of the classes' shares is printed, too."""


class Classification:
    """Accuracy on real test images of a network trained on the dataset, beside networks trained on real images.

    Classes are those of the real images, matched by name; a dataset may lack some, such as one of rare classes alone.
    The fields `soft_label` and `weight` of a dataset are trained with.

    With `evaluator`, also features of the dataset beside those of real images.
    """

    version = 1
    needs = "an `image` and its class (`label`, by the labeler class-label)"
    readers = ("images-by-class",)

    class Config(MeasureSettings):
        """Settings of the comparison of labelled images."""

        steps: Steps = Field(
            default=2000,
            description="Training steps of each network; of several numbers, each has the one that is best on real "
            "validation images: a split `val`, or a tenth of the training images (or more, as `data.validation` says), "
            "which are then not trained on.",
        )
        tricks: list[ClassTrick] = Field(
            default=[],
            description="Ways of training that are tried beside the plain one, for every network and number of steps, "
            "and chosen likewise.",
        )
        evaluator: str | None = Field(default=None, description="A classifier that took no part in making the data.")

    def __init__(self, config: Config) -> None:
        self.config = config

    @staticmethod
    def fits(fields: Schema) -> bool:
        masks = any(isinstance(field, InstanceMap) for field in fields.values())
        return not masks and isinstance(fields.get("image"), Image) and isinstance(fields.get("label"), Label)

    def measure(self, comparison: Comparison) -> Mapping[str, Any]:
        """Percentages are 0 to 100.

        Raises:
            DataError: the classes of the real data are not those of the dataset.
            ModelError: the evaluator does not fit the dataset.
        """
        from synthgen.measures.images.probe import Budget
        from synthgen.measures.images.usefulness import usefulness

        config = self.config
        dataset = loading.load(comparison.folder, split=config.part, allow_incomplete=comparison.allow_incomplete)
        classes = list(dataset.fields["label"].classes)  # type: ignore[attr-defined]
        evaluator = Evaluator(config.evaluator, classes, dataset.fields["image"]) if config.evaluator else None
        synthetic = stacked(dataset)
        budgets = [Budget(way.steps, way.trick) for way in ways(config.steps, config.tricks)]
        real = real_images.read(comparison, classes, synthetic.images, choosing=len(budgets) > 1)
        train_set, test_set, validation, names = real.train, real.test, real.validation, real.classes
        missing = np.setdiff1d(train_set.labels, synthetic.labels).tolist()
        lacks = [names[i] for i in missing]
        if lacks:
            comparison.note(lack_text(lacks))
        if validation is not None and len(validation) < FEW:
            comparison.note(few_text(len(validation)))
        arms = usefulness(
            synthetic.widened(len(names)),
            train_set,
            test_set,
            len(names),
            range(config.seeds),
            budgets,
            comparison.note,
            validation,
            real.unlabelled,
        )
        found: dict[str, Any] = {
            "n_test": len(test_set),
            "seeds": config.seeds,
            "steps": config.steps,
            "accuracy": {name: {"n": arm.n, **in_percent(arm.accuracy)} for name, arm in arms.items()},
        }
        if lacks:
            found["lacks"] = lacks
        if _is_uneven(train_set) or _is_uneven(test_set):
            found["balanced"] = {name: {"n": arm.n, **in_percent(arm.balanced)} for name, arm in arms.items()}
            found["recall"] = {name: _recalls(arm, names) for name, arm in arms.items()}
        if validation is not None:
            found["n_validation"] = len(validation)
            found["chosen"] = {name: [str(budget) for budget in arm.chosen] for name, arm in arms.items()}
        if evaluator is not None:
            found["evaluator"] = config.evaluator
            found["fd_name"] = f"FD-task({folders.weights_sha256(evaluator.folder)[:8]})"
            own = (some.take(np.flatnonzero(some.labels < len(classes))) for some in (train_set, test_set))
            found["features"] = in_features(evaluator, synthetic, *own)
        return found

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        if "accuracy" not in found:
            return ""
        tested = f"accuracy on {found['n_test']} real test images, {found['seeds']} seeds"
        lines = [f"{tested}, {chosen_text(found)}:", *_lines(found["accuracy"], found)]
        if "lacks" in found:
            lines.append(f"  {lack_text(found['lacks'])}")
        if found.get("n_validation", FEW) < FEW:
            lines.append(f"  {few_text(found['n_validation'])}")
        if "balanced" in found:
            lines += ["mean of the classes' shares of right answers:", *_lines(found["balanced"], {})]
        if "features" in found:
            f = found["features"]
            lines += [
                f"in the features of {found['evaluator']}:",
                f"  labels that it shares  {100 * f['agreement']:6.2f} %  (real test images: "
                f"{100 * f['agreement_test']:.2f} %)",
                f"  {found['fd_name']}  {f['fd']:6.2f}    (real test images: {f['fd_floor']:.2f})",
                f"  coverage               {f['coverage']:6.3f}    (real test images: {f['coverage_test']:.3f})",
                f"  distance to nearest training image, over that of test images: {f['nearest_ratio']:.3f}",
            ]
        return "\n".join(lines)


def _lines(scores: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What each set is worth, how its networks were trained, and what sets are worth less the real one."""
    lines = []
    for name, values in scores.items():
        reached = f"{values['mean']:6.2f} +- {values['deviation']:.2f} %"
        lines.append(f"  trained on {values['n']:>6} {name:<12} {reached}{how(found, name)}")
    real = scores["real"]["values"]
    return lines + [f"  {name} less real: {gain(v['values'], real)}" for name, v in scores.items() if name != "real"]


def few_text(n: int) -> str:
    """What follows from choosing by `n` validation images, in words."""
    return (
        f"a choice by {plural(n, 'validation image')} is mostly chance: add images to a split `val`, or give "
        f"`data.validation` a larger share, until there are {FEW} or more; or give one number of steps, and no tricks"
    )


def lack_text(lacks: Sequence[str]) -> str:
    """Which classes of the real images the dataset has no images of, and what follows, in words."""
    shown = ", ".join(lacks[:NAMED]) + (f" and {len(lacks) - NAMED} more" if lacks[NAMED:] else "")
    return (
        f"the dataset has no images of {shown}: trained on it alone, a network never finds these; the others learn "
        "from all real training images"
    )


def _is_uneven(some: Labelled) -> bool:
    counts = np.unique(some.labels, return_counts=True)[1]
    return bool(counts.max(initial=0) > UNEVEN * counts.min(initial=1))


def _recalls(arm: Arm, classes: Sequence[str]) -> dict[str, Any]:
    """Share of each class's test images that are classified rightly, in percent; of classes that have some."""
    values = np.array(arm.recalls)
    return {
        name: in_percent(values[:, i].tolist()) for i, name in enumerate(classes) if not np.isnan(values[:, i]).any()
    }


class Evaluator:
    """An ImageClassifier that made no decision about the data; its classes are matched by name.

    Args:
        classes: of the dataset; image: the images of the dataset.

    Raises:
        ModelError: it is another kind of model, lacks a class, or sees images of another shape.
    """

    def __init__(self, name: str, classes: list[str], image: Any) -> None:
        self.folder = folders.resolve(name)
        index = folders.check_class(self.folder, name, "ImageClassifier", "classifier")
        known, shape = folders.names_in_order(index), folders.image_shape(self.folder, index)
        for one in classes:
            if one not in known:
                raise ModelError(f"--evaluator {name}: {unknown(one, known, 'class')}")
        if shape != (image.height, image.width, image.channels):
            given = (image.height, image.width, image.channels)
            raise ModelError(f"--evaluator {name}: sees images of the shape {shape}, and the dataset has {given}")
        self._ids = np.array([known.index(one) for one in classes])

    @cached_property
    def _network(self) -> Any:
        from synthgen.models import registry

        return registry.load_network(self.folder, "cpu")

    def features(self, images: np.ndarray) -> np.ndarray:
        """float32 (N, F)."""
        found: np.ndarray = self._network.features(images)
        return found

    def agrees(self, some: Labelled) -> float:
        """Share of the labels that are what it sees."""
        return float((self._network.predict_proba(some.images).argmax(1) == self._ids[some.labels]).mean())


def in_features(evaluator: Evaluator, synthetic: Labelled, real: Labelled, test: Labelled) -> dict[str, float]:
    """Measures in the feature space of `evaluator`.

    `agreement` is the share of labels that the evaluator shares; `agreement_test` the same on real
    test images, its ceiling. `fd` is the Frechet distance from the real training images and
    `fd_floor` that of the test images; `coverage` and `coverage_test` likewise; `nearest_ratio`
    is the median distance of a synthetic image to its nearest training image, over that of a
    test image (well under 1 means copying).
    """
    from synthgen.measures import features

    n = min(N_FEATURES, len(synthetic), len(test))
    some, held_out, reference = synthetic.subset(n, 0), test.subset(n, 0), real.subset(N_FEATURES, 0)
    f_synthetic, f_test, f_real = (evaluator.features(data.images) for data in (some, held_out, reference))
    to_train, _ = features.nearest_distances(f_synthetic, f_real)
    test_to_train, _ = features.nearest_distances(f_test, f_real)
    return {
        "agreement": evaluator.agrees(synthetic),
        "agreement_test": evaluator.agrees(test),
        "fd": features.frechet_distance(f_synthetic, f_real),
        "fd_floor": features.frechet_distance(f_test, f_real),
        "coverage": features.coverage(f_real, f_synthetic),
        "coverage_test": features.coverage(f_real, f_test),
        "nearest_ratio": float(np.median(to_train) / np.median(test_to_train)),
    }
