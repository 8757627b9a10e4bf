"""`use: causal-lm` and `use: diffusion-lm`: from prompts to fields, and what is refused before weights are loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import helpers
import synthgen
import tiny
from synthgen import api, seeds, testing
from synthgen.errors import ModelError
from synthgen.fields import Chat, Label, Number, Text
from synthgen.models import hub
from synthgen.parts.protocols import Slot
from synthgen.samplers.causal_lm import CausalLM
from synthgen.samplers.diffusion_lm import DiffusionLM
from synthgen.samplers.parsed import as_object

HUB = "owner/model@" + "0123456789" * 4
KINDS: Any = {"question": "text", "level": ["easy", "hard"], "year": "number"}


def made(cls: Any = CausalLM, **settings: Any) -> Any:
    return cls(cls.Config(**{"model": tiny.llama(), "max_new_tokens": 8, **settings}))


def samples(part: Any, prompts: list[str]) -> Any:
    assert part.bind({"prompt": Text()}) == []
    part.setup("cpu")
    slots = [Slot(i, {"prompt": prompt}, "train") for i, prompt in enumerate(prompts)]
    return part.sample(slots, [seeds.seed_of(0, "sampler", i) for i in range(len(prompts))])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"question": "Why?", "level": "hard", "year": 1999}', ("Why?", 1, 1999.0, 1.0)),
        (
            'Here it is:\n```json\n{"question": "Ä\nö", "level": "easy", "year": 2.5, "more": []}\n```',
            ("Ä\nö", 0, 2.5, 1),
        ),
        ('{"question": "Why?", "level": "medium", "year": 1}', ("", 0, 0.0, 0.0)),
        ('{"question": "Why?", "level": "hard", "year": true}', ("", 0, 0.0, 0.0)),
        ('{"question": "Why?", "level": "hard", "year": Infinity}', ("", 0, 0.0, 0.0)),
        ('{"question": "Why?", "level": "hard", "year": 1' + "0" * 400 + "}", ("", 0, 0.0, 0.0)),
        ('{"question": " ", "level": "hard", "year": 1}', ("", 0, 0.0, 0.0)),
        ('{"question": "half \\ud800", "level": "hard", "year": 1}', ("", 0, 0.0, 0.0)),
        ('{"question": "Why?", "level": ["hard"], "year": 1}', ("", 0, 0.0, 0.0)),
        ('{"question": "Why?", "level": "hard"}', ("", 0, 0.0, 0.0)),
        ('{"question": "Why?", "level": "ha', ("", 0, 0.0, 0.0)),
        ('{"a":' * 5000, ("", 0, 0.0, 0.0)),
        ("no object", ("", 0, 0.0, 0.0)),
    ],
)
def test_objects_in_texts(text: str, wanted: tuple[Any, ...]) -> None:
    assert tuple(as_object(text, KINDS).values()) == wanted


def test_fields_of_what_is_parsed() -> None:
    assert made().fields == {"text": Text(), "log_likelihood": Number(), "finished": Number()}
    assert made(parse="chat").fields["messages"] == Chat()
    fields = made(parse="json", fields=KINDS, prompt="{label}").fields
    assert list(fields) == ["prompt", "question", "level", "year", "valid", "log_likelihood", "finished"]
    assert fields["level"] == Label(("easy", "hard"))


def test_dialogues_hold_the_prompt_and_the_text() -> None:
    plain = samples(made(system="Be brief."), ["a cat", "a dog"])
    said = samples(made(system="Be brief.", parse="chat"), ["a cat", "a dog"])
    for text, prompt, messages in zip(plain["text"], ("a cat", "a dog"), said["messages"], strict=True):
        assert [(m["role"], m["content"]) for m in messages] == [
            ("system", "Be brief."),
            ("user", prompt),
            ("assistant", text),
        ]
    nothing = samples(made(parse="json", fields=KINDS), ["a cat"])
    assert (nothing["valid"], nothing["question"], nothing["level"]) == ([0.0], [""], [0]), "random letters"


def wrong(folder: Path, **config: Any) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize(
    ("cls", "config", "message"),
    [
        (CausalLM, {"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "holds a BertForMaskedLM; a causal"),
        (
            CausalLM,
            {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True},
            r"one of transformers' \d+ types, such as llama, mistral",
        ),
        (CausalLM, {"model_type": "clip"}, "unknown type of causal language model `clip`"),
        (
            CausalLM,
            {"model_type": "own", "architectures": ["OwnForCausalLM"], "auto_map": {}},
            "unknown type .* needs code of its own repository, which is never run",
        ),
        (CausalLM, {"model_type": "llama", "is_causal": False}, "looks both ways .*`use: diffusion-lm`"),
        (DiffusionLM, {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, "looks back only.*causal-lm"),
        (DiffusionLM, {"model_type": "gpt2"}, "accepted: diffusion_gemma, bert, modernbert, llama, qwen2, qwen3"),
        (DiffusionLM, {"model_type": "llada2_moe", "auto_map": {}}, "needs code of its own repository"),
    ],
)
def test_models_of_other_kinds_are_refused_before_they_are_loaded(
    cls: Any, config: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        made(cls, model=wrong(tmp_path / "model", **config))


def test_settings_that_a_model_does_not_have_are_named_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        made(
            DiffusionLM,
            model=tiny.diffusion_gemma(),
            top_k=4,
            editing_threshold=0.5,
            threshold=0.9,
            temperature=0.0,
        )
    assert caught.value.names == ("editing_threshold", "top_k", "threshold", "temperature")
    with pytest.raises(ModelError, match=r"has no EntropyBoundScheduler; accepted: BlockRefinementScheduler"):
        made(DiffusionLM, model=tiny.bert(), scheduler="EntropyBoundScheduler")
    with pytest.raises(ModelError, match="takes one number for BlockRefinementScheduler"):
        made(DiffusionLM, model=tiny.bert(), temperature=[1.0, 0.5])
    experts = {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 8}
    with pytest.raises(ModelError, match=r"mixture of experts \(`num_local_experts: 8`\).*`rows` must be 1"):
        made(model=wrong(tmp_path / "experts", **experts), rows=2)
    assert made(model=wrong(tmp_path / "experts", **experts)).config.rows == 1
    with pytest.raises(ModelError, match="gets no chat template, and so `system` has no place"):
        made(DiffusionLM, model=tiny.bert(), system="Be brief.")
    with pytest.raises(ModelError, match=r"needs a GPU with 18 GB.*`max_new_tokens`"):
        made(gpu_memory_gb=18).setup("cpu")


@pytest.mark.parametrize(
    "settings",
    [
        {"parse": "json"},
        {"fields": {"question": "text"}},
        {"parse": "json", "fields": {"finished": "number"}},
        {"parse": "json", "fields": {"level": ["a", "a"]}},
        {"parse": "json", "fields": {"level": []}},
        {"stop": [""]},
        {"top_p": 0},
        {"max_new_tokens": 0},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CausalLM.Config(model=tiny.llama(), **settings)


def test_all_schedulers_and_temperatures_change_texts() -> None:
    prompts = ["a cat", "a dog"]
    small: Any = {"model": tiny.diffusion_gemma(), "steps": 3}
    drawn = [
        samples(made(DiffusionLM, **small, **more), prompts)["text"]
        for more in (
            {},
            {"temperature": [2.0, 0.3]},
            {"entropy_bound": 9.0},
            {"scheduler": "BlockRefinementScheduler"},
            {"scheduler": "BlockRefinementScheduler", "threshold": 0.1},
            {"scheduler": "DiscreteDDIMScheduler", "temperature": 0.5},
        )
    ]
    assert len({tuple(texts) for texts in drawn}) == len(drawn)
    masked = [
        samples(made(DiffusionLM, model=tiny.bert(), steps=3, **more), prompts)["text"]
        for more in ({}, {"block_length": 4}, {"top_k": 2}, {"top_p": 0.5}, {"temperature": 0.0}, {"threshold": 0.0})
    ]
    assert len({tuple(texts) for texts in masked}) == len(masked)


def test_models_of_a_hub_are_not_asked_for_before_setup() -> None:
    part = made(model=HUB, licence="apache-2.0", system="Be brief.")
    assert part.sources[0].name == HUB and part.sources[0].licence == "apache-2.0"
    assert made(DiffusionLM, model=HUB).identity() != made(DiffusionLM, model=HUB, temperature=0.5).identity()
    assert made(model=HUB, gpu_memory_gb=4).identity() == made(model=HUB).identity()


def test_configurations_of_a_folder_are_read_without_weights(tmp_path: Path) -> None:
    folder = wrong(tmp_path / "model", model_type="llama")
    assert hub.read_config(hub.reference(hub.ModelSettings(model=folder))) == {"model_type": "llama"}


def test_small_models_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    google = HUB.replace("model", "gemma-3-4b-it")
    assert testing.causal_kind(google) == "gemma3_text" and testing.causal_kind(google, system=True) == "llama"
    assert testing.causal_kind(tiny.gemma3_text()) == "gemma3_text" and testing.causal_kind(HUB) == "llama"
    assert testing.diffusion_kind(HUB) == "bert" and testing.diffusion_kind(tiny.diffusion_gemma()) == "diffusion_gemma"
    smoked = CausalLM.smoke({"model": HUB, "dtype": "bfloat16", "gpu_memory_gb": 40, "parse": "chat"})
    assert smoked == {"model": "runs/.smoke/llama", "parse": "chat", "max_new_tokens": 24}
    asked = {"model": HUB.replace("model", "diffusiongemma"), "steps": 48, "scheduler": "EntropyBoundScheduler"}
    assert len(samples(made(DiffusionLM, **DiffusionLM.smoke(asked)), ["a cat"])["text"]) == 1
    assert made(DiffusionLM, **DiffusionLM.smoke({"model": HUB, "system": "Be brief."})).config.system == ""


RECIPE: dict[str, Any] = {
    "kind": "dataset",
    "name": "said",
    "samples": 12,
    "tries": 40,
    "shard_size": 6,
    "condition": {"use": "prompts", "template": "a {animal} {i}", "axes": {"animal": ["cat", "dog"], "i": ["1", "2"]}},
    "scorers": [{"use": "number", "field": "finished"}],
    "keep": ["finished_score >= 1"],
    "output": {"writers": ["jsonl", "parquet"]},
}


def test_texts_that_were_cut_off_are_generated_again_and_dialogues_exported(tmp_path: Path) -> None:
    recipe = RECIPE | {"condition": RECIPE["condition"] | {"label": "animal"}, "labelers": ["class-label"]}
    recipe |= {"sampler": {"use": "causal-lm", "model": tiny.llama(), "max_new_tokens": 60, "parse": "chat"}}
    paths = [helpers.write(tmp_path, recipe | {"batch_size": n}, f"{n}.yaml") for n in (1, 4)]
    out = [helpers.run(path, tmp_path / name) for path, name in zip(paths, ("one", "many"), strict=True)]
    manifest = out[0].manifest
    assert out[0].complete and manifest["rejected"]["finished_score >= 1"] > 0
    data = [list(synthgen.load(str(tmp_path / name))) for name in ("one", "many")]
    assert [row["messages"] for row in data[0]] == [row["messages"] for row in data[1]], "batches change nothing"
    assert all(row["finished"] == 1 and row["log_likelihood"] < 0 for row in data[0])
    exported = helpers.call(helpers.command("export", tmp_path / "one", "--to", "chat", "-o", tmp_path / "chat"))
    assert exported.returncode == 0, exported.stderr
    rows = [json.loads(line) for file in (tmp_path / "chat").rglob("*.jsonl") for line in file.open()]
    assert len(rows) == 12 and all([m["role"] for m in row["messages"]] == ["user", "assistant"] for row in rows)


def test_mistakes_stand_in_the_plan(tmp_path: Path) -> None:
    sampler = {"use": "causal-lm", "model": tiny.bert(), "parse": "text"}
    path = helpers.write(tmp_path, RECIPE | {"sampler": sampler, "keep": []})
    with pytest.raises(Exception, match="holds a BertForMaskedLM; a causal language model is needed here"):
        api.prepare(path)
    sampler |= {"model": tiny.llama(), "prompt": "a {colour} {animal}"}
    scorers = [{"use": "number", "field": "finnished"}]
    path = helpers.write(tmp_path, RECIPE | {"sampler": sampler, "scorers": scorers, "keep": []})
    with pytest.raises(Exception, match="unknown text or class of the condition `colour`") as caught:
        api.prepare(path)
    assert "unknown field of numbers `finnished`; did you mean `finished`?" in str(caught.value)
