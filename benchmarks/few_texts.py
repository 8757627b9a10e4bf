"""Do generated utterances help a classifier of intents that has ten real ones of each? BANKING77, several draws.

For each draw, ten training texts of each of the 77 intents are chosen. A text model is trained on them alone, generates
as many texts of each intent as `--each` says, and a classifier of the same ten texts keeps those that it puts into
their class. The same linear classifier is then trained on the real texts, on these with changed copies (words left out
and exchanged, as in EDA), and on these with generated ones, and tested on all 3,080 test texts.

Sources: Casanueva et al. 2020 (BANKING77); Wei and Zou 2019 (EDA; without its synonyms, which take WordNet).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

import synthgen  # noqa: E402
from synthgen import api  # noqa: E402
from synthgen.measures.texts.linear import TextClassifier  # noqa: E402

EACH_REAL = 10
COPIES = 4
"""Changed copies of each real text; more of them made no difference in EDA's own trials with few texts."""

CHANGED = 0.1
"""Share of the words that are left out, and of pairs that change places."""


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Texts and the names of their intents."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return np.array([row[0] for row in rows], dtype=object), np.array([row[1] for row in rows], dtype=object)


def changed(text: str, rng: np.random.Generator) -> str:
    """A copy with some words left out and some exchanged."""
    words = text.split()
    kept = [word for word in words if rng.random() >= CHANGED] or words
    for _ in range(max(1, round(CHANGED * len(kept)))):
        a, b = rng.integers(len(kept), size=2)
        kept[a], kept[b] = kept[b], kept[a]
    return " ".join(kept)


def generate(folder: Path, texts: np.ndarray, labels: np.ndarray, given: argparse.Namespace, seed: int) -> Path:
    """The folder of a dataset of a model that was trained on these texts."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(texts, labels, strict=True)])
    data = {"texts": str(folder / "train.csv"), "kind": "utterances", "validation": 0}
    names = sorted(set(labels))
    for name, trainer in (
        ("model", {"use": "text", "data": data, "steps": given.steps, "dropout": 0.2, "length": 64}),
        ("filter", {"use": "text-classifier", "data": data}),
    ):
        if not (folder / name).exists():
            api.train({"kind": "model", "name": name, "seed": seed, "trainer": trainer}, folder / name, device="cpu")
    recipe = {
        "kind": "dataset",
        "name": "drawn",
        "seed": seed,
        "tries": 4,
        "shard_size": 7 * given.each,
        "batch_size": 112,
        "condition": {"use": "classes", "quotas": dict.fromkeys(names, given.each)},
        "sampler": {"use": "text", "model": str(folder / "model"), "temperature": given.temperature},
        "scorers": [{"use": "text-class", "model": str(folder / "filter")}],
        "keep": ["class_agrees >= 1"],
        "output": {"writers": ["jsonl"]},
    }
    api.run(recipe, folder / "drawn")
    return folder / "drawn"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/text/banking77", type=Path)
    parser.add_argument("--out", default="runs/few-texts", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--each", type=int, default=30, help="generated texts of each intent")
    parser.add_argument("--temperature", type=float, default=1.0)
    given = parser.parse_args()
    texts, labels = read(given.data / "train.csv")
    test, wanted = read(given.data / "test.csv")
    found: dict[str, list[float]] = {}
    for draw in range(given.draws):
        rng = np.random.default_rng(draw)
        rows = np.concatenate(
            [rng.permutation(np.flatnonzero(labels == name))[:EACH_REAL] for name in sorted(set(labels))]
        )
        real, of = texts[rows], labels[rows]
        folder = generate(given.out / f"draw-{draw}", real, of, given, draw)
        dataset = synthgen.load(folder, allow_incomplete=True)
        names = sorted(set(labels))
        made = [(dataset[i]["text"], dataset[i]["meta"]["condition"]["label"]) for i in range(len(dataset))]
        copies = [(changed(text, rng), name) for _ in range(COPIES) for text, name in zip(real, of, strict=True)]
        pairs = list(zip(real, of, strict=True))
        for arm, training in (
            ("real", pairs),
            ("real and changed copies", pairs + copies),
            ("generated", made),
            ("real and generated", pairs + made),
            ("real, as often, and generated", pairs * 3 + made),
        ):
            said, classes = zip(*training, strict=True)
            right = np.array(TextClassifier(said, classes, draw).predict(list(test))) == wanted
            found.setdefault(arm, []).append(100 * float(right.mean()))
        kept = len(made) / (given.each * len(names))
        print(
            f"draw {draw}: {kept:.1%} of the samples kept; " + ", ".join(f"{k} {v[-1]:.1f}" for k, v in found.items())
        )
    for arm, values in found.items():
        gain = np.subtract(values, found["real"])
        spread = f"{np.mean(gain):+.1f} +- {np.std(gain, ddof=min(1, len(gain) - 1)):.1f} beside real"
        print(f"{arm}: {np.mean(values):.1f} % ({spread})")


if __name__ == "__main__":
    main()
