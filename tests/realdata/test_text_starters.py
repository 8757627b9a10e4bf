"""The text starters against real texts that nothing was trained on; skipped where the data are absent."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import helpers
from synthgen.models import folders, registry
from synthgen.models.text.kinds import KINDS
from synthgen.models.text.segments import Segment
from synthgen.models.text.tokenizer import n_tokens
from synthgen.models.text.windows import windows
from synthgen.readers.texts import reader
from synthgen.readers.texts.reader import TextData
from synthgen.trainers.text.segments import records_of

REAL = helpers.ROOT.parent / "shared" / "data" / "text"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real data are not here"),
]
FACTS = {"kind": "utterances", "columns": {"text": "question", "label": "relation"}}


@pytest.mark.parametrize(
    ("name", "data", "more"), [("snips", "snips", {}), ("simplequestions", "simplequestions", FACTS)]
)
def test_classifiers_are_as_good_as_their_cards_say(name: str, data: str, more: dict[str, Any]) -> None:
    folder = folders.resolve(f"starter/{name}-filter")
    match = re.search(r"validation accuracy \| ([\d.]+)", (Path(folder) / "README.md").read_text())
    assert match
    network = registry.load_network(folder, "cpu")
    test = reader.read(TextData.model_validate({"texts": str(REAL / data), **more})).take("test")
    assert test.labels is not None
    classes = [test.classes[i] for i in test.labels]
    known = [i for i, label in enumerate(classes) if label in network.classes]
    found = network.predict_proba([test.texts["text"][i] for i in known]).argmax(1)
    right = np.mean([network.classes[k] == classes[i] for k, i in zip(found, known, strict=True)])
    assert right == pytest.approx(float(match[1]), abs=0.03)


def test_the_translator_translates_and_is_better_with_more_steps() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    pipeline = registry.load_pipeline(folders.resolve("starter/tatoeba-en-de"), "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    test = reader.read(TextData(texts=str(REAL / "tatoeba_en_de"), kind="pairs")).take("test")
    rows = np.random.default_rng(0).permutation(len(test))[:200]
    asked = [(Segment("source", test.texts["source"][row]), Segment("target")) for row in rows]
    references = [test.texts["target"][row] for row in rows]

    def chrf(steps: int) -> float:
        made = pipeline(asked, range(len(rows)), steps, temperature=0.0, order_noise=0.0).records
        said: Sequence[str] = [record[1].content or "" for record in made]
        return float(sacrebleu.corpus_chrf(said, [references]).score)

    assert chrf(16) > max(30.0, chrf(1))


@pytest.mark.parametrize(
    ("name", "data", "kind", "least"),
    [
        ("snips", "snips", "utterances", 1.2),
        ("simplequestions", "simplequestions", "facts", 1.2),
        ("sgd", "sgd", "dialogues", 1.2),
    ],
)
def test_writers_find_real_texts_likelier_than_shuffled_ones(name: str, data: str, kind: str, least: float) -> None:
    """Perplexity of held-out texts whose words stand in any order is at least `least` times that of the real ones."""
    pipeline = registry.load_pipeline(folders.resolve(f"starter/{name}"), "cpu", torch.float32)
    texts = reader.read(TextData(texts=str(REAL / data), kind=kind)).take("test")
    context = int(pipeline.config.context)
    seen = (window.of(record) for record in records_of(texts) for window in windows(record, KINDS[kind], context))
    records = list(itertools.islice((record for record in seen if fits(pipeline, record)), 64))
    random = np.random.default_rng(0)
    shuffled = [tuple(mixed(segment, random, pipeline.tokenizer.classes) for segment in record) for record in records]
    assert loss(pipeline, shuffled) - loss(pipeline, records) > np.log(least)


def mixed(segment: Segment, random: np.random.Generator, classes: Any) -> Segment:
    if segment.role in classes or not segment.content:
        return segment
    words = segment.content.split(" ")
    return Segment(segment.role, " ".join(words[i] for i in random.permutation(len(words))))


def fits(pipeline: Any, record: Sequence[Segment]) -> bool:
    try:
        return bool(n_tokens(pipeline.tokenizer.pieces(record, ())) <= pipeline.config.length)
    except KeyError:  # a class or an act that no training text had
        return False


@torch.inference_mode()
def loss(pipeline: Any, records: Sequence[Sequence[Segment]]) -> float:
    """Mean of -log p of the tokens that are masked, a third of each record, given the others."""
    tokenizer = pipeline.tokenizer
    layout = tokenizer.lay_out([tokenizer.pieces(record, ()) for record in records])
    masked = layout.real & (layout.places > 0) & (torch.arange(layout.tokens.shape[1]) % 3 == 0)
    logits = pipeline.denoiser(layout.of(torch.where(masked, tokenizer.mask, layout.tokens)))
    return float(torch.nn.functional.cross_entropy(logits[masked], layout.tokens[masked]))
