"""Pairs: a text and its translation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from synthgen.fields import Field, Translation
from synthgen.models.text import roles
from synthgen.models.text.kinds.kind import Kind, Known, contents
from synthgen.models.text.segments import Record


class Pairs(Kind):
    """`source` and `target`; one field `translation` where their languages are known."""

    order: ClassVar[Sequence[str]] = (roles.SOURCE, roles.TARGET)
    given: ClassVar[Sequence[str]] = (roles.SOURCE,)

    def fields(self, known: Known) -> dict[str, Field]:
        return {"translation": Translation(known.languages)} if known.languages else super().fields(known)

    def values(self, record: Record, known: Known) -> dict[str, Any]:
        if not known.languages:
            return super().values(record, known)
        found = contents(record)
        return {"translation": dict(zip(known.languages, (found[role] for role in self.order), strict=True))}
