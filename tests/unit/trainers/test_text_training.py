"""Training of text models: what of a batch is masked, and that a toy language is learned."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from synthgen.errors import Interrupted
from synthgen.models import registry
from synthgen.models.text.segments import Segment
from synthgen.models.text.tokenizer import TextTokenizer
from synthgen.trainers.text.batching import Batch, TokenRecords
from synthgen.trainers.text.task import TextTask
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


def model_of(path: Path, **settings: object) -> TextTrainer:
    base = {"preset": "tiny", "steps": 6, "checkpoint_every": 100, "batch_size": 4, "warmup_steps": 1, "length": 32}
    return TextTrainer(TextTrainer.Config.model_validate({"data": {"texts": str(path)}, **base, **settings}))


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("source\ttarget\n" + "".join(f"house {i}\tHaus {i}\n" for i in range(40)))
    whole = model_of(path).train(tmp_path / "whole", 1, device="cpu", quiet=True)
    losses, steps = TextTask.losses, []

    def with_a_signal(self: TextTask, batch: Batch) -> torch.Tensor:
        steps.append(1)
        if len(steps) == 4:
            signal.raise_signal(signal.SIGTERM)
        return losses(self, batch)

    monkeypatch.setattr(TextTask, "losses", with_a_signal)
    with pytest.raises(Interrupted):
        model_of(path).train(tmp_path / "two", 1, device="cpu", quiet=True)
    again = model_of(path).train(tmp_path / "two", 1, device="cpu", quiet=True)
    assert len(steps) == 6
    first, second = (load_file(next((out / "denoiser").glob("*.safetensors"))) for out in (whole, again))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_held_out_texts_may_be_longer_than_all_of_training(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "train.csv").write_text("sentence\n" + "".join(f"house {i}\n" for i in range(20)))
    (texts / "validation.csv").write_text("sentence\nan old house and a new house and one more\n")
    model_of(texts, checkpoint_every=6, data={"texts": str(texts), "kind": "passages"}).train(
        tmp_path / "out", 0, device="cpu", quiet=True
    )
    assert (tmp_path / "out" / "model_index.json").exists()


def test_classes_without_training_texts_are_not_known_to_the_model(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "train.csv").write_text("text,label\n" + "".join(f"house {i},{'ab'[i % 2]}\n" for i in range(20)))
    (texts / "test.csv").write_text("text,label\nthe house,a\nthe car,c\n")
    notes = model_of(texts).data_facts().notes
    assert "c is in no training record: the model does not know this class" in notes
    model_of(texts).sketch(tmp_path / "out")
    model = registry.load_pipeline(tmp_path / "out", "cpu", torch.float32)
    assert list(model.tokenizer.classes["label"]) == ["a", "b"]
    long = "a very " * 40
    (texts / "train.csv").write_text("text,label\n" + "".join(f"house {i},a\n" for i in range(20)) + f"{long},b\n")
    (problem,) = model_of(texts).check()
    assert "all records of b have more than the 32 tokens of `length`; raise it" in str(problem)


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
