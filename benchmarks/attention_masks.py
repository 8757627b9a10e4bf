"""How good are masks from attention? `use: attention-masks` on a small Stable Diffusion that is trained here.

The model and its images are those of attention_scenes.py: about 20 minutes of one core a seed, kept under --out.
Noise levels, power and thresholds are chosen on training images; then the labeler itself is run on images of
clothes that the model has not seen. An image is asked for what it shows; for the presence gate, half of the classes
asked for are absent.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import pin_to_one_core

pin_to_one_core()

import attention_scenes  # noqa: E402
import numpy as np  # noqa: E402
from attention_scenes import NAMES, SIDE, Scenes  # noqa: E402

from synthgen import seeds  # noqa: E402
from synthgen.fields import IGNORE, Image, Text  # noqa: E402
from synthgen.labelers.attention_masks import AttentionMasks, class_map  # noqa: E402
from synthgen.models.text_to_image import attention_maps  # noqa: E402

SCALES: dict[str, Any] = {"cross_scales": [1], "self_scale": 1}
LEVELS = ([0.3], [0.5], [0.7], [0.9], [0.3, 0.5, 0.7], [0.5, 0.7, 0.9])
POWERS = (0, 1, 2, 4)
THRESHOLDS = np.round(np.arange(0.3, 0.85, 0.05), 2)


@dataclass(frozen=True)
class Asked:
    """Images, the classes that each is asked for (in the order of its prompt), and the true class maps."""

    pictures: Scenes
    classes: list[tuple[int, ...]]

    @property
    def prompts(self) -> list[str]:
        return [attention_scenes.caption(classes) for classes in self.classes]


def with_absent(pictures: Scenes, seed: int) -> Asked:
    """One class that each image shows and one that it lacks, in either order."""
    random = np.random.default_rng(seed)
    asked = []
    for classes in pictures.classes:
        absent = [cls for cls in range(1, len(NAMES) + 1) if cls not in classes]
        pair = random.permutation([random.choice(classes), random.choice(absent)])
        asked.append(tuple(int(cls) for cls in pair))
    return Asked(pictures, asked)


def labeler(folder: Path, **settings: Any) -> AttentionMasks:
    part = AttentionMasks(
        AttentionMasks.Config(model=str(folder), objects={name: name for name in NAMES}, **SCALES, **settings)
    )
    part.bind({"image": Image(SIDE, SIDE, 3), "condition.prompt": Text()})
    part.setup("cpu")
    return part


def annotate(part: AttentionMasks, asked: Asked) -> tuple[np.ndarray, np.ndarray]:
    """Class maps (N, H, W) and presences (N, classes), as a run would write them."""
    columns = {"image": list(asked.pictures.images), "condition.prompt": asked.prompts}
    added = part.annotate(columns, [seeds.seed_of(0, "attention", i) for i in range(len(asked.prompts))])
    return np.stack(added["attention_segmentation"]), np.stack(added["attention_presence"])


def overlap(found: np.ndarray, true: np.ndarray, judged: np.ndarray | None = None) -> float:
    """Intersection over union, among the pixels that are judged."""
    judged = np.ones_like(true) if judged is None else judged
    union = ((found | true) & judged).sum()
    return float((found & true & judged).sum() / union) if union else 0.0


def by_class(maps: np.ndarray, asked: Asked, leave_out_ignored: bool = False) -> dict[str, float]:
    """Mean over images of the overlap with the true region, for the classes that are there."""
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for drawn, true, classes in zip(maps, asked.pictures.regions, asked.classes, strict=True):
        for cls in classes:
            judged = drawn != IGNORE if leave_out_ignored else None
            if (true == cls).any():
                found[list(NAMES)[cls - 1]].append(overlap(drawn == cls, true == cls, judged))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    return means | {"mean": float(np.mean(list(means.values())))}


def chance(maps: np.ndarray, asked: Asked, seed: int) -> tuple[float, float]:
    """The same numbers of pixels elsewhere (each class's mask rolled by chance), and the whole image."""
    random = np.random.default_rng(seed)
    rolled, whole = [], []
    for drawn, true, classes in zip(maps, asked.pictures.regions, asked.classes, strict=True):
        for cls in classes:
            shift = tuple(random.integers(0, SIDE, 2))
            rolled.append(overlap(np.roll(drawn == cls, shift, (0, 1)), true == cls))
            whole.append(float((true == cls).mean()))
    return float(np.mean(rolled)), float(np.mean(whole))


def choose(folder: Path, pictures: Scenes) -> dict[int, tuple[float, list[float], float]]:
    """For each power, the best mean overlap on these images with its levels and threshold (no band, no gate)."""
    asked = Asked(pictures, pictures.classes)
    reader = labeler(folder)._reader
    singles = sorted({level for levels in LEVELS for level in levels})
    scores: dict[tuple[int, int], list[np.ndarray]] = {}
    for i, (image, prompt) in enumerate(zip(pictures.images, asked.prompts, strict=True)):
        noise = seeds.normals([seeds.seed_of(1, "attention", i)], (len(singles), *reader.latent_shape(SIDE, SIDE)))[0]
        read = {level: reader.read(image, prompt, [level], noise[k : k + 1]) for k, level in enumerate(singles)}
        for (row, levels), power in itertools.product(enumerate(LEVELS), POWERS):
            mean = attention_maps.Maps(
                sum(read[level].cross for level in levels) / len(levels),
                sum(read[level].own for level in levels) / len(levels),
            )
            strengths = np.zeros((len(NAMES), SIDE, SIDE), dtype=np.float32)
            for cls in asked.classes[i]:
                places = reader.positions(prompt, list(NAMES)[cls - 1])
                strengths[cls - 1] = attention_maps.object_map(mean, places, power, (SIDE, SIDE))
            found = [class_map(strengths, t, t) for t in THRESHOLDS]
            one = [[overlap(f == c, pictures.regions[i] == c) for f in found] for c in asked.classes[i]]
            scores.setdefault((power, row), []).append(np.mean(one, axis=0))
    best: dict[int, tuple[float, list[float], float]] = {}
    for (power, row), values in scores.items():
        mean_by_threshold = np.mean(values, axis=0)
        k = int(mean_by_threshold.argmax())
        if power not in best or mean_by_threshold[k] > best[power][0]:
            best[power] = float(mean_by_threshold[k]), LEVELS[row], float(THRESHOLDS[k])
    return best


def gate(presences: np.ndarray, asked: Asked) -> tuple[np.ndarray, np.ndarray]:
    """Presence of every class that is asked for, and whether it is there."""
    rows = [(i, cls) for i, classes in enumerate(asked.classes) for cls in classes]
    there = np.array([bool((asked.pictures.regions[i] == cls).any()) for i, cls in rows])
    return np.array([presences[i, cls - 1] for i, cls in rows]), there


def best_gate(presence: np.ndarray, there: np.ndarray) -> float:
    """The threshold with the best accuracy."""
    candidates = np.unique(presence)
    return float(candidates[np.argmax([((presence >= c) == there).mean() for c in candidates])])


def line(name: str, values: dict[str, float]) -> None:
    print(f"  {name:42}" + "  ".join(f"{key} {100 * value:5.1f}" for key, value in values.items()), flush=True)


def report(folder: Path, seed: int, n_train: int, n_test: int) -> None:
    train = attention_scenes.scenes(n_train, "train", 1000 + seed)
    test = attention_scenes.scenes(n_test, "test", 2000 + seed)
    best = choose(folder, train)
    for power, (score, levels, threshold) in best.items():
        print(f"  chosen on training images, power {power}: levels {levels}, threshold {threshold} ({100 * score:.1f})")
    shown = Asked(test, test.classes)
    power = max(best, key=lambda p: best[p][0])
    for p in sorted({0, power, 4}):
        chosen: dict[str, Any] = {
            "self_power": p,
            "levels": best[p][1],
            "threshold": best[p][2],
            "uncertain": best[p][2],
        }
        maps, _ = annotate(labeler(folder, **chosen, min_presence=0), shown)
        line(f"IoU on held-out images, power {p}", by_class(maps, shown))
        if p == power:
            rolled, whole = chance(maps, shown, seed)
            line("  chance", {"same pixels elsewhere": rolled, "whole image": whole})
    chosen = {"self_power": power, "levels": best[power][1], "threshold": best[power][2]}
    chosen["uncertain"] = round(chosen["threshold"] - 0.1, 2)
    part = labeler(folder, **chosen, min_presence=0)
    maps, _ = annotate(part, shown)
    line("with a band of 0.1 that is left out", by_class(maps, shown, leave_out_ignored=True))
    line("  pixels in the band", {"share": float((maps == IGNORE).mean())})
    limit = best_gate(*gate(annotate(part, with_absent(train, seed))[1], with_absent(train, seed)))
    half = with_absent(test, seed + 1)
    maps, presences = annotate(part, half)
    presence, there = gate(presences, half)
    passed = presence >= limit
    line(
        f"presence gate at {limit:.2f}",
        {
            "accuracy": float((passed == there).mean()),
            "present kept": float(passed[there].mean()),
            "absent left out": float(1 - passed[~there].mean()),
        },
    )
    gated, _ = annotate(labeler(folder, **chosen, min_presence=limit), half)
    for name, some in (("without the gate", maps), ("with the gate", gated)):
        line(
            f"half of the classes absent, {name}",
            by_class(some, half) | {"pixels of absent classes": wrong(some, half)},
        )


def wrong(maps: np.ndarray, asked: Asked) -> float:
    """Share of the pixels that are given to a class that the image lacks."""
    shares = []
    for drawn, true, classes in zip(maps, asked.pictures.regions, asked.classes, strict=True):
        shares.append(sum(float((drawn == cls).mean()) for cls in classes if not (true == cls).any()))
    return float(np.mean(shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/attention-masks", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--pictures", type=int, default=4000, help="for training the model")
    parser.add_argument("--chosen-on", type=int, default=60, help="training images that settings are chosen on")
    parser.add_argument("--held-out", type=int, default=200)
    arguments = parser.parse_args()
    for seed in range(arguments.seeds):
        folder = arguments.out / f"model-{seed}"
        attention_scenes.trained(folder, seed, arguments.pictures, arguments.steps)
        print(f"seed {seed}, in percent:")
        report(folder, seed, arguments.chosen_on, arguments.held_out)


if __name__ == "__main__":
    main()
