"""What the segments of records are called, kind by kind: what trainers write, samplers ask for by the same names.

| kind | segments in order |
|---|---|
| utterances | `label`, then a segment `slot: name` for each slot, in the order of the text, then `text` |
| pairs | `source`, `target` |
| facts | `relation`, `subject`, `answer`, `question` |
| questions | `context`, `answer`, `question` |
| passages | `text` |
| dialogues | for each message its acts, as `act: INFORM city`, then `user` or `assistant` |
"""

from __future__ import annotations

LABEL, TEXT = "label", "text"
SOURCE, TARGET = "source", "target"
RELATION, SUBJECT, ANSWER, QUESTION, CONTEXT = "relation", "subject", "answer", "question", "context"

WITHOUT_CLASSES = "text"
"""What a sample without classes is called, where a condition counts samples by class."""


def slot(name: str) -> str:
    """The role of the value of a slot."""
    return f"slot: {name}"


def act(name: str, of: str) -> str:
    """The role of an act with its slot, which is empty where it has none; the value is the segment's content."""
    return f"act: {name} {of}".rstrip()
