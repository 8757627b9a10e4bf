"""Facts: a subject, a relation, an answer, and the question that asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from synthgen.models.text import roles
from synthgen.models.text.kinds import in_place
from synthgen.models.text.kinds.in_place import BLANK, Value
from synthgen.models.text.kinds.kind import Form, Kind, Known, Texts, contents
from synthgen.models.text.segments import Record, Segment


class Facts(Kind):
    """`relation`, which is a class, `answer`, and `question` with the `subject` in place.

    Of a question that does not name its subject, the subject stands before the answer.
    """

    order: ClassVar[Sequence[str]] = (roles.RELATION, roles.SUBJECT, roles.ANSWER, roles.QUESTION)
    given: ClassVar[Sequence[str]] = (roles.RELATION, roles.SUBJECT, roles.ANSWER)
    written: ClassVar[Sequence[str]] = (roles.QUESTION,)

    def segments(self, texts: Texts, row: int) -> list[Segment]:
        found = {role: texts.texts[role][row] for role in self.order if role in texts.texts}
        question, subject = found.pop(roles.QUESTION, None), found.get(roles.SUBJECT)
        place = in_place.find(question, subject) if question is not None and subject else None
        if place is not None:
            del found[roles.SUBJECT]
        values = [Value(*place, roles.SUBJECT)] if place is not None else []
        asked = [] if question is None else in_place.segments(roles.QUESTION, question, values)
        return [*(Segment(*item) for item in found.items()), *asked]

    def classes(self, texts: Texts) -> dict[str, tuple[str, ...]]:
        return {roles.RELATION: tuple(sorted(set(texts.texts[roles.RELATION])))}

    def record(self, given: Mapping[str, Any], form: Form, known: Known) -> Record:
        """A question that is to be generated names the subject that is given."""
        found = {role: str(value) for role, value in given.items()}
        question, subject = found.pop(roles.QUESTION, None), found.get(roles.SUBJECT)
        if question is not None:
            found[roles.QUESTION] = BLANK + question
        elif subject:
            del found[roles.SUBJECT]
            others = [Segment(role, found.get(role)) for role in self.order[:-1] if role in known.roles]
            before = [segment for segment in others if segment.role != roles.SUBJECT]
            return (*before, *in_place.around(roles.QUESTION, [(roles.SUBJECT, subject)]))
        return form(found)

    def values(self, record: Record, known: Known) -> dict[str, Any]:
        first = next((at for at, segment in enumerate(record) if segment.role == roles.QUESTION), len(record))
        found = contents(record[:first]) | {s.role: (s.content or "").removeprefix(BLANK) for s in record[first:]}
        found[roles.QUESTION] = in_place.text_of(record[first:])[0] if record[first:] else ""
        return {role: found.get(role, "") for role in known.roles if role != roles.LABEL}
