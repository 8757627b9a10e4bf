"""How useful is a dataset of labelled images? Train on it and test on real images; then compare features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from synthgen.base.fetched import local_path
from synthgen.dataset import loading
from synthgen.errors import DataError
from synthgen.fields import Image, InstanceMap, Label, Number, Probabilities, Schema
from synthgen.measures.settings import MeasureSettings, Spread, gain, in_percent
from synthgen.models import folders
from synthgen.parts.protocols import Comparison
from synthgen.readers.images import labelled as real_data
from synthgen.recipe.sections import Steps

if TYPE_CHECKING:  # torch is imported where it is needed: plans ask every measure what it would miss
    from synthgen.measures.images.probe import Budget

N_FEATURES = 10_000
VALIDATION = 0.1
SOFT, WEIGHT = "soft_label", "weight"
"""Fields that networks are trained with where a dataset has them: how much of each class, and how much it counts."""


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

        config = self.config
        dataset = loading.load(comparison.folder, split=config.part, allow_incomplete=comparison.allow_incomplete)
        classes = list(dataset.classes)
        synthetic = stacked(dataset)
        train_set, test_set = read_real(comparison, classes, synthetic.images.shape[1:])
        grid = [config.steps] if isinstance(config.steps, int) else config.steps
        validation = None
        if len(grid) > 1:
            train_set, validation = _validation(comparison, train_set, classes, synthetic.images.shape[1:])
        budgets, seeds = [Budget(steps=steps) for steps in grid], range(config.seeds)
        accuracy, best = usefulness(
            synthetic, train_set, test_set, len(classes), seeds, budgets, comparison.note, validation
        )
        n_real = min(len(train_set), len(synthetic))
        sizes = {"synthetic": len(synthetic), "real": n_real, "both": n_real + len(synthetic)}
        found: dict[str, Any] = {
            "n_test": len(test_set),
            "seeds": config.seeds,
            "steps": config.steps,
            "accuracy": {name: {"n": sizes[name], **in_percent(spread.values)} for name, spread in accuracy.items()},
        }
        if validation is not None:
            found |= {"n_validation": len(validation), "chosen_steps": best}
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
        said = ", ".join(map(str, steps)) if isinstance(steps := found["steps"], list) else str(steps)
        chosen = f", the best on {found['n_validation']} real validation images" if "n_validation" in found else ""
        lines = [f"accuracy on {found['n_test']} real test images, {found['seeds']} seeds, {said} steps{chosen}:"]
        for name, values in found["accuracy"].items():
            best = found.get("chosen_steps", {}).get(name)
            with_steps = f"  in {', '.join(map(str, best))} steps" if best else ""
            reached = f"{values['mean']:6.2f} +- {values['deviation']:.2f} %"
            lines.append(f"  trained on {values['n']:>6} {name:<9} {reached}{with_steps}")
        real = found["accuracy"]["real"]["values"]
        for name in ("synthetic", "both"):
            lines.append(f"  {name} less real: {gain(found['accuracy'][name]['values'], real)}")
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


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images uint8 (N, H, W, C) with class ids int64 (N,).

    `soft` are soft labels float32 (N, K), `weights` how much each image counts, (N,); None if there are none.
    """

    images: np.ndarray
    labels: np.ndarray
    soft: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, n: int, seed: int) -> Labelled:
        """At most `n` samples, the same share of every class as here."""
        return self if n >= len(self) else self.take(self._spread(n, seed))

    def split(self, n: int, seed: int) -> tuple[Labelled, Labelled]:
        """The others, and `n` samples, the same share of every class in both."""
        rows = self._spread(n, seed)
        return self.take(np.setdiff1d(np.arange(len(self)), rows)), self.take(rows)

    def take(self, rows: np.ndarray) -> Labelled:
        soft, weights = (None if each is None else each[rows] for each in (self.soft, self.weights))
        return Labelled(self.images[rows], self.labels[rows], soft, weights)

    def _spread(self, n: int, seed: int) -> np.ndarray:
        """Rows of `n` samples, the same share of every class as here."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self))
        rank = np.empty(len(self))
        for cls in np.unique(self.labels):
            rows = order[self.labels[order] == cls]
            rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        picked: np.ndarray = np.sort(np.argsort(rank, kind="stable")[:n])
        return picked

    def join(self, other: Labelled) -> Labelled:
        """Both; where one has soft labels or weights, those of the other are its classes, and 1."""
        soft = weights = None
        if self.soft is not None or other.soft is not None:
            n = next(some.soft.shape[1] for some in (self, other) if some.soft is not None)
            soft = np.concatenate([some.targets(n) for some in (self, other)])
        if self.weights is not None or other.weights is not None:
            each = [np.ones(len(some)) if some.weights is None else some.weights for some in (self, other)]
            weights = np.concatenate(each)
        images, labels = (
            np.concatenate([getattr(some, name) for some in (self, other)]) for name in ("images", "labels")
        )
        return Labelled(images, labels, soft, weights)

    def targets(self, n_classes: int) -> np.ndarray:
        """The soft labels, float32 (N, K); without any, 1 for the class."""
        return np.eye(n_classes, dtype=np.float32)[self.labels] if self.soft is None else self.soft


def usefulness(
    synthetic: Labelled,
    real: Labelled,
    test: Labelled,
    n_classes: int,
    seeds: Sequence[int],
    budgets: Sequence[Budget],
    say: Callable[[str], None],
    validation: Labelled | None = None,
) -> tuple[dict[str, Spread], dict[str, list[int]]]:
    """Accuracy on `test` of the same probe trained on synthetic, real, and both, and the steps of each training.

    As many real images are used as there are synthetic ones (or all of them, if there are
    fewer); "both" is their union. Of several budgets, each probe has the one that is best on `validation`, real images
    that are not trained on. No choice is made on `test`.
    """
    from synthgen.measures.images import probe

    accuracies: dict[str, list[float]] = {"synthetic": [], "real": [], "both": []}
    chosen: dict[str, list[int]] = {name: [] for name in accuracies}
    for seed in seeds:
        some = real.subset(len(synthetic), seed)
        for name, data in (("synthetic", synthetic), ("real", some), ("both", synthetic.join(some))):
            targets = data.labels if data.soft is None else data.soft
            models = [probe.train(data.images, targets, n_classes, seed, one, data.weights) for one in budgets]
            best = 0
            if validation is not None:
                best = int(np.argmax([accuracy_of(model, validation) for model in models]))
            accuracy = accuracy_of(models[best], test)
            accuracies[name].append(accuracy)
            chosen[name].append(budgets[best].steps)
            steps = f" in {budgets[best].steps} steps" if len(budgets) > 1 else ""
            found = f"{100 * accuracy:.2f} % on {len(test)} real ones"
            say(f"seed {seed}: trained on {len(data)} {name} images{steps}: {found}")
    return {name: Spread(tuple(values)) for name, values in accuracies.items()}, chosen


def accuracy_of(model: Any, data: Labelled) -> float:
    """Share of the images that a probe gets right."""
    from synthgen.measures.images import probe

    return float((probe.predict(model, data.images) == data.labels).mean())


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


def stacked(dataset: Any) -> Labelled:
    """A loaded dataset as arrays, with its fields `soft_label` and `weight`, if it has them.

    Raises:
        DataError: a weight is negative, or all are 0, or soft labels are of other classes.
    """
    samples = [dataset[i] for i in range(len(dataset))]
    soft, weights = (
        np.stack([sample[name] for sample in samples]) if isinstance(dataset.fields.get(name), kind) else None
        for name, kind in ((SOFT, Probabilities), (WEIGHT, Number))
    )
    if soft is not None and dataset.fields[SOFT].classes != tuple(dataset.classes):
        raise DataError(
            f"the field `{SOFT}` is of other classes than `label`: {', '.join(dataset.fields[SOFT].classes)}"
        )
    if weights is not None and (weights.min() < 0 or not weights.any()):
        raise DataError(
            f"the field `{WEIGHT}` must be 0 or more, and above 0 somewhere; {weights.min():g} is the least"
        )
    images = np.stack([sample["image"] for sample in samples])
    return Labelled(images, np.array([sample["label"] for sample in samples]), soft, weights)


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


def relabelled(images: Any, classes: list[str], where: str) -> Labelled:
    """Only the dataset's classes, under the dataset's ids; classes are matched by name."""
    if not set(classes) <= set(images.classes):
        raise DataError(f"{where} has the classes {list(images.classes)}; the dataset has {classes}")
    ids = np.array([classes.index(name) if name in classes else -1 for name in images.classes])
    labels = ids[images.labels]
    return Labelled(images.images[labels >= 0], labels[labels >= 0])
