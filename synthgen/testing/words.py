"""Tokenizers of letters: no word list to download, and every text is read."""

from __future__ import annotations

import string
from typing import Any

LIMIT = 512
"""How many tokens are read: real models read 16 to 512, but theirs are words."""
LETTERS = string.ascii_lowercase + string.digits + ".,:;!?'\"()-"


def clip_tokenizer(limit: int = LIMIT) -> tuple[Any, int]:
    """A tokenizer as CLIP's that reads up to `limit` letters, and how many tokens it knows."""
    from transformers import CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    numbered = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(numbered, [], unk_token="<|endoftext|>", model_max_length=limit), len(words)  # noqa: S106


def owl_tokenizer(limit: int = LIMIT) -> tuple[Any, int]:
    """A tokenizer as OWLv2's, and how many tokens it knows.

    As there, `!` is number 0 and fills texts up, and the last number ends a text.
    """
    from transformers import CLIPTokenizer

    letters = ["!", *(letter for letter in LETTERS if letter != "!"), *(f"{letter}</w>" for letter in LETTERS)]
    words = [*letters, "<|startoftext|>", "<|endoftext|>"]
    numbered = {word: i for i, word in enumerate(words)}
    special = {"unk_token": "<|endoftext|>", "pad_token": "!"}
    return CLIPTokenizer(numbered, [], model_max_length=limit, **special), len(words)


def t5_tokenizer(limit: int = LIMIT) -> tuple[Any, int]:
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


def bert_tokenizer(limit: int = LIMIT) -> tuple[Any, int]:
    """A tokenizer as BERT's that reads up to `limit` letters, and how many tokens it knows.

    Those that end and part phrases have BERT's numbers, which Grounding DINO looks for.
    """
    from transformers import BertTokenizer

    fixed = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
    pieces = [*(letter for letter in LETTERS if letter not in fixed), *(f"##{letter}" for letter in LETTERS)]
    numbered = fixed | {piece: 104 + i for i, piece in enumerate(pieces)}
    free = sorted(set(range(max(fixed.values()))) - set(numbered.values()))
    numbered |= {f"[unused{number}]": number for number in free}
    return BertTokenizer(numbered, model_max_length=limit), len(numbered)
