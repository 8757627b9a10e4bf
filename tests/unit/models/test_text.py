"""The model of texts: tokens say what they were, lengths are like those of training, no record sees its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen import seeds as streams
from synthgen.models import registry
from synthgen.models.text import roles
from synthgen.models.text.denoiser import TextDenoiser
from synthgen.models.text.lengths import TextLengths
from synthgen.models.text.pipeline import TextPipeline
from synthgen.models.text.scheduler import MaskScheduler
from synthgen.models.text.segments import Segment
from synthgen.models.text.tokenizer import TextTokenizer
from synthgen.models.text.written import Ways

TEXTS = ["the red house", "the old red car", "an old house", "das rote Haus", "das alte rote Auto", "ein altes Haus"]


def tokenizer() -> TextTokenizer:
    return TextTokenizer.fit(TEXTS, 300, ["label", "source", "target"], {"label": ["b", "a"]})


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.manual_seed(0)
    tokens = tokenizer()
    records = [[(0, 1, i % 2), (1, 4 + i, -1), (2, 5 + 2 * i, -1)] for i in range(20)]
    lengths = TextLengths.fit(records, 3, 0)
    network: Any = TextDenoiser(tokens.n_tokens, 3, 3, lengths.longest + 1, width=16, n_blocks=1, n_heads=2)
    made = TextPipeline(tokens, lengths, network.eval(), MaskScheduler(), 64, "pairs", [["source", "target"]])
    folder: Path = tmp_path_factory.mktemp("text")
    made.save_pretrained(folder)
    loaded = registry.load_pipeline(folder, "cpu", torch.float32)
    loaded.set_progress_bar_config(disable=True)
    return loaded


TOKENIZER = tokenizer()


@given(st.text() | st.text(" \n\ta"))
def test_every_text_comes_back_from_its_tokens(text: str) -> None:
    assert TOKENIZER.text(TOKENIZER.ids(text)) == text


def test_a_record_comes_back_from_its_tokens() -> None:
    record = (Segment("label", "a"), Segment("source", "the red\nhouse 🏠"), Segment("target", ""))
    layout = TOKENIZER.lay_out([TOKENIZER.pieces(record, ())])
    assert TOKENIZER.record(layout, 0) == record
    assert layout.tokens.shape[1] % 8 == 0 and not layout.free.any()


def test_what_is_not_known_is_named() -> None:
    with pytest.raises(KeyError, match="the role `title` is not known; those that are: label, source, target"):
        TOKENIZER.tokens(Segment("title", "x"))
    with pytest.raises(KeyError, match="the role `title` is not known"):
        TOKENIZER.pieces((Segment("title"),), [3])
    with pytest.raises(KeyError, match="label: `c` is not known"):
        TOKENIZER.tokens(Segment("label", "c"))


def test_segments_hold_tokens_of_their_kind_only() -> None:
    allowed = TOKENIZER.allowed()
    assert allowed[0].nonzero()[:, 0].tolist() == [TOKENIZER.n_tokens - 2, TOKENIZER.n_tokens - 1]
    texts = allowed[1].nonzero()[:, 0]
    assert int(texts.max()) < TOKENIZER.n_text
    assert not allowed[1, TOKENIZER.mask] and not allowed[1, TOKENIZER.padding]


def test_lengths_are_such_as_training_had_for_the_role(pipeline: Any) -> None:
    records = [(Segment("label", "a"), Segment("source"), Segment("target"))] * 40
    made = pipeline(records, range(40), num_inference_steps=2)
    counts = [[len(TOKENIZER.ids(segment.content)) for segment in record[1:]] for record in made.records]
    sizes = [[len(piece.tokens) for piece in row[1:]] for row in pipeline._with_lengths(records, range(40), None)[0]]
    assert {n for n, _ in sizes} <= set(range(4, 24)) and len({n for n, _ in sizes}) > 8
    assert {n for _, n in sizes} <= set(range(5, 44, 2))
    assert len(counts) == 40
    surest = pipeline._with_lengths(records, range(40), 0.0)[0]
    assert len({tuple(len(piece.tokens) for piece in row) for row in surest}) == 1


def test_a_form_is_one_of_training_that_has_what_is_given() -> None:
    lengths = TextLengths.fit([[(0, 1, 0), (2, 3, -1)], [(0, 1, 1), (1, 2, -1), (2, 3, -1)]], 3, 0)
    assert lengths.form({0: 0}, 0.99) == [0, 2]
    assert lengths.form({0: 1}, 0.0) == [0, 1, 2]
    assert lengths.form({1: -1}, 0.5) == [0, 1, 2]
    with pytest.raises(KeyError, match="has all of the segments"):
        lengths.form({5: -1}, 0.5)


def test_a_form_can_be_closed_to_other_roles() -> None:
    """Role 1 and 2 are slots, each in a record once at most."""
    rows = [
        [(0, 1, 0), (1, 2, -1), (3, 4, -1)],
        [(0, 1, 1), (1, 2, -1), (2, 2, -1), (3, 4, -1)],
        [(0, 1, 0), (3, 4, -1)],
    ]
    lengths = TextLengths.fit(rows, 4, 0)
    for chance in (0.0, 0.5, 0.99):
        assert lengths.form({0: 0, 1: -1}, chance, (1, 2)) == [0, 1, 3]
        assert lengths.form({0: 0, 1: -1, 2: -1}, chance, (1, 2)) == [0, 1, 2, 3]
        assert lengths.form({0: 1}, chance, (1, 2)) == [0, 3]
        assert lengths.form({2: -1}, chance, (1, 2)) == []
    twice = TextLengths.fit([[(1, 2, -1), (1, 2, -1), (3, 4, -1)]], 4, 0)
    assert twice.form({1: -1}, 0.0, (1,)) == []


@pytest.mark.parametrize(
    ("act", "slot", "role"),
    [
        ("INFORM", "city", "act: INFORM city"),
        ("GREET", "", "act: GREET"),
        ("REQUEST", "number of seats", "act: REQUEST number of seats"),
        ("say goodbye", "", 'act: "say goodbye"'),
        ("say goodbye", "of whom", 'act: "say goodbye" of whom'),
        ('"odd"', "x", 'act: "\\"odd\\"" x'),
    ],
)
def test_roles_of_acts_read_back(act: str, slot: str, role: str) -> None:
    assert roles.act(act, slot) == role
    assert roles.act_of(role) == (act, slot)
    assert roles.acts(["label", role, "user"]) == ((act, slot),)


def stepped(
    scheduler: Any, logits: torch.Tensor, step: int, masked: torch.Tensor, segments: torch.Tensor, *chance: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens of all places, and which are kept, of a step by logits (1, L, V) of a record that was all masks."""
    places, wanted = scheduler.places(step, masked, segments, torch.tensor([masked.shape[1]]))
    drawn, kept = scheduler.step(logits[places], step, places, wanted, segments, *chance)
    tokens = torch.full(places.shape, -1)
    tokens[places] = drawn
    return tokens, kept


