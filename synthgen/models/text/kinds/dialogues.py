"""Dialogues: messages by turns, with what each does where annotations say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthgen.fields import Acts, Chat, Field, Plan, Schema, first
from synthgen.fields.texts import ROLES
from synthgen.models.text import roles
from synthgen.models.text.kinds.kind import Form, Kind, Known, Texts
from synthgen.models.text.segments import Record, Segment
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class Dialogues(Kind):
    """For each message a segment for each act with its value, then one of the role of who says it."""

    def segments(self, texts: Texts, row: int) -> list[Segment]:
        assert texts.dialogues is not None
        found = []
        for message in texts.dialogues[row]:
            found += [Segment(roles.act(act.act, act.slot), act.value) for act in message.acts]
            found.append(Segment(message.role, message.content))
        return found

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
        talkers, accepted = [role for role in ROLES if role in known.roles], [said(*pair) for pair in there]
        texts = [unknown(role, talkers, "role") for role in plan.roles if role not in talkers]
        for act, slot, n in zip(plan.acts, plan.slots, plan.counts, strict=True):
            if (act, slot) not in there:
                texts.append(f"{unknown(said(act, slot), accepted, 'act')} (in {n:,} plan{'s' * (n > 1)})")
        return [Problem(f"{known.model}: {text}", (name,)) for text in texts]

    def record(self, given: Mapping[str, Any], form: Form) -> Record:
        turns = next((value for value in given.values() if not isinstance(value, str)), None)
        if turns is None:
            return super().record(given, form)
        found = [Segment(role, value) for role, value in given.items() if isinstance(value, str)]
        for turn in turns:
            found += [Segment(roles.act(act["act"], act["slot"]), act["value"]) for act in turn["acts"]]
            found.append(Segment(turn["role"]))
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
        before: list[dict[str, str]] = []
        for segment in record:
            if segment.role.startswith(roles.ACT):
                act, slot = roles.act_of(segment.role)
                before.append({"act": act, "slot": slot, "value": segment.content or ""})
            elif segment.role != roles.LABEL:
                if segment.role in ROLES:
                    messages.append({"role": segment.role, "content": segment.content or ""})
                    acts.append(before)
                before = []
        return {"messages": messages, **({"acts": acts} if roles.acts(known.roles) else {})}


def said(act: str, slot: str) -> str:
    """An act with its slot, for messages."""
    return f"{act} {slot}".rstrip()
