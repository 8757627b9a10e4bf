"""Do generated images help where some classes are rare? Fashion-MNIST, the rarest a hundred times rarer.

The numbers of the classes fall evenly from 6,000 to 60, with --tail the rarest last: by default those that are hard to
tell apart. For each draw of the images a class-conditional model learns from them, rare classes more often, and
generates what would balance them, at each of --guidance. Arms of the same probe:

- plain; adjusted: the same, with the logarithm of each class's share taken off its output (Menon et al. 2021);
- oversampled: real images, those of rare classes repeated;
- drawn: these and the generated ones, oversampled to what is still missing; checked: the same with those generated
  images alone that a classifier of the same real images agrees with; half: generated images are what a class is short
  of, but never more than half of it;
- varied, half: as the last, of real images that are generated again with --strength;
- balanced: as many real images of every class as generated and real ones together: what there is to win.

Each arm has its own number of steps, the best mean recall of classes on validation images that nothing else sees.
"Fidelity" is the share of generated images in which a classifier that saw all real images sees the class.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial, reduce
from pathlib import Path
from typing import Any

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

import torch  # noqa: E402
from clothes import NETWORK, drawn, generator, kept, parquet, remembered  # noqa: E402
from torch import nn  # noqa: E402

from synthgen import seeds as streams  # noqa: E402
from synthgen.measures.images import probe  # noqa: E402
from synthgen.measures.images.labelled import Labelled  # noqa: E402
from synthgen.measures.settings import gain  # noqa: E402
from synthgen.models import folders, registry  # noqa: E402
from synthgen.readers.images import labelled  # noqa: E402

MOST, LEAST = 6000, 60
N_VALIDATION = 200
"""Of each class, taken before anything else, from 6,000."""

HARD = ["Pullover", "Coat", "Shirt"]


def imbalanced(
    real: Labelled, order: Sequence[int], random: np.random.Generator
) -> tuple[Labelled, Labelled, Labelled]:
    """Images whose numbers fall along `order`, all that are left beside validation images, and those."""
    rows = [random.permutation(np.flatnonzero(real.labels == label)) for label in range(len(order))]
    counts = np.round(MOST * (LEAST / MOST) ** (np.arange(len(order)) / (len(order) - 1))).astype(int)
    held = np.concatenate([some[:N_VALIDATION] for some in rows])
    rest = [some[N_VALIDATION:] for some in rows]
    few = np.concatenate([rest[label][:n] for label, n in zip(order, counts, strict=True)])
    return real.take(few), real.take(np.concatenate(rest)), real.take(held)


def oversampled(some: Labelled, random: np.random.Generator) -> Labelled:
    """Every class as often as the most frequent one, its images repeated."""
    most = int(np.bincount(some.labels).max())
    rows = [np.flatnonzero(some.labels == label) for label in np.unique(some.labels)]
    return some.take(np.concatenate([np.resize(random.permutation(one), most) for one in rows]))


def half(few: Labelled, made: Labelled, random: np.random.Generator) -> Labelled:
    """Every class as often as the most frequent one: generated images make up what is missing, but half at most."""
    most, parts = int(np.bincount(few.labels).max()), list[Labelled]()
    for label in np.unique(few.labels):
        rows, others = (np.flatnonzero(some.labels == label) for some in (few, made))
        n = min(most - len(rows), most // 2)
        parts += [few.take(np.resize(random.permutation(rows), most - n))]
        parts += [made.take(np.resize(random.permutation(others), n))] if n else []
    return reduce(Labelled.join, parts)


def varied(made: Any, few: Labelled, classes: tuple[str, ...], n_each: int, strength: float, seed: int) -> np.ndarray:
    """Images of each class in turn, uint8 (N, H, W, C), each a real one that was generated again without guidance."""
    ids, images = [made.classes.index(name) for name in classes], []
    for label in range(len(classes)):
        rows = np.resize(np.flatnonzero(few.labels == label), n_each)
        for start in range(0, n_each, 100):
            some = few.images[rows[start : start + 100]]
            own = [streams.seed_of(seed, "varied", label * n_each + start + i) for i in range(len(some))]
            latents = torch.from_numpy(streams.normals(own, (1, 28, 28)))
            found = made([ids[label]] * len(some), latents=latents, images=some, strength=strength, output_type="uint8")
            images.append(found.images)
    return np.concatenate(images)


def recalls(model: nn.Module, some: Labelled, prior: np.ndarray | None) -> np.ndarray:
    """Percent of the images of each class that a probe gets right; with `prior`, its logits are adjusted."""
    with torch.inference_mode():
        parts = [model(probe.to_tensor(some.images[i : i + 500])) for i in range(0, len(some), 500)]
    logits = torch.cat(parts).numpy() - (0 if prior is None else np.log(prior))
    right = logits.argmax(1) == some.labels
    return np.array([100 * right[some.labels == label].mean() for label in np.unique(some.labels)])


def one(given: argparse.Namespace, draw: int) -> dict[str, list[np.ndarray]]:
    """Recall of each class for every arm and seed, and the fidelity of what was generated."""
    out, random = given.out / f"{'-'.join(given.tail)}-{draw}".replace("/", ""), np.random.default_rng(draw)
    full, tested = labelled.read(given.real), labelled.read(given.real, "test")
    n, tail = len(full.classes), [full.classes.index(name) for name in given.tail]
    order = [label for label in range(n) if label not in tail] + tail
    few, everything, validation = imbalanced(Labelled(full.images, full.labels), order, random)
    counts, test = np.bincount(few.labels, minlength=n), Labelled(tested.images, tested.labels)
    data = {"path": parquet(out / "few.parquet", few, full.classes)}
    more = {"network": NETWORK, "class_balance": given.balance}
    made = generator(out / "model", data, given.train_steps, draw, **more)
    missing = np.minimum(counts.max() - counts, given.most)
    labels = np.repeat(np.arange(n), given.most)
    teacher = probe.train(few.images, few.labels, n, draw, probe.Budget(given.steps[-1]))
    judge = registry.load_network(folders.resolve("starter/fashion-mnist-evaluator"), "cpu")
    arms: dict[str, tuple[Labelled, np.ndarray | None]] = {
        "plain": (few, None),
        "adjusted": (few, counts / counts.sum()),
        "oversampled": (oversampled(few, random), None),
    }
    for guidance in given.guidance:
        make = partial(drawn, made, full.classes, given.most, guidance, draw)
        images = kept(out / f"drawn-{guidance:g}.npy", make)
        seen = judge.predict_proba(images).argmax(1) == labels
        fidelity = [100 * seen[labels == label].mean() for label in range(n)]
        print(f"draw {draw}, guidance {guidance:g}: fidelity {np.mean(fidelity):.1f} %, of the tail", end=" ")
        print(", ".join(f"{full.classes[label]} {fidelity[label]:.1f}" for label in tail), flush=True)
        right = probe.predict(teacher, images) == labels
        for name, wanted in (("drawn", np.ones(len(labels), bool)), ("checked", right)):
            rows = [np.flatnonzero(wanted & (labels == label))[: missing[label]] for label in range(n)]
            added = few.join(Labelled(images, labels).take(np.concatenate(rows)))
            arms[f"{name} at {guidance:g}"] = oversampled(added, random), None
        arms[f"half at {guidance:g}"] = half(few, Labelled(images, labels), random), None
    again = partial(varied, made, few, full.classes, given.most, given.strength, draw)
    changed = Labelled(kept(out / f"varied-{given.strength:g}.npy", again), labels)
    arms["varied, half"] = half(few, changed, random), None
    rows = [np.flatnonzero(everything.labels == label)[: counts[label] + missing[label]] for label in range(n)]
    arms["balanced"] = oversampled(everything.take(np.concatenate(rows)), random), None
    found: dict[str, list[np.ndarray]] = {}

    def scores(name: str, seed: int) -> list[float]:
        arm, prior = arms[name]
        models = {steps: probe.train(arm.images, arm.labels, n, seed, probe.Budget(steps)) for steps in given.steps}
        checks = {steps: recalls(model, validation, prior).mean() for steps, model in models.items()}
        return list(recalls(models[max(checks, key=lambda steps: checks[steps])], test, prior))

    for name in given.arms or arms:
        for seed in range(given.seeds):
            values = remembered(given, f"{out.name}-{name}-{seed}", partial(scores, name, seed))
            found.setdefault(name, []).append(np.array(values))
        mean = np.mean(found[name], 0)
        print(f"draw {draw}: {name}: all {mean.mean():.2f} %, tail {mean[tail].mean():.2f} %", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", default="../shared/data/fashion_mnist")
    parser.add_argument("--out", default="runs/rare-classes", type=Path)
    parser.add_argument("--tail", nargs="+", default=HARD, metavar="CLASS", help="the rarest ones, the last the rarest")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train-steps", type=int, default=6000)
    parser.add_argument("--balance", type=float, default=0.5, help="`class_balance` of the generator")
    parser.add_argument("--most", type=int, default=600, help="generated images of a class at most")
    parser.add_argument("--strength", type=float, default=0.5, help="with which real images are generated again")
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 3.0])
    parser.add_argument("--steps", type=int, nargs="+", default=[1500, 6000])
    parser.add_argument("--arms", nargs="+", metavar="NAME", help="those to train, such as 'half at 3'; by default all")
    given = parser.parse_args()
    classes = labelled.read(given.real).classes
    tail = [classes.index(name) for name in given.tail]
    draws = [one(given, draw) for draw in range(given.draws)]
    base = np.concatenate([draw["oversampled"] for draw in draws])
    for name in draws[0]:
        values = np.concatenate([draw[name] for draw in draws])
        print(f"{name}: all {values.mean():.2f} %, less oversampled {gain(values.mean(1), base.mean(1))}")
        print(f"  tail {values[:, tail].mean():.2f} %, {gain(values[:, tail].mean(1), base[:, tail].mean(1))}")
    print(json.dumps([{name: np.round(values, 3).tolist() for name, values in draw.items()} for draw in draws]))


if __name__ == "__main__":
    main()
