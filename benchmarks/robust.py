"""Do generated images make a classifier robust? Fashion-MNIST, 10,000 images, attacks of at most 0.1 of the range.

A class-conditional model learns from the same images and draws --draw more; or --dataset names a folder of images that
another one drew. The probe is trained adversarially, by one
step of the gradient's sign from a random start (Wong et al. 2020, "Fast is better than free"):

- real; averaged: real images, the weights' exponential mean; cutout: real images with a square hidden;
- drawn: generated images; both: half of each batch real, half generated.

Each arm has the steps and the checkpoint that are most robust on validation images that nothing else sees, so that real
arms are stopped early where they overfit. Robust accuracy: right on the image, after projected gradient descent (20
steps, three restarts) and after the same against another network, trained plainly on real images. Common corruptions
(noise, blur, contrast, shift) stand beside it.

Source of the idea: Gowal et al. 2021, "Improving robustness using generated data".
"""

from __future__ import annotations

import argparse
import copy
import json
from functools import partial
from pathlib import Path

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

import torch  # noqa: E402
from clothes import NETWORK, drawn, generator, kept, parquet, remembered  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torchvision.transforms.v2 import functional as transforms  # noqa: E402

import synthgen  # noqa: E402
from synthgen.fields import Label  # noqa: E402
from synthgen.measures.averaging import averaged  # noqa: E402
from synthgen.measures.images import probe, tricks  # noqa: E402
from synthgen.measures.images.labelled import Labelled, stacked  # noqa: E402
from synthgen.measures.settings import gain  # noqa: E402
from synthgen.readers.images import labelled  # noqa: E402

RADIUS = 0.2
"""Of attacks, where pixels are in [-1, 1]: a tenth of the range."""

N_REAL, N_VALIDATION, N_CHECKED = 10_000, 2000, 500
CHECKPOINTS = 8
ARMS = ("real", "averaged", "cutout", "drawn", "both", "both, averaged")


def attacked(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int, size: float, start: torch.Tensor
) -> torch.Tensor:
    """Images (B, C, H, W) within `RADIUS` of `x` that the model gets wrong, if `steps` along the gradient find such."""
    moved = (x + start).clamp(-1, 1)
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(moved), y, reduction="sum"), moved)
        step = moved.detach() + size * slope.sign()
        moved = torch.maximum(torch.minimum(step, x + RADIUS), x - RADIUS).clamp(-1, 1)
    return moved.detach()


def random_start(x: torch.Tensor) -> torch.Tensor:
    return (2 * torch.rand_like(x) - 1) * RADIUS


def robust(
    model: nn.Module, some: Labelled, seed: int, steps: int, restarts: int, rival: nn.Module | None = None
) -> float:
    """Percent of the images that are right as they are and after every attack, also those found on a `rival`."""
    found = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for start in range(0, len(some), 250):
            x, y = probe.to_tensor(some.images[start : start + 250]), torch.from_numpy(some.labels[start : start + 250])
            right = model(x).argmax(1) == y
            for of in [model] * restarts + ([rival] if rival is not None else []):
                moved = attacked(of, x, y, steps, RADIUS / 4, random_start(x))
                with torch.no_grad():
                    right &= model(moved).argmax(1) == y
            found.append(right)
    return 100 * float(torch.cat(found).float().mean())


def corrupted(some: Labelled, seed: int) -> dict[str, Labelled]:
    """The images noisy, blurred, pale and moved."""
    x = torch.from_numpy(some.images).permute(0, 3, 1, 2)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)) * 40
    made = {
        "noise": (x.float() + noise).clamp(0, 255).to(torch.uint8),
        "blur": transforms.gaussian_blur(x, [5, 5], [1.5, 1.5]),
        "contrast": transforms.adjust_contrast(x, 0.4),
        "shift": torch.roll(x, (3, 3), (2, 3)),
    }
    return {name: Labelled(y.permute(0, 2, 3, 1).numpy(), some.labels) for name, y in made.items()}


