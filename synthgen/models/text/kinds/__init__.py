"""Kinds of texts: a file each, with what its records hold, what a condition asks of them, and what samples get."""

from __future__ import annotations

from collections.abc import Mapping

from synthgen.models.text.kinds.dialogues import Dialogues
from synthgen.models.text.kinds.facts import Facts
from synthgen.models.text.kinds.kind import Kind, Known
from synthgen.models.text.kinds.pairs import Pairs
from synthgen.models.text.kinds.passages import Passages
from synthgen.models.text.kinds.questions import Questions
from synthgen.models.text.kinds.utterances import Utterances

__all__ = ["KINDS", "Kind", "Known"]

KINDS: Mapping[str, Kind] = {
    "utterances": Utterances(),
    "pairs": Pairs(),
    "facts": Facts(),
    "questions": Questions(),
    "passages": Passages(),
    "dialogues": Dialogues(),
}
"""Kinds by the names that the reader of texts has for them."""