def test_masks_are_taken_away_in_equal_parts_the_surest_first() -> None:
    logits = torch.zeros(1, 8, 5)
    logits[0, :, 2] = torch.arange(8.0)
    scheduler: Any = MaskScheduler(order_noise=0.0)
    scheduler.set_timesteps(4)
    masked = torch.ones(1, 8, dtype=torch.bool)
    left, chance = [], torch.full((1, 8), 0.5)
    segments = torch.zeros(1, 8, dtype=torch.int64)
    for step in range(4):
        _, kept = stepped(scheduler, logits, step, masked, segments, chance, chance)
        assert int(kept.sum()) == 2
        left.append(kept[0].nonzero()[:, 0].tolist())
        masked = masked & ~kept
    assert left[0] == [6, 7] and not masked.any()


def test_segments_are_generated_one_after_another() -> None:
    logits = torch.zeros(1, 6, 5)
    logits[0, 3:, 2] = 9.0  # those of the second segment are surer
    segments = torch.tensor([[0, 0, 0, 1, 1, 1]])
    for in_order, first in ((True, [0, 1, 2]), (False, [3, 4, 5])):
        scheduler: Any = MaskScheduler(order_noise=0.0, in_order=in_order)
        scheduler.set_timesteps(2)
        half = torch.full((1, 6), 0.5)
        tokens, kept = stepped(scheduler, logits, 0, torch.ones(1, 6, dtype=torch.bool), segments, half, half)
        assert kept[0].nonzero()[:, 0].tolist() == first
        assert (tokens[0, 3:] < 0).all() == in_order, "segments that the step does not reach need no logits"


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    shares = torch.tensor([0.1, 0.0, 0.6, 0.3])
    logits = shares.log().expand(1, 4000, 4)
    scheduler: Any = MaskScheduler()
    scheduler.set_timesteps(1)
    chance, order = torch.rand(2, 1, 4000, generator=torch.Generator().manual_seed(0))
    masked, segments = torch.ones(1, 4000, dtype=torch.bool), torch.zeros(1, 4000, dtype=torch.int64)
    tokens, kept = stepped(scheduler, logits, 0, masked, segments, chance, order)
    assert kept.all()
    found = torch.bincount(tokens[0], minlength=4) / 4000
    assert torch.allclose(found, shares, atol=0.03) and found[1] == 0


