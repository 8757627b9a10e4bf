"""What classifiers learn from generated images, real ones and both: trained alike, chosen on real validation images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from synthgen.measures.images import probe
from synthgen.measures.images.labelled import Labelled
from synthgen.measures.images.probe import Budget

SURE = 0.5
"""Share of the images without labels that self-training learns from: those of each class that are surest of it."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What networks reach that are trained on one set: one of each list for each seed.

    Attributes:
        n: images that are trained on.
        accuracy: share of the test images that are classified rightly, 0 to 1.
        recalls: the same of each class, (K,), NaN without test images.
        chosen: how the best network on validation images was trained.
    """

    n: int
    accuracy: list[float] = field(default_factory=list)
    recalls: list[np.ndarray] = field(default_factory=list)
    chosen: list[Budget] = field(default_factory=list)

    @property
    def balanced(self) -> list[float]:
        """Means of the classes' shares, 0 to 1."""
        return [float(np.nanmean(found)) for found in self.recalls]


def usefulness(
    synthetic: Labelled,
    real: Labelled,
    test: Labelled,
    n_classes: int,
    seeds: Sequence[int],
    budgets: Sequence[Budget],
    say: Callable[[str], None],
    validation: Labelled | None = None,
    unlabelled: np.ndarray | None = None,
) -> Mapping[str, Arm]:
    """What the same probe reaches on `test`, trained on synthetic images, on real ones, and on both.

    As many real images are used as there are synthetic ones (or all of them, if there are
    fewer, or if no synthetic one shows a class that they show); "both" is their union. Of several
    budgets, each probe has the one with the best mean of the classes' shares on `validation`, real
    images that are not trained on. No choice is made on `test`.

    Args:
        unlabelled: real images without labels, uint8 (N, H, W, C): a fourth set, "self-trained", is the real ones and
            those of these that the probe of the real ones is surest of, under the class that it sees.
    """
    arms: dict[str, Arm] = {}
    n_real = len(synthetic) if set(real.labels) <= set(synthetic.labels) else len(real)

    def trained(name: str, data: Labelled, seed: int) -> nn.Module:
        model, budget = best(data, n_classes, seed, budgets, validation)
        accuracy, recalls = shares_right(model, test, n_classes)
        arm = arms.setdefault(name, Arm(len(data)))
        arm.accuracy.append(accuracy)
        arm.recalls.append(recalls)
        arm.chosen.append(budget)
        how = f" in {budget}" if len(budgets) > 1 else ""
        found = f"{100 * accuracy:.2f} % on {len(test)} real ones"
        say(f"seed {seed}: trained on {len(data)} {name} images{how}: {found}")
        return model

    for seed in seeds:
        some = real.subset(n_real, seed)
        trained("synthetic", synthetic, seed)
        teacher = trained("real", some, seed)
        trained("both", synthetic.join(some), seed)
        if unlabelled is not None:
            trained("self-trained", some.join(named(teacher, unlabelled, n_classes)), seed)
    return arms


def best(
    data: Labelled, n_classes: int, seed: int, budgets: Sequence[Budget], validation: Labelled | None
) -> tuple[nn.Module, Budget]:
    """The probe that is best on `validation` of those trained with each budget; without validation, the first."""
    targets = data.labels if data.soft is None else data.soft
    models = [probe.train(data.images, targets, n_classes, seed, one, data.weights) for one in budgets]
    place = 0
    if validation is not None:
        place = int(np.argmax([np.nanmean(shares_right(model, validation, n_classes)[1]) for model in models]))
    return models[place], budgets[place]


def shares_right(model: nn.Module, data: Labelled, n_classes: int) -> tuple[float, np.ndarray]:
    """Share of the images that a probe gets right, and that of each class, (K,), NaN without images of it."""
    right = probe.predict(model, data.images) == data.labels
    each = [right[data.labels == label] for label in range(n_classes)]
    return float(right.mean()), np.array([some.mean() if len(some) else np.nan for some in each])


def named(teacher: nn.Module, images: np.ndarray, n_classes: int) -> Labelled:
    """Of images without labels, the surest half of each class that a probe sees, under that class."""
    chances = probe.probabilities(teacher, images)
    labels, sure = chances.argmax(1), chances.max(1)
    rows = [np.flatnonzero(labels == label) for label in range(n_classes)]
    kept = [one[np.argsort(-sure[one], kind="stable")][: round(SURE * len(one))] for one in rows]
    chosen = np.sort(np.concatenate(kept))
    return Labelled(images[chosen], labels[chosen])
