"""Utterances: a text with a class, slots or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from synthgen.fields import Field, Schema, Spans, Text
from synthgen.models.text import roles
from synthgen.models.text.kinds import in_place
from synthgen.models.text.kinds.in_place import BLANK, Value
from synthgen.models.text.kinds.kind import Form, Kind, Known, Texts
from synthgen.models.text.segments import Record, Segment
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class Utterances(Kind):
    """`label`, then `text` with the values of its slots in place."""

    given: ClassVar[Sequence[str]] = (roles.LABEL,)
    written: ClassVar[Sequence[str]] = (roles.TEXT,)

    def segments(self, texts: Texts, row: int) -> list[Segment]:
        spans = texts.spans[row] if texts.spans else ()
        values = [Value(start, end, roles.slot(texts.slot_classes[slot])) for start, end, slot in spans]
        return in_place.segments(roles.TEXT, texts.texts[roles.TEXT][row], values)

    def asked(self, condition: Schema, known: Known) -> tuple[str, ...]:
        """Slots stand in the condition's own order."""
        others = [name for name in super().asked(condition, known) if not name.startswith(roles.SLOT)]
        return (*others, *(name for name in condition if name.startswith(roles.SLOT) and name in known.roles))

    def slot_problems(self, condition: Schema, known: Known) -> list[Problem]:
        there = roles.slots(known.roles)
        slots = [name for name in condition if name.startswith(roles.SLOT) and name not in known.roles]
        texts = [(name, unknown(name.removeprefix(roles.SLOT), there, "slot")) for name in slots]
        return [Problem(f"{known.model}: {text}", (name,)) for name, text in texts]

    def record(self, given: Mapping[str, Any], form: Form, known: Known) -> Record:
        """Where a condition gives slots, a text has those whose value is not empty, and no others.

        They stand in the order of a training record that has the same ones; if there is none, in the condition's.
        """
        label = {name: str(value) for name, value in given.items() if name == roles.LABEL}
        if given.get(roles.TEXT) is not None:
            return (*(Segment(*item) for item in label.items()), Segment(roles.TEXT, BLANK + str(given[roles.TEXT])))
        slots = {name: str(value) for name, value in given.items() if name.startswith(roles.SLOT)}
        if not slots:
            return form(label)
        filled = {name: value for name, value in slots.items() if value}
        found = form({**label, **{name: BLANK + value for name, value in filled.items()}}, closed=(roles.SLOT,))
        if found:
            return found
        return (*(Segment(*item) for item in label.items()), *in_place.around(roles.TEXT, list(filled.items())))

    def fields(self, known: Known) -> dict[str, Field]:
        slots = roles.slots(known.roles)
        return {roles.TEXT: Text(), **({"slots": Spans(roles.TEXT, slots)} if slots else {})}

    def values(self, record: Record, known: Known) -> dict[str, Any]:
        text, values = in_place.text_of([segment for segment in record if segment.role != roles.LABEL])
        names = roles.slots(known.roles)
        spans = [
            {"start": value.start, "end": value.end, "label": names.index(value.role.removeprefix(roles.SLOT))}
            for value in values
        ]
        return {roles.TEXT: text, **({"slots": spans} if names else {})}
