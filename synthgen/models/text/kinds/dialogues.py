"""Dialogues: messages by turns, with what each does where annotations say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

from synthgen.fields import Acts, Chat, Field, Plan, Schema, first
from synthgen.fields.texts import ROLES
from synthgen.models.text import roles
from synthgen.models.text.kinds import in_place
from synthgen.models.text.kinds.in_place import Value
from synthgen.models.text.kinds.kind import Form, Kind, Known, Texts
from synthgen.models.text.segments import Record, Segment
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class Dialogues(Kind):
    """For each message a segment for each act with its value, then its text with the values that it says in place."""

    part: ClassVar[str] = "message"
    written: ClassVar[Sequence[str]] = ROLES

    def segments(self, texts: Texts, row: int) -> list[Segment]:
        assert texts.dialogues is not None
        found = []
        for message in texts.dialogues[row]:
            said: list[Value] = []
            for act in message.acts:
                place = in_place.find(message.content, act.value, said) if act.slot else None
                if place is None:
                    found.append(Segment(roles.act(act.act, act.slot), act.value))
                else:
                    said.append(Value(*place, roles.said(act.act, act.slot)))
            said.sort(key=lambda value: value.start)
            found += in_place.segments(message.role, message.content, said)
        return found

    def parts(self, record: Record) -> list[int]:
        """A part for each message with its acts."""
        ends = [at for at in range(1, len(record)) if record[at - 1].role in ROLES and not _is_said(record[at])]
        return [*ends, len(record)]

    def asked(self, condition: Schema, known: Known) -> tuple[str, ...]:
        """With a plan, nothing else but the label."""
        plan, field = first(condition, Plan)
        if field is None:
            return super().asked(condition, known)
        return (*(name for name in known.roles if name == roles.LABEL and name in condition), plan)

    def plan_problems(self, condition: Schema, known: Known) -> list[Problem]:
        name, plan = first(condition, Plan)
        if plan is None:
            return []
        there = roles.acts(known.roles)
        if not there:
            text = f"{known.model} was trained on dialogues without acts, and the condition plans dialogues by them"
            return [Problem(text, (name,))]
        talkers, accepted = [role for role in ROLES if role in known.roles], [shown(*pair) for pair in there]
        texts = [unknown(role, talkers, "role") for role in plan.roles if role not in talkers]
        for act, slot, n in zip(plan.acts, plan.slots, plan.counts, strict=True):
            if (act, slot) not in there:
                texts.append(f"{unknown(shown(act, slot), accepted, 'act')} (in {n:,} plan{'s' * (n > 1)})")
        return [Problem(f"{known.model}: {text}", (name,)) for text in texts]

    def record(self, given: Mapping[str, Any], form: Form, known: Known) -> Record:
        """Of a plan, values that training messages said stand in place, in the plan's order."""
        turns = next((value for value in given.values() if not isinstance(value, str)), None)
        if turns is None:
            return super().record(given, form, known)
        found = [Segment(role, value) for role, value in given.items() if isinstance(value, str)]
        for turn in turns:
            said = []
            for act in turn["acts"]:
                role = roles.said(act["act"], act["slot"])
                if act["value"] and role in known.roles:
                    said.append((role, act["value"]))
                else:
                    found.append(Segment(roles.act(act["act"], act["slot"]), act["value"]))
            found += in_place.around(turn["role"], said)
        return tuple(found)

    def fields(self, known: Known) -> dict[str, Field]:
        acts = roles.acts(known.roles)
        if not acts:
            return {"messages": Chat()}
        names = tuple(sorted({act for act, _ in acts})), tuple(sorted({slot for _, slot in acts if slot}))
        return {"messages": Chat(), "acts": Acts("messages", *names)}

    def values(self, record: Record, known: Known) -> dict[str, Any]:
        messages: list[dict[str, str]] = []
        acts: list[list[dict[str, str]]] = []
        for before, message in turns_of(record):
            text, said = in_place.text_of(message)
            found = [(segment.role, segment.content or "") for segment in before]
            found += [(value.role, text[value.start : value.end]) for value in said]
            messages.append({"role": message[0].role, "content": text})
            acts.append([dict(zip(("act", "slot"), roles.act_of(role), strict=True), value=v) for role, v in found])
        return {"messages": messages, **({"acts": acts} if roles.acts(known.roles) else {})}


def turns_of(record: Record) -> Iterator[tuple[list[Segment], list[Segment]]]:
    """For each message its acts whose values it does not say, and the pieces of its text with those that it says.

    Acts without a message behind them are left out.
    """
    for start, end in pairwise([0, *Dialogues().parts(record)]):
        part = record[start:end]
        message = [segment for segment in part if segment.role in ROLES or _is_said(segment)]
        if message:
            yield [segment for segment in part if segment.role.startswith(roles.ACT)], message


def _is_said(segment: Segment) -> bool:
    return segment.role.startswith(roles.SAID)


def shown(act: str, slot: str) -> str:
    """An act with its slot, for messages."""
    return f"{act} {slot}".rstrip()
