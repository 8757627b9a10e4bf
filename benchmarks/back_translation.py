"""Two thousand real pairs and sentences of one side: pairs drawn from nothing beside back-translated ones.

One model of both directions learns from `--pairs` real pairs of Tatoeba. It makes as many new pairs as `--more` says
out of nothing, of which those are kept whose target translated back is like their source, and it translates as many
other real German sentences into English, which is back-translation. A small translator from English to German then
learns from the real pairs alone, with drawn ones, with back-translated ones, and with as many real ones (what there is
to win). A seed is a start of that translator.

Source: Sennrich et al. 2016, "Improving neural machine translation models with monolingual data".
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

import synthgen  # noqa: E402
from synthgen import api  # noqa: E402
from synthgen.measures.texts.corpus import Corpus  # noqa: E402
from synthgen.measures.texts.translation import train_and_test  # noqa: E402
from synthgen.readers.texts import reader  # noqa: E402
from synthgen.readers.texts.reader import TextData  # noqa: E402

LANGUAGES = ("en", "de")
Pairs = Sequence[tuple[str, str]]


def write(path: Path, pairs: Pairs) -> str:
    """Pairs as a TSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{a}\t{b}\n" for a, b in [LANGUAGES, *pairs]), encoding="utf-8")
    return str(path)


def run(folder: Path, model: Path, condition: dict[str, Any], more: dict[str, Any]) -> Pairs:
    """The pairs of a dataset that the model makes; it is finished if it was begun."""
    recipe = {
        "kind": "dataset",
        "name": "pairs",
        "shard_size": 250,
        "batch_size": 125,
        "condition": condition,
        "sampler": {"use": "text", "model": str(model), "steps": 16, "temperature": 0.8, "order_noise": 0},
        "output": {"writers": ["jsonl"]},
        **more,
    }
    api.run(recipe, folder)
    dataset = synthgen.load(folder, allow_incomplete=True)
    found = [dataset[i] for i in range(len(dataset))]
    return [(one["translation"]["en"], one["translation"]["de"]) for one in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/text/tatoeba_en_de")
    parser.add_argument("--out", default="runs/back-translation", type=Path)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--more", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=1500, help="of the model of both directions")
    parser.add_argument("--student-steps", type=int, default=1000)
    parser.add_argument("--tested", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    texts = reader.read(TextData(texts=given.data, kind="pairs", languages=LANGUAGES))
    parts = [texts.take(part) for part in ("train", "test")]
    training, test = (list(zip(some.texts["source"], some.texts["target"], strict=True)) for some in parts)
    order = np.random.default_rng(0).permutation(len(training))
    real = [training[i] for i in order[: given.pairs]]
    others = [training[i] for i in order[given.pairs : given.pairs + given.more]]
    data = {"texts": write(given.out / "real.tsv", real), "kind": "pairs", "languages": LANGUAGES, "validation": 0}
    model = given.out / "model"
    if not (model / "model_index.json").is_file():
        trainer = {"use": "text", "data": data, "preset": "mini", "steps": given.steps, "dropout": 0.1, "length": 64}
        api.train({"kind": "model", "name": "both-ways", "trainer": trainer}, model, device="cpu")
    drawn = run(
        given.out / "drawn",
        model,
        {"use": "classes", "quotas": {"text": given.more}},
        {
            "tries": 5,
            "scorers": [{"use": "round-trip", "model": str(model), "steps": 8}],
            "keep": ["round_trip_chrf >= 60"],
        },
    )
    lines = {"texts": str(given.out / "german.txt"), "kind": "passages", "unit": "line"}
    (given.out / "german.txt").write_text("".join(f"{b}\n" for _, b in others), encoding="utf-8")
    back = run(given.out / "back", model, {"use": "real-texts", "data": lines, "give": {"text": "target"}}, {})
    print(f"{len(real):,} real pairs, {len(drawn):,} drawn, {len(back):,} translated back", flush=True)
    for name, some in (("drawn", drawn), ("translated back", back)):
        print(f"{name}: " + "; ".join(f"{a} | {b}" for a, b in some[:4]), flush=True)
    tested = [test[i] for i in np.random.default_rng(0).permutation(len(test))[: given.tested]]
    arms = {
        "real": real,
        "real and drawn": [*real, *drawn],
        "real and translated back": [*real, *back],
        "real and as many real ones": [*real, *others],
    }
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(given.seeds):
        for name, some in arms.items():
            said = train_and_test(corpus(some), corpus(tested), seed, given.student_steps, LANGUAGES)
            found.setdefault(name, []).append((said["bleu"], said["chrf"]))
            print(f"seed {seed}: {name}: BLEU {said['bleu']:.1f}, chrF {said['chrf']:.1f}", flush=True)
    for name, values in found.items():
        (bleu, chrf), spread = np.mean(values, 0), np.std(values, 0, ddof=min(1, given.seeds - 1))
        print(f"{name}: BLEU {bleu:.2f} +- {spread[0]:.2f}, chrF {chrf:.2f} +- {spread[1]:.2f}")


def corpus(pairs: Pairs) -> Corpus:
    """Pairs as measures have them."""
    sides = dict(zip(LANGUAGES, map(tuple, zip(*pairs, strict=True)), strict=True))
    return Corpus("pairs", sides, pairs=tuple(pairs))


if __name__ == "__main__":
    main()
