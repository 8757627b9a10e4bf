"""What pydantic finds wrong with settings, in our words, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pydantic
from pydantic import BaseModel

from synthgen.parts.problem import Location, Problem
from synthgen.parts.registry import unknown
from synthgen.recipe.renamed import RENAMED


def describe(
    error: pydantic.ValidationError,
    model: type[BaseModel],
    prefix: Location,
    data: Any,
    beside: Iterable[str] = (),
) -> list[Problem]:
    """pydantic's findings about `data` in our words; keys `beside` those of the model are accepted there as well."""
    found: list[Problem] = []
    for item in error.errors(include_url=False):
        place = _place_in(data, item["loc"], item["type"] == "missing")
        message, got = str(item["msg"]), item.get("input")
        if item["type"] == "extra_forbidden":
            accepted = [*_keys_at(model, place[:-1]), *(beside if len(place) == 1 else ())]
            new = RENAMED.get(str(place[-1]))
            known = unknown(str(place[-1]), accepted, "key")
            message = f"is called `{new}` now" if new in accepted else known
        elif item["type"] == "missing":
            message = "is required and was not given"
        else:
            message = re.sub(r"^(Input|String|List|Dictionary|Value) should ", "must ", message)
            message = re.sub(r" or instance of \w+$", "", message.removeprefix("Value error, "))
            message = message.replace("a valid dictionary", "a mapping of keys to values")
            if item["type"] != "value_error" and not isinstance(got, dict | list):
                shown = repr(got)
                message += f" (got {shown if len(shown) <= 100 else shown[:100] + ' ...'})"
        found.append(Problem(message, place=(*prefix, *place)))
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


def _merged(problems: list[Problem]) -> list[Problem]:
    """One problem a place where a value may be of several types: the branch that looked deeper, or all in one line."""
    by_place: dict[Location, list[str]] = {}
    for found in problems:
        place = found.place
        if not any(other.place[: len(place)] == place and len(other.place) > len(place) for other in problems):
            by_place.setdefault(place, []).append(found.message)
    merged = []
    for place, messages in by_place.items():
        bare = [message.rpartition(" (got ")[0] or message for message in messages[:-1]]
        last = messages[-1].removeprefix("must ") if bare else messages[-1]
        merged.append(Problem(" or ".join([*bare, last]), place=place))
    return merged


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
