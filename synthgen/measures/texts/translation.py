"""How well one translates who knows the pairs of a set: a translation memory, and a trained translator."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.errors import UsageError
from synthgen.measures.texts.corpus import Corpus
from synthgen.measures.texts.linear import Vectorizer
from synthgen.seeds import seed_of

MOST_TOKENS = 48
ROWS = 256
OF_LANGUAGE = {"zh": "zh", "ja": "char", "th": "char", "km": "char", "lo": "char", "my": "char"}
"""How sacrebleu cuts languages that have no spaces between words; others by its `13a`."""


def sacrebleu() -> Any:
    """The package, which compares translations. Raises UsageError where it is missing."""
    try:
        import sacrebleu as package
    except ImportError:
        raise UsageError(
            "translations are scored by sacrebleu, which is not installed: pip install 'synthgen[texts]'"
        ) from None
    return package


def remember_and_test(training: Corpus, test: Corpus, seed: int) -> dict[str, float]:
    """BLEU and chrF, 0 to 100, of the translation whose source is most like the one asked for, in TF-IDF.

    It is cheap, and falls where sources and translations do not belong together, or the sources that are asked for
    are not covered. `seed` is not used: nothing in it has chance.
    """
    assert training.pairs is not None and test.pairs is not None
    pairs = [pair for pair in training.pairs if pair[0].strip()]
    sources, references = grouped(test.pairs)
    if not pairs:
        return scores([""] * len(sources), references, None)
    features = Vectorizer([source for source, _ in pairs])
    known, asked = features([source for source, _ in pairs]), features(sources)
    nearest = [
        np.asarray((asked[start : start + ROWS] @ known.T).argmax(axis=1)).ravel()
        for start in range(0, len(sources), ROWS)
    ]
    return scores([pairs[int(i)][1] for i in np.concatenate(nearest)], references, None)


def train_and_test(
    training: Corpus, test: Corpus, seed: int, steps: int, languages: tuple[str, str] | None
) -> dict[str, float]:
    """BLEU and chrF, 0 to 100, of a model of `use: text` in its preset `tiny` that learned the pairs.

    A source of more than `MOST_TOKENS` tokens counts as not translated.
    """
    import torch

    from synthgen.models import registry
    from synthgen.models.text.segments import Segment
    from synthgen.trainers.text.trainer import TextTrainer

    assert training.pairs is not None and test.pairs is not None
    sources, references = grouped(test.pairs)
    with tempfile.TemporaryDirectory(prefix="synthgen-translator-") as folder:
        path = Path(folder) / "pairs.jsonl"
        rows = [json.dumps({"source": a, "target": b}) for a, b in training.pairs if a.strip() and b.strip()]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        data = {"texts": str(path), "kind": "pairs", "validation": 0}
        config = TextTrainer.Config.model_validate({"data": data, "preset": "tiny", "steps": steps})
        place = TextTrainer(config).train(Path(folder) / "model", seed, device="cpu", quiet=True)
        pipeline = registry.load_pipeline(place, "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    asked = [(Segment("source", text), Segment("target")) for text in sources]
    short = [i for i, one in enumerate(asked) if len(pipeline.tokenizer.tokens(one[0])) <= MOST_TOKENS]
    made = [""] * len(sources)
    seeds = [seed_of(seed, "translator", i) for i in short]
    for i, record in zip(short, pipeline([asked[i] for i in short], seeds, temperature=0.0).records, strict=True):
        made[i] = record[1].content
    return scores(made, references, languages[1] if languages else None)


def grouped(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[list[str]]]:
    """The different sources in order, and all translations of each."""
    found: dict[str, list[str]] = {}
    for source, target in pairs:
        found.setdefault(source, []).append(target)
    return list(found), list(found.values())


def scores(made: Sequence[str], references: Sequence[Sequence[str]], language: str | None) -> dict[str, float]:
    """BLEU and chrF of translations, each against all its references.

    Source: Papineni et al. 2002; Popović 2015; Post 2018, as `sacrebleu` computes them.
    """
    package = sacrebleu()
    most = max(map(len, references))
    streams = [[some[i] if i < len(some) else None for some in references] for i in range(most)]
    tokenize = OF_LANGUAGE.get((language or "").partition("-")[0], "13a")
    return {
        "bleu": float(package.corpus_bleu(list(made), streams, tokenize=tokenize).score),
        "chrf": float(package.corpus_chrf(list(made), streams).score),
    }
