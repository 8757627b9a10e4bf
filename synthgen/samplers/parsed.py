"""What a generated text is taken for: a text, the answer in a dialogue, or a JSON object whose values are fields."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from synthgen.fields import Chat, Field, Label, Number, Schema, Text

Kind = Literal["text", "number"] | list[str]
"""What a value of a JSON object is: a text, a number, or one of these classes."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def parsed_fields(parse: str, kinds: Mapping[str, Kind]) -> Schema:
    """The fields that texts are parsed into."""
    if parse == "json":
        return {**{name: _field(kind) for name, kind in kinds.items()}, "valid": Number()}
    return {"messages": Chat()} if parse == "chat" else {"text": Text()}


def as_chat(system: str, prompt: str, answer: str) -> list[dict[str, str]]:
    """The dialogue of one prompt and its answer."""
    said = [("system", system)] if system else []
    return [{"role": role, "content": text} for role, text in [*said, ("user", prompt), ("assistant", answer)]]


def as_object(text: str, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """The values of the first JSON object in a text, and `valid`: 1, or 0 where it is no object with such values.

    Keys besides those of `kinds` are left out. Values that are not valid are all empty: "", 0, and the first class.
    """
    found = _first_object(text)
    values = {name: _value(found.get(name), kind) for name, kind in kinds.items()}
    if any(value is None for value in values.values()):
        return {name: "" if kind == "text" else 0.0 if kind == "number" else 0 for name, kind in kinds.items()} | {
            "valid": 0.0
        }
    return values | {"valid": 1.0}


def _first_object(text: str) -> dict[str, Any]:
    start = text.find("{")
    if start < 0:
        return {}
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        return {}
    return dict(found)


def _value(value: Any, kind: Kind) -> Any:
    """A value as its field has it, None if it is no such value; texts must not be blank."""
    if kind == "text":
        return value if isinstance(value, str) and value.strip() and not _SURROGATE.search(value) else None
    if kind == "number":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return _finite(value) if is_number else None
    return kind.index(value) if value in kind else None


def _finite(value: int | float) -> float | None:
    try:
        return float(value) if math.isfinite(float(value)) else None
    except OverflowError:
        return None


def _field(kind: Kind) -> Field:
    if isinstance(kind, list):
        return Label(tuple(kind))
    return Text() if kind == "text" else Number()


def check_kinds(parse: str, kinds: Mapping[str, Kind], taken: Sequence[str]) -> None:
    """Raises ValueError unless there are fields for JSON objects and for nothing else, none of a name in `taken`."""
    if (parse == "json") != bool(kinds):
        raise ValueError(
            "`fields` says what is in a JSON object, such as {question: text, answer: text}: `parse: json` needs it, "
            "and nothing else takes it"
        )
    for name, kind in kinds.items():
        if name in taken:
            raise ValueError(f"`fields`: {name} is the name of a field that samples have anyhow; choose another one")
        if isinstance(kind, list) and (len(kind) < 1 or len(set(kind)) < len(kind)):
            raise ValueError(f"`fields`: {name} needs classes, each once")
