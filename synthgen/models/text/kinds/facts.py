"""Facts: a subject, a relation, an answer, and the question that asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from synthgen.models.text import roles
from synthgen.models.text.kinds.kind import Kind, Texts


class Facts(Kind):
    """`relation`, which is a class, `subject`, `answer` and `question`."""

    order: ClassVar[Sequence[str]] = (roles.RELATION, roles.SUBJECT, roles.ANSWER, roles.QUESTION)
    given: ClassVar[Sequence[str]] = (roles.RELATION, roles.SUBJECT, roles.ANSWER)

    def classes(self, texts: Texts) -> dict[str, tuple[str, ...]]:
        return {roles.RELATION: tuple(sorted(set(texts.texts[roles.RELATION])))}
