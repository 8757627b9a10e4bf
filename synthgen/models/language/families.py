"""Which models generate texts, and how: decided by config.json alone, before any weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.errors import ModelError
from synthgen.parts.registry import unknown

_CAUSAL_ENDINGS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


@dataclass(frozen=True, slots=True)
class Family:
    """How a model of masked or block diffusion is run.

    Attributes:
        pipeline: class of diffusers; network: class of transformers.
        schedulers: of diffusers, the first one by default.
        two_way: whether config.json must say `is_causal: false`, because the network is known for looking back only.
    """

    pipeline: str
    network: str
    schedulers: tuple[str, ...]
    two_way: bool = False


_MASKED = Family("LLaDA2Pipeline", "AutoModelForMaskedLM", ("BlockRefinementScheduler",))
_TWO_WAY = Family("LLaDA2Pipeline", "AutoModelForCausalLM", ("BlockRefinementScheduler",), two_way=True)
DIFFUSION: Mapping[str, Family] = {
    "diffusion_gemma": Family(
        "DiffusionGemmaPipeline",
        "DiffusionGemmaForBlockDiffusion",
        ("EntropyBoundScheduler", "BlockRefinementScheduler", "DiscreteDDIMScheduler"),
    ),
    **dict.fromkeys(("bert", "modernbert"), _MASKED),
    **dict.fromkeys(("llama", "qwen2", "qwen3"), _TWO_WAY),
}
"""Families by `model_type`. LLaDA2 itself needs code of its repository, which is never run."""


def diffusion_family(name: str, config: Mapping[str, Any]) -> Family:
    """How a model with this config.json generates.

    Raises:
        ModelError: it is no model of diffusion that transformers has; lists those that are accepted.
    """
    kind = str(config.get("model_type"))
    if kind not in DIFFUSION:
        raise ModelError(f"{name}: {unknown(kind, DIFFUSION, 'type of diffusion language model')}{_own_code(config)}")
    family = DIFFUSION[kind]
    if family.two_way and config.get("is_causal", True):
        raise ModelError(
            f"{name} is a {kind} that looks back only, and diffusion fills in words between others: its config.json "
            "must say `is_causal: false`, if it was trained so; `use: causal-lm` generates with others"
        )
    return family


def check_causal(name: str, config: Mapping[str, Any]) -> None:
    """Raises ModelError unless a model with this config.json generates texts from left to right in transformers."""
    kind, classes = str(config.get("model_type")), [str(cls) for cls in config.get("architectures") or ()]
    held = f"{name} holds a {classes[0] if classes else kind}"
    if config.get("is_causal") is False:
        raise ModelError(f"{held} that looks both ways (`is_causal: false`); `use: diffusion-lm` generates with it")
    if config.get("is_encoder_decoder") or (classes and not classes[0].endswith(_CAUSAL_ENDINGS)):
        raise ModelError(f"{held}; a causal language model is needed here, one of transformers' {_listed()}")
    plain = classes and classes[0].endswith("ForCausalLM") and "auto_map" not in config
    if not plain and kind not in (known := _causal_types()):
        raise ModelError(f"{name}: {unknown(kind, known, 'type of causal language model')}{_own_code(config)}")


def _causal_types() -> list[str]:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def _listed() -> str:
    common = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "granite", "olmo2", "gpt2")
    found = _causal_types()
    return f"{len(found)} types, such as {', '.join(name for name in common if name in found)}"


def _own_code(config: Mapping[str, Any]) -> str:
    return "; it needs code of its own repository, which is never run" if "auto_map" in config else ""


def check_rows(name: str, config: Mapping[str, Any], rows: int) -> None:
    """Raises ModelError if prompts are to go through a mixture of experts together.

    Experts see the tokens of all rows at once, so that the arithmetic of one row would depend on the others.
    """
    text = config.get("text_config")
    held = {**config, **(text if isinstance(text, Mapping) else {})}
    experts = [key for key in ("num_experts", "num_local_experts", "n_routed_experts") if held.get(key)]
    if rows > 1 and experts:
        raise ModelError(
            f"{name} is a mixture of experts (`{experts[0]}: {held[experts[0]]}`), where texts that are generated "
            "together would change each other; `rows` must be 1",
            names=("rows",),
        )
