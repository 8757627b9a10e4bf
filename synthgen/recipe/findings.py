"""What pydantic finds wrong with settings, in our words, each with its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pydantic
from pydantic import BaseModel

from synthgen.parts.registry import unknown
from synthgen.recipe.yaml_text import Location


def describe(
    error: pydantic.ValidationError, model: type[BaseModel], prefix: Location, data: Any
) -> list[tuple[Location, str]]:
    """pydantic's findings about `data` in our words, each with its place."""
    found: list[tuple[Location, str]] = []
    for item in error.errors(include_url=False):
        place = _place_in(data, item["loc"], item["type"] == "missing")
        message, got = str(item["msg"]), item.get("input")
        if item["type"] == "extra_forbidden":
            message = unknown(str(place[-1]), _keys_at(model, place[:-1]), "key")
        elif item["type"] == "missing":
            message = "is required and was not given"
        else:
            message = re.sub(r"^(Input|String|List|Dictionary|Value) should ", "must ", message)
            message = message.removeprefix("Value error, ").removesuffix(" or instance of PartSpec")
            message = message.replace("a valid dictionary", "a mapping of keys to values")
            if item["type"] != "value_error" and not isinstance(got, dict | list):
                shown = repr(got)
                message += f" (got {shown if len(shown) <= 100 else shown[:100] + ' ...'})"
        found.append(((*prefix, *place), message))
    return _merged(found)


def _place_in(data: Any, steps: Sequence[str | int], missing: bool) -> Location:
    """The keys and list positions of pydantic's path; it holds names of types as well, where there is a choice.

    Args:
        missing: whether the last step is a key that is not there.
    """
    place: list[str | int] = []
    current = data
    for i, step in enumerate(steps):
        if isinstance(current, dict) and (step in current or (missing and i == len(steps) - 1)):
            current = current.get(step)
        elif isinstance(current, list | tuple) and isinstance(step, int) and step < len(current):
            current = current[step]
        else:
            continue
        place.append(step)
    return tuple(place)


def _merged(problems: list[tuple[Location, str]]) -> list[tuple[Location, str]]:
    """One problem a place where a value may be of several types: the branch that looked deeper, or all in one line."""
    by_place: dict[Location, list[str]] = {}
    for place, message in problems:
        if not any(other[: len(place)] == place and len(other) > len(place) for other, _ in problems):
            by_place.setdefault(place, []).append(message)
    found = []
    for place, messages in by_place.items():
        bare = [message.rpartition(" (got ")[0] or message for message in messages[:-1]]
        found.append((place, " or ".join([*bare, messages[-1].removeprefix("must ") if bare else messages[-1]])))
    return found


def _keys_at(model: type[BaseModel], place: Location) -> list[str]:
    """The keys that `model` accepts at `place`, a path of keys and list positions."""
    current: Any = model
    for step in place:
        if isinstance(step, int) or not hasattr(current, "model_fields") or step not in current.model_fields:
            continue
        current = _model_in(current.model_fields[step].annotation)
    return list(current.model_fields) if hasattr(current, "model_fields") else []


def _model_in(annotation: Any) -> Any:
    """The pydantic model inside `X`, `X | None`, `list[X]` and the like; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
