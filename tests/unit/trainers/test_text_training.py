"""Training of text models: what of a batch is masked, and that a toy language is learned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from synthgen.models import registry
from synthgen.models.text.segments import Segment
from synthgen.models.text.tokenizer import TextTokenizer
from synthgen.trainers.text.batching import TokenRecords
from synthgen.trainers.text.trainer import TextTrainer
from toy_grammar import ToyGrammar

RECORDS = [
    (Segment("label", "a"), Segment("source", "the red house"), Segment("target", "das rote Haus")),
    (Segment("label", "b"), Segment("source", "old"), Segment("target", "")),
] * 32


def tokens() -> TextTokenizer:
    texts = [segment.content or "" for record in RECORDS for segment in record[1:]]
    return TextTokenizer.fit(texts, 300, ["label", "source", "target"], {"label": ["a", "b"]})


def test_of_every_record_something_is_given_unless_it_is_learned_whole() -> None:
    tokenizer = tokens()
    records = TokenRecords([tokenizer.pieces(record, ()) for record in RECORDS], tokenizer)
    shown = set()
    for seed in range(30):
        batch = records.batch(range(64), 0.0, 0.0, torch.Generator().manual_seed(seed))
        for row in range(64):
            inside = batch.real[row] & (batch.places[row] > 0)
            masked = batch.targets[row] >= 0
            assert bool((batch.tokens[row][masked] == tokenizer.mask).all())
            assert not bool((batch.tokens[row][~masked] == tokenizer.mask).any())
            shown.add(tuple(bool((inside & ~masked & (batch.segments[row] == s)).any()) for s in range(3)))
            assert row % 2 or bool((inside & ~masked).any()), "a target without tokens shows nothing"
    assert (True, True, False) in shown and (True, False, True) in shown and (False, True, True) in shown
    assert int(batch.lengths.max()) == -1


def test_a_record_learned_whole_is_masked_to_its_last_token() -> None:
    tokenizer = tokens()
    records = TokenRecords([tokenizer.pieces(record, ()) for record in RECORDS], tokenizer)
    batch = records.batch(range(64), 1.0, 0.0, torch.Generator().manual_seed(0))
    inside = (batch.real & (batch.places > 0)).sum(1)
    masked = (batch.targets >= 0).sum(1)
    assert bool((batch.n_free == inside).all()) and int(masked.min()) == 1
    assert bool((masked == inside).any()) and len(set(masked.tolist())) > 5


def test_lengths_are_predicted_where_segments_have_no_tokens() -> None:
    tokenizer = tokens()
    records = TokenRecords([tokenizer.pieces(record, ()) for record in RECORDS], tokenizer)
    batch = records.batch(range(64), 1.0, 1.0, torch.Generator().manual_seed(0))
    assert int(batch.targets.max()) == -1
    for row, record in enumerate(RECORDS):
        asked = (batch.lengths[row] >= 0).nonzero()[:, 0].tolist()
        assert asked
        for place in asked:
            segment = record[int(batch.segments[row, place])]
            assert int(batch.lengths[row, place]) == len(tokenizer.tokens(segment))
            own = batch.real[row] & (batch.segments[row] == batch.segments[row, place])
            assert int(own.sum()) == 1


@pytest.mark.slow
def test_a_toy_language_is_learned(tmp_path: Path) -> None:
    """At least 99 % of translations of new sentences are exact, and 95 % of new pairs right."""
    grammar = ToyGrammar()
    train, test = grammar.pairs(6000, 1), grammar.pairs(200, 2)
    path = tmp_path / "toy.tsv"
    path.write_text("source\ttarget\n" + "".join(f"{source}\t{target}\n" for source, target in train))
    settings = {"data": {"texts": str(path)}, "preset": "tiny", "steps": 1000, "checkpoint_every": 1000}
    TextTrainer(TextTrainer.Config.model_validate(settings)).train(tmp_path / "model", 0, device="cpu", quiet=True)
    model = registry.load_pipeline(tmp_path / "model", "cpu", torch.float32)
    model.set_progress_bar_config(disable=True)
    asked = [(Segment("source", source), Segment("target")) for source, _ in test]
    found = [record[1].content for record in model(asked, range(200), num_inference_steps=16, temperature=0.0).records]
    assert sum(text == target for text, (_, target) in zip(found, test, strict=True)) >= 198
    both = [(Segment("source"), Segment("target"))] * 200
    made = model(both, range(200), num_inference_steps=32, temperature=0.5, order_noise=0.0).records
    pairs = [(source.content, target.content) for source, target in made]
    assert sum(grammar.translation(source) == target for source, target in pairs) >= 190
    assert len(set(pairs)) >= 180
