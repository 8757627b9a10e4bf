"""Few labels and many images without: what a diffusion model adds to 40 or 100 labelled clothes.

Stages, each kept under --out and not made again: a diffusion model learns from all training images without a label
(once, for all draws of labels); a linear head on its activations, from the few labels, names the others; the model goes
on from itself with those names; it draws balanced samples. The same probe is then trained on each arm and tested on
real test images:

- few: the labelled images; self-training: these, and the others under the names that a probe of them gives; fixmatch:
  these, and all others under the names that the probe itself gives them when it is sure, strongly changed;
- named: real images with the head's names: the same labels as drawn samples come from;
- drawn: generated images; both: named and drawn.

Names are soft, and balanced: every class is as frequent. Each arm has its own number of probe steps, the best of
--steps on a validation part of real images that nothing else sees. "Drawing helps" is what drawn and both have over
named. A seed is one draw of the few labels.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

import torch  # noqa: E402
from clothes import NETWORK, accuracy, drawn, generator, kept, parquet, plain, remembered  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from synthgen.measures.images import probe  # noqa: E402
from synthgen.measures.images.labelled import Labelled  # noqa: E402
from synthgen.measures.settings import gain  # noqa: E402
from synthgen.models import registry  # noqa: E402
from synthgen.readers.images import labelled  # noqa: E402
from synthgen.trainers.feature_heads import balanced  # noqa: E402
from synthgen.trainers.images.feature_classifier import FeatureClassifierTrainer  # noqa: E402

N_VALIDATION = 2000
"""Real images that choose the number of steps of each arm."""

ARMS = ("few", "self-training", "fixmatch", "named", "drawn", "both")


def under_names(images: np.ndarray, probabilities: np.ndarray) -> Labelled:
    """Images under what is said of them (N, K), changed so that every class is as frequent."""
    names = balanced(probabilities, np.full(probabilities.shape[1], 1 / probabilities.shape[1]))
    return Labelled(images, names.argmax(1), names.astype(np.float32))


def fixmatch(few: Labelled, others: np.ndarray, n: int, seed: int) -> Callable[[int], nn.Module]:
    """The probe on few labels and on all other images, whose names it gives itself when it is sure of them.

    A name is what the network says to a slightly moved image, if its probability is at least .95; what is learned from
    is the same image moved, turned, changed in contrast and with a square cut out. Weights are averaged, as in its
    source.

    Source: Sohn et al. 2020, "FixMatch: simplifying semi-supervised learning with consistency and confidence".
    """

    def fit(steps: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = probe.network(few.images.shape[3], n)
            for module in model.modules():
                if isinstance(module, nn.Dropout):
                    module.p = 0.0  # the source has none, and with it nothing is ever sure
            mean = torch.optim.swa_utils.get_ema_multi_avg_fn(0.999)  # type: ignore[no-untyped-call]
            averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=mean, use_buffers=True)
            x, y, more = probe.to_tensor(few.images), torch.from_numpy(few.labels), torch.from_numpy(others)
            optimiser = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: math.cos(7 * math.pi * i / (16 * steps)))
            model.train()
            for _ in range(steps):
                known = torch.randint(len(x), (32,))
                loose = more[torch.randint(len(more), (160,))].permute(0, 3, 1, 2).float() / 127.5 - 1
                weak = probe.shifted(torch.cat([x[known], loose]), probe.SHIFT_PX)
                logits = model(torch.cat([weak, strongly(loose)]))
                named, weakly, changed = logits.split([len(known), len(loose), len(loose)])
                sure, names = weakly.detach().softmax(1).max(1)
                own = functional.cross_entropy(changed, names, reduction="none")
                loss = functional.cross_entropy(named, y[known]) + (own * (sure >= 0.95)).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                averaged.update_parameters(model)
        found: nn.Module = averaged.module
        return found.eval()

    return fit


def strongly(x: torch.Tensor) -> torch.Tensor:
    """Images in [-1, 1], each turned by up to 30 degrees, moved, stretched, changed in contrast, a square cut out."""
    n, side = len(x), x.shape[-1]
    angle = (torch.rand(n) * 2 - 1) * math.pi / 6
    scale = 0.8 + 0.4 * torch.rand(n, 2)
    cos, sin = angle.cos(), angle.sin()
    rows = [torch.stack([cos, -sin], 1) * scale, torch.stack([sin, cos], 1) * scale]
    affine = torch.cat([torch.stack(rows, 1), (torch.rand(n, 2, 1) * 2 - 1) * 0.25], 2)
    x = functional.grid_sample(
        x, functional.affine_grid(affine, list(x.shape), False), padding_mode="border", align_corners=False
    )
    x = ((x + 1) * (0.5 + torch.rand(n, 1, 1, 1)) - 1).clamp(-1, 1)
    centre, at = torch.randint(side, (n, 2)), torch.arange(side)
    inside = (at - centre[..., None]).abs() < side // 4
    return torch.where(inside[:, 0, None, :, None] & inside[:, 1, None, None, :], 0.0, x)


def accuracy_of(
    arm: Callable[[], Callable[[int], nn.Module]], validation: Labelled, test: Labelled, grid: Sequence[int]
) -> tuple[float, int]:
    """As `accuracy` has it, of an arm whose images are made only if they are needed."""
    return accuracy(arm(), validation, test, grid)


def first_model(given: argparse.Namespace, real: Labelled) -> Path:
    """The folder of a diffusion model of all these images, which all are of one class."""
    out = given.out / "first"
    path = parquet(given.out / "all.parquet", Labelled(real.images, np.zeros(len(real.images), int)), ("clothes",))
    generator(out, {"path": path}, given.train_steps, 0, network=NETWORK, label_dropout=0.5)
    return Path(out)


def one(given: argparse.Namespace, seed: int) -> Mapping[str, float]:
    """All arms for one draw of the labelled images."""
    out, random = given.out / f"{given.labels}-{seed}", np.random.default_rng(seed)
    real, tested = labelled.read(given.real), labelled.read(given.real, "test")
    n, classes = len(real.classes), real.classes
    rows = np.random.default_rng(0).permutation(len(real))
    checked = Labelled(real.images[rows[:N_VALIDATION]], real.labels[rows[:N_VALIDATION]])
    pool = Labelled(real.images[rows[N_VALIDATION:]], real.labels[rows[N_VALIDATION:]])
    test = Labelled(tested.images, tested.labels)
    first = first_model(given, pool)

    order = random.permutation(len(pool.labels))
    each = given.labels // n
    few_rows = np.concatenate([order[pool.labels[order] == label][:each] for label in range(n)])
    few = Labelled(pool.images[few_rows], pool.labels[few_rows])
    some = np.setdiff1d(np.arange(given.named), few_rows)
    others = pool.images[some]
    more = parquet(out / "others.parquet", Labelled(others, pool.labels[some]), classes, False)
    data = {"path": parquet(out / "few.parquet", few, classes), "unlabelled": more}
    head = FeatureClassifierTrainer.Config.model_validate({"data": data, "base": str(first)})
    if not (out / "head" / "model_index.json").is_file():
        FeatureClassifierTrainer(head).train(out / "head", seed, device="cpu")
    classifier = registry.load_pipeline(out / "head", "cpu", torch.float32)
    features = kept(given.out / "features.npy", lambda: classifier.features(pool.images[: given.named]))
    guesses = (classifier.logits(features[some]) / float(classifier.config.temperature)).softmax(1).numpy()
    guesses = guesses[:, [classifier.classes.index(name) for name in classes]]
    named, truth = under_names(others, guesses), pool.labels[some]
    print(f"seed {seed}: the head names {(named.labels == truth).mean():.1%} rightly", flush=True)

    data = {"path": parquet(out / "named.parquet", named.join(few), classes)}
    n_each = given.draw // n

    def generated() -> Labelled:
        second = generator(out / "second", data, given.tune_steps, seed, base=str(first))
        images = kept(out / "drawn.npy", lambda: drawn(second, classes, n_each, given.guidance, seed))
        return Labelled(images, np.repeat(np.arange(n), n_each))

    teacher = probe.train(few.images, few.labels, n, seed, probe.Budget(given.steps[0]))
    arms: dict[str, Callable[[], Callable[[int], nn.Module]]] = {
        "few": lambda: plain(few, n, seed),
        "self-training": lambda: plain(under_names(others, probe.probabilities(teacher, others)).join(few), n, seed),
        "fixmatch": lambda: fixmatch(few, others, n, seed),
        "named": lambda: plain(named.join(few), n, seed),
        "drawn": lambda: plain(generated().join(few), n, seed),
        "both": lambda: plain(named.join(generated()).join(few), n, seed),
    }
    result = {}
    for name in given.arms:
        make = partial(accuracy_of, arms[name], checked, test, given.steps)
        result[name], steps = remembered(given, f"{given.labels}-{seed}-{name}", make)
        print(f"seed {seed}: {name}: {result[name]:.2f} % at {steps} steps", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", default="../shared/data/fashion_mnist")
    parser.add_argument("--out", default="runs/few-labels", type=Path)
    parser.add_argument("--labels", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train-steps", type=int, default=6000)
    parser.add_argument("--tune-steps", type=int, default=3000)
    parser.add_argument("--named", type=int, default=30_000, help="Images without labels that the head names.")
    parser.add_argument("--draw", type=int, default=10_000)
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--steps", type=int, nargs="+", default=[500, 2000, 10_000])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    given = parser.parse_args()
    results = [one(given, seed) for seed in range(given.seeds)]
    for name in results[0]:
        values = [result[name] for result in results]
        over = f", over named: {gain(values, [r['named'] for r in results])}" if "named" in results[0] else ""
        print(f"{name}: {np.mean(values):.2f} ± {np.std(values):.2f} %{over}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
