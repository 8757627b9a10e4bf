"""Questions with their answers, on a passage or without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from synthgen.fields import Answers, Field, Text
from synthgen.models.text import roles
from synthgen.models.text.kinds.kind import Kind, Known, Texts, contents
from synthgen.models.text.segments import Record, Segment


class Questions(Kind):
    """`context`, the first `answer`, and `question`."""

    given: ClassVar[Sequence[str]] = (roles.CONTEXT,)

    def segments(self, texts: Texts, row: int) -> list[Segment]:
        answers = texts.answers[row] if texts.answers else ()
        return [
            *(Segment(role, texts.texts[role][row]) for role in (roles.CONTEXT,) if texts.texts.get(role)),
            *(Segment(roles.ANSWER, answer.text) for answer in answers[:1]),
            Segment(roles.QUESTION, texts.texts[roles.QUESTION][row]),
        ]

    def fields(self, known: Known) -> dict[str, Field]:
        if roles.CONTEXT not in known.roles:
            return super().fields(known)
        return {roles.CONTEXT: Text(), "answers": Answers(roles.CONTEXT), roles.QUESTION: Text()}

    def values(self, record: Record, known: Known) -> dict[str, Any]:
        if roles.CONTEXT not in known.roles:
            return super().values(record, known)
        found = contents(record)
        context, answer = found[roles.CONTEXT], found.get(roles.ANSWER)
        start = context.find(answer) if answer else -1
        answers = {"text": [answer] if start >= 0 else [], "answer_start": [start] if start >= 0 else []}
        return {roles.CONTEXT: context, "answers": answers, roles.QUESTION: found[roles.QUESTION]}
