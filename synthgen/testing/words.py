"""Tokenizers of letters: no word list to download, and every text is read."""

from __future__ import annotations

import string
from typing import Any

LETTERS = string.ascii_lowercase + string.digits + ".,:;!?'\"()-"


def clip_tokenizer(limit: int = 256) -> tuple[Any, int]:
    """A tokenizer as CLIP's that reads up to `limit` letters, and how many tokens it knows."""
    from transformers import CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    numbered = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(numbered, [], unk_token="<|endoftext|>", model_max_length=limit), len(words)  # noqa: S106


def t5_tokenizer(limit: int = 256) -> tuple[Any, int]:
    """A tokenizer as T5's that reads up to `limit` letters, and how many tokens it knows."""
    from transformers import T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS]
    vocabulary = [(piece, -float(i)) for i, piece in enumerate(pieces)]
    made = T5Tokenizer(vocabulary, extra_ids=0, model_max_length=limit)
    return made, len(made)


def qwen_tokenizer(limit: int = 1024) -> tuple[Any, int]:
    """A tokenizer as Qwen 2's that reads up to `limit` bytes, and how many tokens it knows."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    letters = sorted(ByteLevel.alphabet())
    numbered = {letter: i for i, letter in enumerate(letters)} | {"<|endoftext|>": len(letters)}
    special = dict.fromkeys(("unk_token", "pad_token", "eos_token"), "<|endoftext|>")
    extra = ["<|im_start|>", "<|im_end|>"]
    made = Qwen2Tokenizer(numbered, [], **special, additional_special_tokens=extra, model_max_length=limit)
    made.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return made, len(made)
