"""Small language models with random weights that read and write bytes: causal ones, and those of masked diffusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthgen.testing import words

LIMIT = 2048
_LAYERS: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def llama(folder: Path) -> None:
    """A Llama whose tokenizer has a chat template."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer, options = _tokenizer()
    config = LlamaConfig(**_LAYERS, **options, num_key_value_heads=1, max_position_embeddings=LIMIT)
    _save(folder, LlamaForCausalLM(config), tokenizer)


def gemma3_text(folder: Path) -> None:
    """A Gemma 3 for texts, whose chat template takes no system message, and which looks at few tokens back."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    tokenizer, options = _tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>model\n{% endif %}"
    )
    layers: dict[str, Any] = {"num_key_value_heads": 1, "head_dim": 16, "sliding_window": 16}
    kinds: dict[str, Any] = {"layer_types": ["sliding_attention", "full_attention"]}
    config = Gemma3TextConfig(**_LAYERS, **options, **layers, **kinds, max_position_embeddings=LIMIT)
    _save(folder, Gemma3ForCausalLM(config), tokenizer)


def diffusion_gemma(folder: Path) -> None:
    """DiffusionGemma, which writes 16 tokens at once."""
    from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion

    tokenizer, options = _tokenizer()
    heads = {"num_key_value_heads": 1, "head_dim": 16, "global_head_dim": 16, "num_global_key_value_heads": 1}
    experts = {"num_experts": 2, "top_k_experts": 1, "moe_intermediate_size": 16}
    text = {**_LAYERS, **options, **heads, **experts, "sliding_window": 16}
    vision = {**_LAYERS, "num_hidden_layers": 1, "num_key_value_heads": 2, "head_dim": 16}
    vision |= {"position_embedding_size": 16, "patch_size": 4}
    config = DiffusionGemmaConfig(
        text_config={**text, "layer_types": ["sliding_attention", "full_attention"]},
        vision_config={"model_type": "gemma4_vision", **vision},
        canvas_length=16,
        **_same(options["vocab_size"] - 1, "boi_token_id", "eoi_token_id", "image_token_id"),
    )
    _save(folder, DiffusionGemmaForBlockDiffusion(config), tokenizer)


def bert(folder: Path) -> None:
    """A BERT that fills masks in, with a tokenizer of bytes."""
    from transformers import BertConfig, BertForMaskedLM

    tokenizer, options = _tokenizer(mask_token="<|mask|>")  # noqa: S106
    tokenizer.chat_template = None
    _save(folder, BertForMaskedLM(BertConfig(**_LAYERS, **options, max_position_embeddings=LIMIT)), tokenizer)


def _same(value: int, *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, value)


def _tokenizer(**special: str) -> tuple[Any, dict[str, Any]]:
    """A tokenizer of bytes, and what a configuration says of it."""
    tokenizer, _ = words.qwen_tokenizer(LIMIT)
    if special:
        tokenizer.add_special_tokens(special)
    end = tokenizer.eos_token_id
    ids = {"pad_token_id": end, "bos_token_id": end, "eos_token_id": tokenizer.convert_tokens_to_ids("<|im_end|>")}
    return tokenizer, {"vocab_size": len(tokenizer) + 1, **ids}  # an embedding is left over, as in most real models


def _save(folder: Path, model: Any, tokenizer: Any) -> None:
    """Saves both. Output layers are made larger, so that some tokens are likelier than others."""
    import torch

    head = model.get_output_embeddings()
    with torch.no_grad():
        head.weight.mul_(20)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


MAKERS: Mapping[str, Callable[[Path], None]] = {
    "llama": llama,
    "gemma3_text": gemma3_text,
    "diffusion_gemma": diffusion_gemma,
    "bert": bert,
}
