"""Utterances: a text with a class, slots or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from synthgen.fields import Field, Schema, Spans, Text
from synthgen.models.text import roles
from synthgen.models.text.kinds.kind import Form, Kind, Known, Texts, contents
from synthgen.models.text.segments import Record, Segment
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class Utterances(Kind):
    """`label`, a segment for each slot in the order of the text, and `text`."""

    given: ClassVar[Sequence[str]] = (roles.LABEL,)

    def segments(self, texts: Texts, row: int) -> list[Segment]:
        text = texts.texts[roles.TEXT][row]
        spans = texts.spans[row] if texts.spans else ()
        slots = [Segment(roles.slot(texts.slot_classes[slot]), text[start:end]) for start, end, slot in spans]
        return [*slots, Segment(roles.TEXT, text)]

    def asked(self, condition: Schema, known: Known) -> tuple[str, ...]:
        """Slots stand in the condition's own order."""
        others = [name for name in super().asked(condition, known) if not name.startswith(roles.SLOT)]
        return (*others, *(name for name in condition if name.startswith(roles.SLOT) and name in known.roles))

    def slot_problems(self, condition: Schema, known: Known) -> list[Problem]:
        there = roles.slots(known.roles)
        slots = [name for name in condition if name.startswith(roles.SLOT) and name not in known.roles]
        texts = [(name, unknown(name.removeprefix(roles.SLOT), there, "slot")) for name in slots]
        return [Problem(f"{known.model}: {text}", (name,)) for name, text in texts]

    def record(self, given: Mapping[str, Any], form: Form) -> Record:
        """Where a condition gives slots, a record has those whose value is not empty, and no others."""
        slots = {name: str(value) for name, value in given.items() if name.startswith(roles.SLOT)}
        others = {name: str(value) for name, value in given.items() if name not in slots}
        if not slots:
            return form(others)
        filled = {name: value for name, value in slots.items() if value}
        found = form({**others, **filled}, closed=(roles.SLOT,))
        if found:
            return found
        text = Segment(roles.TEXT, others.pop(roles.TEXT, None))
        return (*(Segment(role, value) for role, value in {**others, **filled}.items()), text)

    def fields(self, known: Known) -> dict[str, Field]:
        slots = roles.slots(known.roles)
        return {roles.TEXT: Text(), **({"slots": Spans(roles.TEXT, slots)} if slots else {})}

    def values(self, record: Record, known: Known) -> dict[str, Any]:
        slots, text = roles.slots(known.roles), contents(record)[roles.TEXT]
        values = [(segment.role, segment.content or "") for segment in record if segment.role.startswith(roles.SLOT)]
        return {roles.TEXT: text, **({"slots": spans(text, values, slots)} if slots else {})}


def spans(text: str, values: Sequence[tuple[str, str]], names: Sequence[str]) -> list[dict[str, int]]:
    """Where the values of slots stand in a text: each at its first place that no other has, in order of their starts.

    Values that do not stand there have no span.

    Args:
        values: (role, value); names: of the slots, by id.
    """
    found: list[dict[str, int]] = []
    for role, value in values:
        start = text.find(value) if value else -1
        while start >= 0 and any(start < span["end"] and span["start"] < start + len(value) for span in found):
            start = text.find(value, start + 1)
        if start >= 0:
            label = names.index(role.removeprefix(roles.SLOT))
            found.append({"start": start, "end": start + len(value), "label": label})
    return sorted(found, key=lambda span: span["start"])
