"""Foundation models of text, compared with what transformers and diffusers do by themselves."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from synthgen import seeds
from synthgen.errors import DataError, ModelError, NonFiniteError
from synthgen.models import hub
from synthgen.models.language.causal import CausalGenerator, Generated
from synthgen.models.language.diffusion import DiffusionGenerator
from synthgen.models.language.families import DIFFUSION
from synthgen.models.language.reader import Reader, Said, cut
from synthgen.models.language.steps import Steps
from synthgen.models.language.tokens import Draw
from synthgen.models.sampling import torch_generator

PROMPTS = ["a cat", "a dog", "a bird on a wire", "a cow"]
PLAIN, SAID = Draw(), Said()
SEEDS = [seeds.seed_of(0, "sampler", i) for i in range(4)]


def loaded(folder: str, network: str = "AutoModelForCausalLM") -> tuple[Any, Any]:
    tokenizer, model = hub.load(hub.reference(hub.ModelSettings(model=folder)), "AutoTokenizer", network)
    return tokenizer, model


def causal(folder: str, draw: Draw = PLAIN, n_new: int = 12, said: Said = SAID, **more: Any) -> CausalGenerator:
    tokenizer, model = loaded(folder)
    return CausalGenerator(model, Reader(tokenizer, model, folder, said), draw, n_new, **more)


def diffusion(folder: str, steps: Steps, kind: str, said: Said = SAID, **more: Any) -> DiffusionGenerator:
    family = DIFFUSION[kind]
    tokenizer, model = loaded(folder, family.network)
    return DiffusionGenerator(family, model, Reader(tokenizer, model, folder, said), steps, name=folder, **more)


def test_tokens_come_as_often_as_they_are_likely() -> None:
    logits = np.log(np.array([0.5, 0.2, 0.05, 0.25]))
    chances = (np.arange(1000) + 0.5) / 1000
    for draw, wanted in [
        (Draw(), [500, 200, 50, 250]),
        (Draw(top_k=2), [667, 0, 0, 333]),
        (Draw(top_p=0.74), [667, 0, 0, 333]),
        (Draw(top_p=0.76), [526, 211, 0, 263]),
        (Draw(temperature=0.5), [704, 113, 7, 176]),  # 0.25, 0.04, 0.0025 and 0.0625 of 0.355
        (Draw(temperature=0), [1000, 0, 0, 0]),
    ]:
        drawn = [draw.token(logits, chance) for chance in chances]
        counts = np.bincount([token for token, _ in drawn], minlength=4)
        assert np.abs(counts - wanted).max() <= 1, draw
        assert all(score == pytest.approx(logits[token]) for token, score in drawn), "at temperature 1, of all tokens"


def test_top_p_takes_the_smallest_set_that_is_likely_enough() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        logits, top_p = random.normal(0, 3, 200), float(random.uniform(0.05, 0.999))
        shares = np.exp(logits) / np.exp(logits).sum()
        order = np.argsort(-shares)
        n_needed = next(n for n in range(1, 201) if shares[order[:n]].sum() >= top_p)
        drawn = {Draw(top_p=top_p).token(logits, chance)[0] for chance in np.linspace(0, 0.999999, 4000)}
        assert drawn <= set(order[:n_needed].tolist())
        assert order[0] in drawn


def test_tokens_that_must_not_be_drawn_are_not() -> None:
    logits = np.array([0.0, -np.inf, 1.0, -np.inf])
    assert {Draw().token(logits, chance)[0] for chance in (0.0, 0.3, 0.999999999)} == {0, 2}


@pytest.mark.parametrize("folder", [tiny.llama, tiny.gemma3_text])
def test_the_likeliest_tokens_are_those_of_transformers(folder: Any) -> None:
    generator = causal(folder(), Draw(temperature=0), n_new=24)
    tokenizer, model = loaded(folder())
    for prompt, found in zip(PROMPTS, generator.generate(PROMPTS, SEEDS), strict=True):
        messages = [{"role": "user", "content": prompt}]
        given = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
        options = {"do_sample": False, "max_new_tokens": 24, "suppress_tokens": [model.config.vocab_size - 1]}
        tokens = model.generate(**given, **options)[0, given["input_ids"].shape[1] :]
        assert found.text == tokenizer.decode(tokens, skip_special_tokens=True)


@pytest.mark.parametrize("rows", [1, 4])
def test_neighbours_and_batches_change_nothing(rows: int) -> None:
    generator = causal(tiny.llama(), rows=rows)
    together = generator.generate(PROMPTS, SEEDS)
    assert len({one.text for one in together}) == 4
    assert [generator.generate([p], [s])[0] for p, s in zip(PROMPTS, SEEDS, strict=True)] == together
    assert generator.generate(PROMPTS[::-1], SEEDS[::-1]) == together[::-1]
    assert generator.generate(PROMPTS[:1] * 2, SEEDS[:2])[0] == together[0]
    assert generator.generate(PROMPTS[:1], SEEDS[1:2])[0] != together[0]


def test_log_likelihoods_are_those_of_the_whole_text() -> None:
    found = causal(tiny.llama(), n_new=10, said=Said(chat_template=False)).generate(["a cat"], SEEDS[:1])[0]
    tokenizer, model = loaded(tiny.llama())
    everything = drawn_tokens(model, tokenizer, "a cat", SEEDS[0], 10)
    with torch.no_grad():
        scores = model(torch.tensor([everything])).logits[0, :, : max(tokenizer.get_vocab().values()) + 1]
    n_prompt = len(tokenizer("a cat")["input_ids"])
    own = scores.double().log_softmax(-1)[n_prompt - 1 : -1].gather(-1, torch.tensor(everything[n_prompt:])[:, None])
    assert found.log_likelihood == pytest.approx(float(own.mean()), abs=1e-4)
    assert found.text == tokenizer.decode(everything[n_prompt:], skip_special_tokens=True)


def drawn_tokens(model: Any, tokenizer: Any, prompt: str, seed: int, n: int) -> list[int]:
    """Prompt and tokens as they are drawn without a cache, by inverting sums of probabilities."""
    random = seeds.generator(seeds.seed_of(seed, "tokens", 0))
    tokens = list(tokenizer(prompt)["input_ids"])
    for _ in range(n):
        with torch.no_grad():
            logits = model(torch.tensor([tokens])).logits[0, -1, : max(tokenizer.get_vocab().values()) + 1]
        sums = np.cumsum(logits.double().softmax(-1).numpy())
        tokens.append(int(np.searchsorted(sums, random.random() * sums[-1], side="right")))
        if tokens[-1] in (256, 258):
            break
    return tokens


def test_texts_end_where_they_should() -> None:
    plain = causal(tiny.llama(), n_new=40).generate(PROMPTS, SEEDS)
    stop = plain[0].text[5:7]
    stopped = causal(tiny.llama(), n_new=40, stop=["never in it", stop]).generate(PROMPTS, SEEDS)[0]
    assert stopped.finished and stopped.text == plain[0].text[: plain[0].text.index(stop)]
    many = causal(tiny.llama(), n_new=200).generate(["a cat"] * 6, [seeds.seed_of(1, "sampler", i) for i in range(6)])
    assert any(one.finished for one in many), "one of its 259 tokens ends a text"
    assert all(not one.finished for one in causal(tiny.llama(), n_new=1).generate(PROMPTS, SEEDS))
    assert cut("one. two; three", [";", "."]) == ("one", True) and cut("one", ["."]) == ("one", False)


def test_prompts_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(DataError, match=r"a prompt has 20\d\d tokens, and 12 are to follow; the model reads 2048"):
        causal(tiny.llama()).generate(["a" * 2030], SEEDS[:1])
    with pytest.raises(ModelError, match="its chat template refuses the messages: System role not supported"):
        causal(tiny.gemma3_text(), said=Said(system="Be brief."))
    with pytest.raises(ModelError, match="gets no chat template, and so `system` has no place"):
        causal(tiny.llama(), said=Said(system="Be brief.", chat_template=False))


def test_system_messages_and_templates_change_what_is_read() -> None:
    tokenizer, model = loaded(tiny.llama())
    read = [
        tokenizer.decode(Reader(tokenizer, model, "m", said).tokens("Hi", 1))
        for said in (Said(), Said("Be brief."), Said(chat_template=False))
    ]
    assert read[0] == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert read[1] == "<|im_start|>system\nBe brief.<|im_end|>\n" + read[0]
    assert read[2] == "Hi"
    with pytest.raises(DataError, match="a prompt is empty, and the model has no token that begins a text"):
        Reader(tokenizer, model, "m", Said(chat_template=False)).tokens("", 1)


def test_weights_that_lead_to_nan_are_named() -> None:
    tokenizer, model = loaded(tiny.llama())
    made = type(model)(model.config)
    with torch.no_grad():
        made.lm_head.weight.fill_(math.nan)
    generator = CausalGenerator(made.eval(), Reader(tokenizer, made, "m", Said()), Draw(), 4)
    with pytest.raises(NonFiniteError, match="logits of tokens are not finite"):
        generator.generate(["a cat"], SEEDS[:1])


MASKED = Steps("BlockRefinementScheduler", 24, 4, {"block_length": 8}, {"temperature": 1.0, "editing_threshold": None})
CANVASES = {
    "EntropyBoundScheduler": Steps("EntropyBoundScheduler", 24, 4, {}, {}),
    "BlockRefinementScheduler": Steps("BlockRefinementScheduler", 24, 4, {}, {"temperature": 1.0}),
    "DiscreteDDIMScheduler": Steps("DiscreteDDIMScheduler", 24, 4, {}, {"temperature": 1.0}),
}
ALONE = [pytest.param(tiny.bert, "bert", MASKED, id="bert")] + [
    pytest.param(tiny.diffusion_gemma, "diffusion_gemma", steps, id=name) for name, steps in CANVASES.items()
]


@pytest.mark.parametrize(("folder", "kind", "steps"), ALONE)
def test_denoised_texts_depend_on_their_own_prompt_and_seed(folder: Any, kind: str, steps: Steps) -> None:
    generator = diffusion(folder(), steps, kind)
    together = generator.generate(PROMPTS, SEEDS)
    assert len({one.text for one in together}) == 4
    assert [generator.generate([p], [s])[0] for p, s in zip(PROMPTS, SEEDS, strict=True)] == together
    assert generator.generate(PROMPTS[::-1], SEEDS[::-1]) == together[::-1]
    assert generator.generate(PROMPTS[:1], SEEDS[1:2])[0] != together[0]
    assert all(one.log_likelihood < 0 for one in together)


def test_masked_texts_are_those_of_the_pipeline_itself() -> None:
    """With the tokens that are never drawn made unlikely in the network, and the same random numbers."""
    import diffusers

    tokenizer, model = loaded(tiny.bert(), "AutoModelForMaskedLM")
    own = type(model)(model.config)
    own.load_state_dict(model.state_dict())
    with torch.no_grad():
        own.cls.predictions.bias[[tokenizer.mask_token_id, own.config.vocab_size - 1]] = -1e9
    scheduler = diffusers.BlockRefinementScheduler(block_length=8)
    pipeline = diffusers.LLaDA2Pipeline(model=own.eval(), scheduler=scheduler, tokenizer=tokenizer)
    pipeline.set_progress_bar_config(disable=True)
    for prompt, seed in zip(PROMPTS, SEEDS, strict=True):
        random = torch_generator(seeds.seed_of(seed, "tokens", 0))
        options = {"gen_length": 24, "num_inference_steps": 4, "temperature": 1.0, "editing_threshold": None}
        text = pipeline(prompt=prompt, generator=random, **options).texts[0]
        assert diffusion(tiny.bert(), MASKED, "bert").generate([prompt], [seed])[0].text == text


def test_canvases_are_those_of_the_pipeline_itself() -> None:
    import diffusers

    tokenizer, model = loaded(tiny.diffusion_gemma(), "DiffusionGemmaForBlockDiffusion")
    scheduler = diffusers.BlockRefinementScheduler()
    pipeline = diffusers.DiffusionGemmaPipeline(model=model, scheduler=scheduler, processor=tokenizer)
    pipeline.set_progress_bar_config(disable=True)
    same = 0
    for prompt, seed in zip(PROMPTS, SEEDS, strict=True):
        random = torch_generator(seeds.seed_of(seed, "tokens", 0))
        out = pipeline(prompt=prompt, generator=random, gen_length=32, num_inference_steps=4, temperature=1.0)
        steps = Steps("BlockRefinementScheduler", 32, 4, {}, {"temperature": 1.0})
        found = diffusion(tiny.diffusion_gemma(), steps, "diffusion_gemma").generate([prompt], [seed])[0]
        drawn = out.sequences[0].tolist()
        end = next((i for i, token in enumerate(drawn) if token in (256, 258)), len(drawn))
        same += found.text == tokenizer.decode(drawn[:end], skip_special_tokens=True)
    assert same >= 3, "one token in 260 has no text, and is never drawn here"


def test_likelihoods_of_masks_are_those_of_the_step_that_filled_them_in() -> None:
    steps = Steps(
        "BlockRefinementScheduler", 8, 1, {"block_length": 8}, {"temperature": 0.0, "editing_threshold": None}
    )
    found = diffusion(tiny.bert(), steps, "bert").generate(["12345678"], SEEDS[:1])[0]
    tokenizer, model = loaded(tiny.bert(), "AutoModelForMaskedLM")
    given = torch.tensor([tokenizer("12345678")["input_ids"] + [tokenizer.mask_token_id] * 8])
    with torch.no_grad():
        scores = model(given, attention_mask=torch.ones_like(given)).logits[0, 8:, :-1].clone()
    scores[:, tokenizer.mask_token_id] = -math.inf
    best, tokens = scores.double().log_softmax(-1).max(-1)
    n = next((i + 1 for i, token in enumerate(tokens.tolist()) if token in (256, 258)), 8)
    assert found.text == tokenizer.decode(tokens[:n], skip_special_tokens=True)
    assert found.log_likelihood == pytest.approx(float(best[:n].mean()), abs=1e-4)


def test_a_canvas_of_unsure_tokens_ends_as_the_likeliest() -> None:
    generator = diffusion(tiny.diffusion_gemma(), CANVASES["EntropyBoundScheduler"], "diffusion_gemma")
    generator._steps = Steps("EntropyBoundScheduler", 16, 3)
    found = generator.generate(["a cat"], SEEDS[:1])[0]
    best, tokens = generator._network.logits[0].double().log_softmax(-1).max(-1)
    drawn, _ = generator._reader.until_end(tokens.tolist())
    assert found == Generated(
        generator._reader.text(drawn), pytest.approx(float(best[: len(drawn)].mean()), abs=1e-4), found.finished
    )


def test_a_network_that_looks_both_ways_fills_in_masks(tmp_path: Path) -> None:
    tokenizer, model = loaded(tiny.llama())
    tokenizer = copy.deepcopy(tokenizer)  # it is shared
    tokenizer.add_special_tokens({"mask_token": "<|mask|>"})
    two_way = type(model)(type(model.config)(**model.config.to_dict() | {"is_causal": False}))
    two_way.load_state_dict(model.state_dict())
    two_way.save_pretrained(tmp_path / "two-way")
    tokenizer.save_pretrained(tmp_path / "two-way")
    folder = str(tmp_path / "two-way")
    generator = diffusion(folder, MASKED, "llama")
    texts = [one.text for one in generator.generate(PROMPTS, SEEDS)]
    assert len(set(texts)) == 4
    assert [one.text for one in diffusion(folder, MASKED, "llama").generate(PROMPTS, SEEDS)] == texts


def test_what_a_pipeline_lacks_is_named() -> None:
    with pytest.raises(ModelError, match="its tokenizer has no mask token"):
        diffusion(tiny.llama(), MASKED, "llama")
    with pytest.raises(ModelError, match="a BlockRefinementScheduler has no setting t_max"):
        diffusion(tiny.bert(), Steps("BlockRefinementScheduler", 8, 1, {"t_max": 1.0}), "bert")
    with pytest.raises(DataError, match=r"24 are to follow in blocks of 8; the model reads 2048"):
        diffusion(tiny.bert(), MASKED, "bert").generate(["a" * 2030], SEEDS[:1])
