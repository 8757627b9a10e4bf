"""The texts inside of fields, by names that settings choose them with: `text`, `translation.de`, `messages.user`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.fields import Chat, Columns, Field, Schema, Text, Translation
from synthgen.fields.texts import ROLES
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown

GIVEN = "condition."


@dataclass(frozen=True, slots=True)
class FieldText:
    """One text of each sample.

    Attributes:
        field: the field that holds it.
        part: the language of a translation or the role of a dialogue's messages, which are joined by line ends; empty
            for a text as a whole, and for all messages of a dialogue.
    """

    field: str
    part: str = ""

    @property
    def name(self) -> str:
        return f"{self.field}.{self.part}" if self.part else self.field

    def text(self, value: Any) -> str:
        """The text in a field's value."""
        if isinstance(value, str):
            return value
        if isinstance(value, Mapping):
            return str(value[self.part])
        return "\n".join(message["content"] for message in value if self.part in ("", message["role"]))

    def column(self, columns: Columns) -> list[str]:
        """The text of each sample."""
        return [self.text(value) for value in columns[self.field]]


def texts_in(name: str, field: Field) -> list[FieldText]:
    """All texts that can be chosen of a field; those of a dialogue's roles come behind the dialogue itself."""
    if isinstance(field, Text):
        return [FieldText(name)]
    if isinstance(field, Translation):
        return [FieldText(name, language) for language in field.languages]
    if isinstance(field, Chat):
        return [FieldText(name), *(FieldText(name, role) for role in ROLES)]
    return []


def generated(columns: Schema) -> list[FieldText]:
    """The texts of all fields that no condition gave: each text, each side of a translation, each whole dialogue."""
    names = [name for name in columns if not name.startswith(GIVEN)]
    return [text for name in names for text in texts_in(name, columns[name]) if text.part not in ROLES]


def chosen(columns: Schema, names: Sequence[str], place: str) -> tuple[list[FieldText], list[Problem]]:
    """The texts that settings name, and what is wrong; all that were generated if they name none.

    A translation's field stands for all of its sides.

    Args:
        place: the setting that has the names.
    """
    there = {text.name: text for name in columns for text in texts_in(name, columns[name])}
    if not names:
        found = generated(columns)
        return found, [] if found else [Problem("needs a field of texts: a text, a translation or a dialogue")]
    texts: list[FieldText] = []
    problems: list[Problem] = []
    for name in dict.fromkeys(names):
        field = columns.get(name)
        if isinstance(field, Translation):
            texts += texts_in(name, field)
        elif name in there:
            texts.append(there[name])
        else:
            field_name = name if name.startswith(GIVEN) else name.partition(".")[0]
            problems.append(Problem(unknown(name, list(there), "text"), (field_name,), (place,)))
    return texts, problems


def one(columns: Schema, name: str, place: str) -> tuple[FieldText | None, list[Problem]]:
    """The text that a setting names, the only one that was generated if it is empty, and what is wrong."""
    texts, problems = chosen(columns, [name] if name else [], place)
    if len(texts) > 1:
        listed = ", ".join(text.name for text in texts)
        problems = [Problem(f"which text? There are {listed}; set `{place}`", (), (place,) if name else ())]
    return (texts[0], problems) if texts and not problems else (None, problems)
