"""What small models learn from generated texts, and from as many real ones.

`translator REAL GENERATED` trains a translator on as many real pairs and generated ones, and translates real test
sentences. `acts REAL GENERATED` trains a classifier of acts on real messages, and says how often it recognises those of
real test messages and of generated ones.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

import torch  # noqa: E402

import synthgen  # noqa: E402
from synthgen.models import registry  # noqa: E402
from synthgen.models.text.segments import Segment  # noqa: E402
from synthgen.readers.texts import reader  # noqa: E402
from synthgen.readers.texts.reader import TextData, Texts  # noqa: E402
from synthgen.trainers.text.trainer import TextTrainer  # noqa: E402

STEPS = 16
"""In which masks are taken away when a student translates."""


def translator(given: argparse.Namespace) -> None:
    """BLEU and chrF of translators in both directions, trained on as many real pairs, generated ones, or both."""
    texts = reader.read(TextData(texts=given.real, kind="pairs"))
    training, test = texts.take("train"), texts.take("test")
    pairs = {
        "real": list(zip(training.texts["source"], training.texts["target"], strict=True)),
        "generated": [
            tuple(sample["translation"].values()) for sample in synthgen.load(given.generated, allow_incomplete=True)
        ],
    }
    settings = {"preset": given.preset, "steps": given.steps, "batch_size": given.batch_size}
    for seed in range(given.seeds):
        random = np.random.default_rng(seed)
        some = {
            name: [known[i] for i in random.permutation(len(known))[: given.pairs]] for name, known in pairs.items()
        }
        some["both"] = some["real"] + some["generated"]
        for name in given.arms:
            with tempfile.TemporaryDirectory() as folder:
                scores = _taught(some[name], test, settings, seed, Path(folder), given.sentences)
            print(f"seed {seed}, {len(some[name]):,} {name}: " + "; ".join(scores), flush=True)


def _taught(
    pairs: Sequence[tuple[str, ...]], test: Texts, settings: Mapping[str, Any], seed: int, folder: Path, n: int
) -> list[str]:
    """What a translator of these pairs has on test sentences, in words."""
    import sacrebleu

    with open(folder / "pairs.tsv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([("source", "target"), *pairs])
    data = {"texts": str(folder / "pairs.tsv"), "kind": "pairs", "validation": 0}
    config = TextTrainer.Config.model_validate({"data": data, "tokens": 4096, "length": 64, **settings})
    out = TextTrainer(config).train(folder / "model", seed, device="cpu", quiet=True)
    pipeline = registry.load_pipeline(out, "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    rows, found = np.random.default_rng(0).permutation(len(test))[:n], []
    for given, wanted in (("source", "target"), ("target", "source")):
        sources, references = ([test.texts[role][row] for row in rows] for role in (given, wanted))
        records = [
            tuple(Segment(role, text if role == given else None) for role in ("source", "target")) for text in sources
        ]
        made = pipeline(records, list(range(len(rows))), STEPS, temperature=0.0, order_noise=0.0).records
        said = [next(segment.content or "" for segment in record if segment.role == wanted) for record in made]
        bleu, chrf = sacrebleu.corpus_bleu(said, [references]).score, sacrebleu.corpus_chrf(said, [references]).score
        found.append(f"{given} to {wanted} BLEU {bleu:.1f}, chrF {chrf:.1f}")
    return found


def acts(real: str, generated: str) -> None:
    """Share of the acts of messages that a classifier of real messages recognises, and of those that it sees, which are
    there."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import MultiLabelBinarizer

    texts = reader.read(TextData(texts=real, kind="dialogues"))
    training, test = list(_real_messages(texts.take("train"))), list(_real_messages(texts.take("test")))
    ours = [
        (f"{message['role']}: {message['content']}", {act["act"] for act in done})
        for sample in synthgen.load(generated, allow_incomplete=True)
        for message, done in zip(sample["messages"], sample["acts"], strict=True)
    ]
    words, names = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), MultiLabelBinarizer()
    x, y = words.fit_transform([text for text, _ in training]), names.fit_transform([done for _, done in training])
    model = OneVsRestClassifier(LogisticRegression(C=10, max_iter=300)).fit(x, y)
    for name, messages in (("real test messages", test), ("generated messages", ours)):
        known = set(names.classes_)
        truth = names.transform([done & known for _, done in messages])
        found = model.predict(words.transform([text for text, _ in messages]))
        right = (truth & found).sum()
        print(
            f"{name}: {right / truth.sum():.1%} of {truth.sum():,} acts recognised, "
            f"{right / found.sum():.1%} of those that it sees are there"
        )


def _real_messages(texts: Texts) -> Iterator[tuple[str, set[str]]]:
    assert texts.dialogues is not None
    for dialogue in texts.dialogues:
        for message in dialogue:
            yield f"{message.role}: {message.content}", {act.act for act in message.acts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("translator")
    one.add_argument("real")
    one.add_argument("generated")
    one.add_argument("--pairs", type=int, default=20_000)
    one.add_argument("--preset", default="tiny")
    one.add_argument("--steps", type=int, default=2000)
    one.add_argument("--batch-size", type=int, default=128)
    one.add_argument("--seeds", type=int, default=1)
    one.add_argument("--sentences", type=int, default=400)
    one.add_argument("--arms", nargs="+", default=["real", "generated", "both"], choices=["real", "generated", "both"])
    one = commands.add_parser("acts")
    one.add_argument("real")
    one.add_argument("generated")
    given = parser.parse_args()
    if given.command == "acts":
        acts(given.real, given.generated)
        return
    translator(given)


if __name__ == "__main__":
    main()
