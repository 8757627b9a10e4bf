"""Which records belong together: those that share a text, or a group that the data name."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from synthgen.readers.texts.records import Message, Texts

COMPARED = {
    "utterances": ("text",),
    "pairs": ("source", "target"),
    "questions": ("context", "question"),
    "facts": ("subject", "question"),
    "passages": ("text",),
}
"""Roles whose texts no two splits share, by kind; of dialogues it is all that is said in one."""


def same(text: str) -> str:
    """A text as it is compared: in NFC, without the difference of capitals, and of blanks and line ends."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).split())


def said(messages: Sequence[Message]) -> str:
    """What a dialogue says; a message without content, as plans have them, says its acts."""
    return "\n".join(message.content or repr(message.acts) for message in messages)


def compared(texts: Texts) -> Iterator[tuple[str, ...]]:
    """The texts of each record that no two splits share, as they are compared."""
    if texts.dialogues is not None:
        for messages in texts.dialogues:
            yield (same(said(messages)),)
        return
    columns = [texts.texts[role] for role in COMPARED[texts.kind] if role in texts.texts]
    for values in zip(*columns, strict=True):
        yield tuple(same(value) for value in values)


def components(keys: Iterable[Sequence[str]], groups: Sequence[Sequence[str]]) -> np.ndarray:
    """int64 (N,): of each record the first one that it is connected with, by equal keys or equal groups.

    Args:
        keys: the keys of each record; one of any record is equal to one of another if the texts are.
        groups: of each column that names groups, the group of each record; an empty one is none.
    """
    parents: list[int] = []

    def root(record: int) -> int:
        while parents[record] != record:
            parents[record] = parents[parents[record]]
            record = parents[record]
        return record

    def join(first: int, second: int) -> None:
        a, b = root(first), root(second)
        parents[max(a, b)] = min(a, b)

    seen: dict[str, int] = {}
    for record, texts in enumerate(keys):
        parents.append(record)
        for text in texts:
            first = seen.setdefault(text, record)
            if first != record:
                join(first, record)
    for column in groups:
        named: dict[str, int] = {}
        for record, name in enumerate(column):
            if name and (first := named.setdefault(name, record)) != record:
                join(first, record)
    return np.array([root(record) for record in range(len(parents))], dtype=np.int64)