def hardened(
    real: Labelled | None, other: Labelled | None, checked: Labelled, seed: int, steps: int, trick: str = ""
) -> tuple[nn.Module, float]:
    """The most robust checkpoint on validation images of an adversarial training on one set, or half on each."""
    sets = [some for some in (real, other) if some is not None]
    data = [(probe.to_tensor(some.images), torch.from_numpy(some.labels)) for some in sets]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = probe.network(data[0][0].shape[1], int(data[0][1].max()) + 1).train()
        mean = averaged(model, steps) if trick == "averaged" else None
        optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        best: tuple[float, nn.Module] | None = None
        for step in range(1, steps + 1):
            rows = [torch.randint(len(x), (64 // len(data),)) for x, _ in data]
            x = torch.cat([each[0][some] for each, some in zip(data, rows, strict=True)])
            y = torch.cat([each[1][some] for each, some in zip(data, rows, strict=True)])
            x = probe.shifted(x, probe.SHIFT_PX)
            x = tricks.cutout(x) if trick == "cutout" else x
            model.eval()
            moved = attacked(model, x, y, 1, 1.25 * RADIUS, random_start(x))
            model.train()
            loss = F.cross_entropy(model(moved), y)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            if mean is not None:
                mean.update_parameters(model)
            if step % max(1, steps // CHECKPOINTS) == 0:
                shown: nn.Module = copy.deepcopy(model if mean is None else mean.module).eval()
                score = robust(shown, checked, 0, 10, 1)
                best = (score, shown) if best is None or score > best[0] else best
    assert best is not None
    return best[1], best[0]


def one(given: argparse.Namespace, seed: int) -> dict[str, dict[str, float]]:
    """Accuracies of every arm in percent, by what was done to the test images."""
    real, tested = labelled.read(given.real), labelled.read(given.real, "test")
    rows = np.random.default_rng(0).permutation(len(real))
    few, held = (
        Labelled(real.images[some], real.labels[some]) for some in (rows[:N_REAL], rows[N_REAL : N_REAL + N_VALIDATION])
    )
    checked = held.subset(N_CHECKED, 0)
    test = Labelled(tested.images, tested.labels)
    data = {"path": parquet(given.out / "real.parquet", few, real.classes)}
    n_each = given.draw // len(real.classes)

    def generated() -> Labelled:
        """Those of --dataset; else drawn once, by a model that is trained once, for the arms that want them."""
        if given.dataset:
            dataset = synthgen.load(given.dataset)
            some, kind = stacked(dataset), dataset.fields["label"]
            assert isinstance(kind, Label)
            return Labelled(some.images, np.array([real.classes.index(name) for name in kind.classes])[some.labels])

        def made() -> np.ndarray:
            model = generator(given.out / "model", data, given.train_steps, 0, network=NETWORK)
            return drawn(model, real.classes, n_each, given.guidance, 0)

        return Labelled(kept(given.out / "drawn.npy", made), np.repeat(np.arange(len(real.classes)), n_each))

    rival = probe.train(few.images, few.labels, len(real.classes), 1000 + seed, probe.Budget(2000))

    def scores(name: str) -> dict[str, float]:
        a = None if name == "drawn" else few
        b = generated() if name in ("drawn", "both", "both, averaged") else None
        trick = name.removeprefix("both, ")
        trained = [hardened(a, b, checked, seed, steps, trick) for steps in given.steps]
        model = max(trained, key=lambda each: each[1])[0]
        some = {"clean": test, **corrupted(test, seed)}
        found = {kind: 100 * float((probe.predict(model, s.images) == s.labels).mean()) for kind, s in some.items()}
        return found | {"robust": robust(model, test.subset(given.attacked, 0), seed, 20, 3, rival)}

    found = {}
    for name in given.arms:
        found[name] = remembered(given, f"{seed}-{name}", partial(scores, name))
        shown = ", ".join(f"{kind} {value:.1f}" for kind, value in found[name].items())
        print(f"seed {seed}: {name}: {shown} %", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", default="../shared/data/fashion_mnist")
    parser.add_argument("--out", default="runs/robust", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train-steps", type=int, default=6000)
    parser.add_argument("--draw", type=int, default=20_000)
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--steps", type=int, nargs="+", default=[2000, 8000])
    parser.add_argument("--attacked", type=int, default=1000, help="test images that are attacked")
    parser.add_argument("--dataset", help="generated images, in place of those of a model that is trained here")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    given = parser.parse_args()
    seeds = [one(given, seed) for seed in range(given.seeds)]
    baselines = [arm for arm in ARMS[:3] if arm in given.arms] or given.arms
    strongest = max(baselines, key=lambda arm: np.mean([seed[arm]["robust"] for seed in seeds]))
    for arm in seeds[0]:
        for kind in ("robust", "clean"):
            values, base = ([seed[name][kind] for seed in seeds] for name in (arm, strongest))
            print(f"{arm}: {kind} {np.mean(values):.2f} %, less {strongest} {gain(values, base)}")
    print(json.dumps(seeds))


if __name__ == "__main__":
    main()
