"""What the segments of records are called, kind by kind: what trainers write, samplers ask for by the same names.

| kind | segments in order |
|---|---|
| utterances | `label`, then `text` with the values of its slots in place, as `slot: name` |
| pairs | `source`, `target` |
| facts | `relation`, `answer`, `question` with its `subject` in place |
| questions | `context`, `answer`, `question` |
| passages | `text` |
| dialogues | for each message its acts, as `act: REQUEST city`, then `user` or `assistant` with what it says of them |
| | in place, as `said: INFORM city` |

What stands in place is between two pieces of the text: see `synthgen.models.text.kinds.in_place`.

`synthgen.models.text.kinds` has a file for each kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

LABEL, TEXT = "label", "text"
SOURCE, TARGET = "source", "target"
RELATION, SUBJECT, ANSWER, QUESTION, CONTEXT = "relation", "subject", "answer", "question", "context"

WITHOUT_CLASSES = "text"
"""What a sample without classes is called, where a condition counts samples by class."""


SLOT, ACT, SAID = "slot: ", "act: ", "said: "
"""What the roles of the values of slots begin with, of acts, and of acts whose value the message says."""


def slot(name: str) -> str:
    """The role of the value of a slot; a condition asks for the value in a field of this name."""
    return f"{SLOT}{name}"


def slots(names: Iterable[str]) -> tuple[str, ...]:
    """The slots whose roles are among these names, sorted."""
    return tuple(sorted(name.removeprefix(SLOT) for name in names if name.startswith(SLOT)))


def act(name: str, of: str) -> str:
    """The role of an act with its slot, which is empty where it has none; the value is the segment's content.

    A name with blanks is put in quotes: `act: "say goodbye"`.
    """
    plain = json.dumps(name, ensure_ascii=False) if name.startswith('"') or any(map(str.isspace, name)) else name
    return f"{ACT}{plain} {of}" if of else f"{ACT}{plain}"


def said(name: str, of: str) -> str:
    """The role of an act's value where the message says it."""
    return SAID + act(name, of).removeprefix(ACT)


def act_of(role: str) -> tuple[str, str]:
    """The act and the slot, empty where it has none, of such a role."""
    text = role.removeprefix(ACT).removeprefix(SAID)
    if text.startswith('"'):
        name, end = json.JSONDecoder().raw_decode(text)
        return str(name), text[end + 1 :]
    name, _, of = text.partition(" ")
    return str(name), of


def acts(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The acts with their slots whose roles are among these names, sorted."""
    return tuple(sorted({act_of(name) for name in names if name.startswith((ACT, SAID))}))
