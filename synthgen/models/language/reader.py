"""A prompt in tokens, and tokens as text: the tokenizer of a language model, with its chat template if it has one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthgen.errors import DataError, ModelError
from synthgen.models import folders


@dataclass(frozen=True, slots=True)
class Said:
    """How a prompt is put to a model.

    Attributes:
        system: message that stands before every prompt, empty for none.
        chat_template: whether the tokenizer's chat template is used, if it has one.
        options: values that the template knows, such as `enable_thinking`.
    """

    system: str = ""
    chat_template: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


class Reader:
    """Turns prompts into tokens and tokens into texts.

    Args:
        network: the model that reads them; name: what messages call it.

    Raises:
        ModelError: there is a system message, and no place for it.
    """

    def __init__(self, tokenizer: Any, network: Any, name: str, said: Said) -> None:
        self.tokenizer, self._name, self._said = tokenizer, name, said
        self.limit: int | None = getattr(network.config.get_text_config(), "max_position_embeddings", None)
        self.ends = _ends(tokenizer, network)
        self.n_tokens = max(tokenizer.get_vocab().values()) + 1
        self._template = said.chat_template and getattr(tokenizer, "chat_template", None) is not None
        if said.system:
            check_system(name, self._template)
            self.tokens("?", 1)

    def tokens(self, prompt: str, n_new: int, block: int = 1) -> list[int]:
        """The tokens of a prompt, at least one.

        Args:
            n_new: how many tokens follow at most; block: all of them are filled up to a multiple of so many.

        Raises:
            ModelError: the chat template refuses it.
            DataError: it is empty, or the model cannot read as many tokens.
        """
        found = self._chat(prompt) if self._template else list(self.tokenizer(prompt)["input_ids"])
        start = getattr(self.tokenizer, "bos_token_id", None)
        if not found and start is not None:
            found = [start]
        if not found:
            raise DataError("a prompt is empty, and the model has no token that begins a text")
        if self.limit is not None and -(-(len(found) + n_new) // block) * block > self.limit:
            raise DataError(
                f"a prompt has {len(found)} tokens, and {n_new} are to follow"
                f"{f' in blocks of {block}' if block > 1 else ''}; the model reads {self.limit} in all: "
                f"{prompt[:60]!r}{'...' if len(prompt) > 60 else ''}"
            )
        return found

    def _chat(self, prompt: str) -> list[int]:
        from jinja2.exceptions import TemplateError

        system = [{"role": "system", "content": self._said.system}] if self._said.system else []
        messages = [*system, {"role": "user", "content": prompt}]
        try:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **self._said.options
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise ModelError(f"{self._name}: its chat template refuses the messages: {error}") from error
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def text(self, tokens: Sequence[int]) -> str:
        """The text of generated tokens, without special ones; bytes that are no UTF-8 become U+FFFD."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def until_end(self, tokens: Sequence[int]) -> tuple[list[int], bool]:
        """Tokens up to the first that ends a text, which is kept, and whether there is one."""
        for i, token in enumerate(tokens):
            if token in self.ends:
                return list(tokens[: i + 1]), True
        return list(tokens), False


def cut(text: str, stop: Collection[str]) -> tuple[str, bool]:
    """The text before the first of the texts in `stop`, and whether one of them is there."""
    starts = [start for start in (text.find(one) for one in stop) if start >= 0]
    return (text[: min(starts)], True) if starts else (text, False)


def check_system(name: str, has_template: bool) -> None:
    """Raises ModelError if a system message has no place because there is no chat template."""
    if not has_template:
        raise ModelError(
            f"{name} gets no chat template, and so `system` has no place; write it into the prompt", names=("system",)
        )


def has_template(folder: Path) -> bool:
    """Whether a model folder holds a chat template, by its files."""
    if (folder / "chat_template.jinja").is_file():
        return True
    if (folder / "tokenizer_config.json").is_file():
        return "chat_template" in folders.read_json(folder / "tokenizer_config.json")
    return False


def _ends(tokenizer: Any, network: Any) -> frozenset[int]:
    """Ids of the tokens that end a text."""
    found: set[int] = set()
    for holder in (tokenizer, getattr(network, "generation_config", None), network.config.get_text_config()):
        ids = getattr(holder, "eos_token_id", None)
        found |= set(ids) if isinstance(ids, list | tuple) else set() if ids is None else {int(ids)}
    separator = getattr(tokenizer, "sep_token_id", None)
    return frozenset(found) if found or separator is None else frozenset({separator})  # BERT ends its texts so
