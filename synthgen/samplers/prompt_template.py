"""What a sampler is prompted with: the condition's own prompt, or a sentence with fields of the condition in braces."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from synthgen.fields import Label, Schema, Text
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class PromptTemplate:
    """The prompt of each slot; `template` is None for the condition's own field `prompt`."""

    def __init__(self, template: str | None) -> None:
        self._template = template
        self._names: dict[str, tuple[str, ...] | None] = {}

    def bind(self, condition: Schema) -> list[Problem]:
        """Accepts what the prompt is made of; returns the problems found, at the key `prompt`."""
        if self._template is None:
            if isinstance(condition.get("prompt"), Text):
                return []
            message = "needs a condition with prompts, such as `use: prompts`, or a `prompt` of its own"
            return [Problem(message, ("prompt",))]
        try:
            gaps = [name for _, name, _, _ in string.Formatter().parse(self._template) if name is not None]
        except ValueError as error:
            return [Problem(f"cannot be read: {error}; write {{{{ for a brace", place=("prompt",))]
        known = [n for n, field in condition.items() if isinstance(field, Text | Label)]
        self._names = {name: getattr(condition.get(name), "classes", None) for name in gaps}
        return [
            Problem(unknown(name, known, "text or class of the condition"), (name,), ("prompt",))
            for name in gaps
            if name not in known
        ]

    def text(self, condition: Mapping[str, Any]) -> str:
        """The prompt for the values of a condition, classes by name."""
        if self._template is None:
            return str(condition["prompt"])
        said = {name: names[condition[name]] if names else condition[name] for name, names in self._names.items()}
        return self._template.format(**said)
