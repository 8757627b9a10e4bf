"""What people should look at in texts that can be read: classes that are nearly the same, repeated records."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from synthgen.readers.texts.records import Texts
from synthgen.readers.texts.sameness import compared, said, same

NAMED = 3
"""Cases that are named; what is beyond is counted."""


def remarks(texts: Texts) -> list[str]:
    """Notes on all records together, as sentences without a full stop."""
    return [*_alike("class", texts.classes), *_alike("slot", texts.slot_classes), *_repeated(texts), *_silent(texts)]


def _alike(what: str, names: tuple[str, ...]) -> Iterator[str]:
    """Names that differ by capitals and blanks alone, or by how their letters are composed."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[same(name)].append(name)
    alike = [group for group in groups.values() if len(group) > 1]
    if alike:
        shown = "; ".join(" and ".join(map(repr, group)) for group in alike[:NAMED])
        more = f"; and {len(alike) - NAMED} more" if len(alike) > NAMED else ""
        yield f"names of a {what} that differ by capitals, blanks or composed letters alone: {shown}{more}"


def _repeated(texts: Texts) -> Iterator[str]:
    """Records that say all the same as an earlier one; and equal texts of several classes."""
    columns = [[_composed(text) for text in values] for values in texts.texts.values()]
    if texts.dialogues is not None:
        columns.append([said(one) for one in texts.dialogues])
    if texts.answers is not None:
        columns.append([repr(one) for one in texts.answers])
    labels = [0] * len(texts) if texts.labels is None else texts.labels.tolist()
    counts = Counter(zip(*columns, labels, strict=True))
    again = len(texts) - len(counts)
    if again:
        yield f"{again:,} of {len(texts):,} records repeat an earlier one"
    if texts.kind == "utterances" and texts.labels is not None:
        classes: dict[str, set[int]] = defaultdict(set)
        for keys, label in zip(compared(texts), labels, strict=True):
            classes[keys[0]].add(label)
        several = [text for text, ids in classes.items() if len(ids) > 1]
        if several:
            yield f"{len(several):,} texts are in more than one class, as `{min(several)[:60]}`"


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _silent(texts: Texts) -> Iterator[str]:
    if texts.dialogues is not None:
        contents = [bool(message.content) for one in texts.dialogues for message in one]
        empty = contents.count(False)
        if empty < len(contents) and empty:  # with none at all, these are plans
            yield f"{empty:,} {'message has' if empty == 1 else 'messages have'} no content, and acts alone"
    if texts.answers is not None:
        without = np.sum([not one for one in texts.answers])
        if without:
            yield f"{without:,} of {len(texts):,} questions cannot be answered"
