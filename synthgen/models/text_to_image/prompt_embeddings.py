"""Prompts as a pipeline's text encoders see them: each distinct prompt is encoded once, by itself, and kept."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from synthgen.errors import DataError
from synthgen.models.text_to_image.families import Family

MAX_KEPT = 512


class PromptEncoder:
    """Turns prompts into the arguments of a pipeline's call.

    Args:
        guided: whether the prediction without the prompt is needed as well.

    Attributes:
        n_encoded: how many prompts went through the text encoders so far.
    """

    def __init__(self, pipeline: Any, family: Family, negative_prompt: str, guided: bool) -> None:
        self._pipeline, self._family, self._guided = pipeline, family, guided
        self._negative = negative_prompt
        self._kept: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.n_encoded = 0

    def arguments(self, prompts: Sequence[str]) -> dict[str, Any]:
        """What says what to draw: embeddings where the pipeline takes them, else texts.

        Raises:
            DataError: the model would read only the start of a prompt.
        """
        import torch

        for prompt in prompts:
            self._check_length(prompt)
        if not self._family.embeddings:
            texts = {"prompt": list(prompts)}
            return texts | ({"negative_prompt": [self._negative] * len(prompts)} if self._negative else {})
        rows = [self._embedded(prompt) for prompt in prompts]
        if len(rows) == 1:
            return dict(rows[0])
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def _embedded(self, prompt: str) -> dict[str, Any]:
        """The embeddings of one prompt, (1, ...) each; those least recently used are forgotten."""
        if prompt not in self._kept:
            found = self._encode(prompt)
            if self._family.negative == "apart" and self._guided:
                unwanted = self._encode(self._negative or " ")
                found |= {f"negative_{name}": value for name, value in unwanted.items()}
            self._kept[prompt] = found
            self.n_encoded += 1
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(prompt)
        return self._kept[prompt]

    def _encode(self, text: str) -> dict[str, Any]:
        import torch

        encode = self._pipeline.encode_prompt
        accepted = inspect.signature(encode).parameters
        options = {
            "prompt_2": None,
            "prompt_3": None,
            "device": self._pipeline._execution_device,
            "num_images_per_prompt": 1,
            "do_classifier_free_guidance": self._guided,
            "negative_prompt": self._negative,
        }
        with torch.inference_mode():
            found = encode(text, **{name: value for name, value in options.items() if name in accepted})
        named = zip(self._family.embeddings, found, strict=True)
        return {name: value for name, value in named if name and value is not None}

    def _check_length(self, prompt: str) -> None:
        """A prompt is read if one of the text encoders reads all of it."""
        parts = self._pipeline.components.items()
        tokenizers = [part for name, part in parts if name.startswith("tokenizer") and part is not None]
        lengths = [(len(tokenizer(prompt)["input_ids"]), tokenizer.model_max_length) for tokenizer in tokenizers]
        if lengths and all(n > limit for n, limit in lengths):
            n, limit = max(lengths, key=lambda pair: pair[1])
            raise DataError(f"the model reads {limit} tokens and this prompt has {n}: {prompt}")