def test_what_is_given_comes_back_and_the_rest_is_generated(pipeline: Any) -> None:
    asked = [(Segment("source", "the red house"), Segment("target")), (Segment("source"), Segment("target"))]
    made = pipeline(asked, [1, 2], num_inference_steps=4)
    assert made.records[0][0].content == "the red house"
    assert all(segment.content for record in made.records for segment in record)
    assert (made.log_likelihoods < 0).all()


def test_a_record_depends_on_itself_and_its_seed_alone(pipeline: Any) -> None:
    asked = [(Segment("source", text), Segment("target")) for text in TEXTS * 4]
    own = [streams.seed_of(3, "sampler", i) for i in range(len(asked))]
    together = pipeline(asked, own, num_inference_steps=3)
    order = np.random.default_rng(0).permutation(len(asked))[:19]
    apart = pipeline([asked[i] for i in order], [own[i] for i in order], num_inference_steps=3)
    assert apart.records == [together.records[i] for i in order]
    assert np.array_equal(apart.log_likelihoods, together.log_likelihoods[order])
    assert len({record[1].content for record in together.records}) > 12


def test_padding_changes_nothing_but_rounding(pipeline: Any) -> None:
    pieces = [pipeline.tokenizer.pieces((Segment("source", "the old car"), Segment("target")), [6])]
    short, long = (pipeline.tokenizer.lay_out(pieces, length) for length in (24, 48))
    with torch.inference_mode():
        a, b = pipeline.denoiser(short), pipeline.denoiser(long)
    torch.testing.assert_close(a[short.real], b[long.real], atol=1e-4, rtol=1e-4)


def test_guidance_of_one_is_none_and_more_changes_the_result(pipeline: Any) -> None:
    asked = [(Segment("source", "the red house"), Segment("target"))] * 8
    plain, same, guided = (
        pipeline(asked, range(8), num_inference_steps=3, **more).records
        for more in ({}, {"guidance_scale": 1.0}, {"guidance_scale": 8.0})
    )
    assert plain == same and plain != guided


def test_of_several_candidates_the_likeliest_stays(pipeline: Any) -> None:
    asked = [(Segment("source", "the red house"), Segment("target"))] * 2
    made = [pipeline(asked, range(2), 3, temperature=0.0, candidates=n) for n in (1, 6)]
    several = [pipeline._with_lengths(asked, range(2), 0.0, nth) for nth in range(6)]
    sizes = [len(pieces[0][1].tokens) for pieces, _ in several]
    logs = [float(likely[0]) for _, likely in several]
    assert len(set(sizes)) == 6 and logs == sorted(logs, reverse=True), "lengths from the likeliest on"
    with torch.inference_mode():
        found = [pipeline._written(asked, range(2), Ways(3, 1.0, 0.0, None), nth) for nth in range(6)]
    assert [one[0].n_drawn for one in found] == sizes
    totals = [one[0].log_likelihood + log for one, log in zip(found, logs, strict=True)]
    best = found[int(np.argmax(totals))]
    assert made[0].records == [one.record for one in found[0]] and made[1].records == [one.record for one in best]
    assert made[1].log_likelihoods.tolist() == [one.log_likelihood / one.n_drawn for one in best]
    alone = pipeline(asked[1:], [1], 3, temperature=0.0, candidates=6)
    assert alone.records == made[1].records[1:]


def test_no_word_stands_beside_itself_if_that_is_asked_for(pipeline: Any) -> None:
    """A network that prefers one word everywhere would write it over and over."""
    (word,) = TOKENIZER.ids(" old")
    assert bool(TOKENIZER.words[word]) and not bool(TOKENIZER.words[TOKENIZER.ids("old")[0]])
    before = pipeline.denoiser.bias[word].item()
    with torch.no_grad():
        pipeline.denoiser.bias[word] = 100.0
    try:
        asked = [(Segment("source", "das rote Haus"), Segment("target"))] * 4
        said = {
            no_repeat: [record[1].content for record in pipeline(asked, range(4), 64, no_repeat=no_repeat).records]
            for no_repeat in (False, True)
        }
    finally:
        with torch.no_grad():
            pipeline.denoiser.bias[word] = before
    assert all(set(text.split()) == {"old"} for text in said[False])
    assert all(" old old" not in text and " old" in text for text in said[True])


def test_a_record_that_is_too_long_is_refused(pipeline: Any) -> None:
    with pytest.raises(ValueError, match="no room for its segments within 4 times the 64 tokens of the longest"):
        pipeline([(Segment("source", "x" * 300), Segment("target"))], [0])
    (record,) = pipeline([(Segment("source", "x" * 100), Segment("target"))], [0]).records
    assert record[0].content == "x" * 100 and record[1].content
