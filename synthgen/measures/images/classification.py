"""How useful is a dataset of labelled images? Train on it and test on real images; then compare features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from synthgen.base.fetched import local_path
from synthgen.dataset import loading
from synthgen.errors import DataError
from synthgen.fields import Image, InstanceMap, Label, Schema
from synthgen.measures.images.labelled import Labelled, stacked
from synthgen.measures.settings import MeasureSettings, chosen_text, gain, how, in_percent, ways
from synthgen.models import folders
from synthgen.parts.protocols import Comparison
from synthgen.readers.images import labelled as real_data
from synthgen.readers.images import unlabelled
from synthgen.recipe.sections import Steps

if TYPE_CHECKING:  # torch is imported where it is needed: plans ask every measure what it would miss
    from synthgen.measures.images.usefulness import Arm

ClassTrick = Literal["cutout", "mixup", "averaged", "oversampled", "adjusted"]
N_FEATURES = 10_000
VALIDATION = 0.1
UNEVEN = 1.5
"""From this ratio of the most to the least frequent class on, the mean of the classes' shares is printed, too."""


class Classification:
    """Accuracy on real test images of a network trained on the dataset, beside networks trained on real images.

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
            "validation images: a split `val`, or a tenth of the training images, which are then not trained on.",
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
        """
        from synthgen.measures.images.probe import Budget
        from synthgen.measures.images.usefulness import usefulness

        config = self.config
        dataset = loading.load(comparison.folder, split=config.part, allow_incomplete=comparison.allow_incomplete)
        classes = list(dataset.classes)
        synthetic = stacked(dataset)
        train_set, test_set = read_real(comparison, classes, synthetic.images.shape[1:])
        budgets = [Budget(way.steps, way.trick) for way in ways(config.steps, config.tricks)]
        validation = None
        if len(budgets) > 1:
            train_set, validation = _validation(comparison, train_set, classes, synthetic.images.shape[1:])
        arms = usefulness(
            synthetic,
            train_set,
            test_set,
            len(classes),
            range(config.seeds),
            budgets,
            comparison.note,
            validation,
            _unlabelled(comparison, train_set, classes),
        )
        found: dict[str, Any] = {
            "n_test": len(test_set),
            "seeds": config.seeds,
            "steps": config.steps,
            "accuracy": {name: {"n": arm.n, **in_percent(arm.accuracy)} for name, arm in arms.items()},
        }
        if _is_uneven(train_set) or _is_uneven(test_set):
            found["balanced"] = {name: {"n": arm.n, **in_percent(arm.balanced)} for name, arm in arms.items()}
            found["recall"] = {name: _recalls(arm, classes) for name, arm in arms.items()}
        if validation is not None:
            found["n_validation"] = len(validation)
            found["chosen"] = {name: [str(budget) for budget in arm.chosen] for name, arm in arms.items()}
        if config.evaluator:
            from synthgen.models import registry

            place = folders.resolve(config.evaluator)
            network = registry.load_network(place, "cpu")
            found["evaluator"] = config.evaluator
            found["fd_name"] = f"FD-task({folders.weights_sha256(place)[:8]})"
            found["features"] = in_features(network, synthetic, train_set, test_set)
        return found

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        if "accuracy" not in found:
            return ""
        tested = f"accuracy on {found['n_test']} real test images, {found['seeds']} seeds"
        lines = [f"{tested}, {chosen_text(found)}:", *_lines(found["accuracy"], found)]
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


def _is_uneven(some: Labelled) -> bool:
    counts = np.unique(some.labels, return_counts=True)[1]
    return bool(counts.max(initial=0) > UNEVEN * counts.min(initial=1))


def _recalls(arm: Arm, classes: list[str]) -> dict[str, Any]:
    """Share of each class's test images that are classified rightly, in percent; of classes that have some."""
    values = np.array(arm.recalls)
    return {
        name: in_percent(values[:, i].tolist()) for i, name in enumerate(classes) if not np.isnan(values[:, i]).any()
    }


def in_features(evaluator: Any, synthetic: Labelled, real: Labelled, test: Labelled) -> dict[str, float]:
    """Measures in the feature space of `evaluator`, an ImageClassifier that made no decision about the data.

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
        "agreement": float((evaluator.predict_proba(synthetic.images).argmax(1) == synthetic.labels).mean()),
        "agreement_test": float((evaluator.predict_proba(test.images).argmax(1) == test.labels).mean()),
        "fd": features.frechet_distance(f_synthetic, f_real),
        "fd_floor": features.frechet_distance(f_test, f_real),
        "coverage": features.coverage(f_real, f_synthetic),
        "coverage_test": features.coverage(f_real, f_test),
        "nearest_ratio": float(np.median(to_train) / np.median(test_to_train)),
    }


def read_real(comparison: Comparison, classes: list[str], shape: tuple[int, ...]) -> tuple[Labelled, Labelled]:
    """Real training and test images in the dataset's size and with its class ids, their values read by one range."""
    data, test = comparison.data, comparison.test
    path, skip_broken = str(data["path"]), bool(data.get("skip_broken", False))
    wanted: Any = data.get("range", "auto")
    wanted = wanted if wanted == "auto" else tuple(wanted)
    train_images = real_data.read(path, "train", None, shape[0], shape[2], wanted, skip_broken)
    wanted = train_images.pixels.bounds or wanted
    test_images = real_data.read(test or path, "test", None, shape[0], shape[2], wanted, skip_broken)
    for note in dict.fromkeys([*train_images.notes, *test_images.notes]):
        comparison.note(note)
    return relabelled(train_images, classes, path), relabelled(test_images, classes, test or path)


def _validation(
    comparison: Comparison, training: Labelled, classes: list[str], shape: tuple[int, ...]
) -> tuple[Labelled, Labelled]:
    """Training images without those that choose the steps, and those: of a split `val`, or a tenth of them."""
    path = str(comparison.data["path"])
    if place := real_data.validation_folder(local_path(path)):
        wanted = comparison.data.get("range", "auto")
        found = real_data.read(str(place), "train", None, shape[0], shape[2], wanted)
        return training, relabelled(found, classes, str(place))
    return training.split(max(1, round(VALIDATION * len(training))), 0)


def _unlabelled(comparison: Comparison, training: Labelled, classes: list[str]) -> np.ndarray | None:
    """Real images without labels, uint8 (N, H, W, C), if the real data name some, in the size of the labelled ones."""
    data = comparison.data
    if not data.get("unlabelled"):
        return None
    beside = real_data.LabelledImages(training.images, training.labels, tuple(classes))
    return unlabelled.read(real_data.DataConfig.model_validate(dict(data)), beside).images


def relabelled(images: Any, classes: list[str], where: str) -> Labelled:
    """Only the dataset's classes, under the dataset's ids; classes are matched by name."""
    if not set(classes) <= set(images.classes):
        raise DataError(f"{where} has the classes {list(images.classes)}; the dataset has {classes}")
    ids = np.array([classes.index(name) if name in classes else -1 for name in images.classes])
    labels = ids[images.labels]
    return Labelled(images.images[labels >= 0], labels[labels >= 0])
