"""Texts as records of segments, which is what a model learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from synthgen.models.text import roles
from synthgen.models.text.kinds import KINDS
from synthgen.models.text.segments import Record, Segment
from synthgen.readers.texts.records import Texts


def records_of(texts: Texts) -> list[Record]:
    """A record for each of N, its segments in the order of `synthgen.models.text.roles`."""
    kind = KINDS[texts.kind]
    labels = [None] * len(texts) if texts.labels is None else [texts.classes[i] for i in texts.labels.tolist()]
    return [
        (*([Segment(roles.LABEL, label)] if label is not None else []), *kind.segments(texts, row))
        for row, label in enumerate(labels)
    ]


def classes_of(texts: Texts) -> dict[str, tuple[str, ...]]:
    """Names of the classes of each role that is no text, sorted: the label, and those of the kind.

    Classes that none of these texts has are left out: nothing can be learned of them.
    """
    label = {}
    if texts.labels is not None:
        label[roles.LABEL] = tuple(texts.classes[i] for i in np.unique(texts.labels).tolist())
    return {**label, **KINDS[texts.kind].classes(texts)}


def roles_of(records: Sequence[Record]) -> list[str]:
    """All roles by first appearance."""
    found: Mapping[str, None] = {segment.role: None for record in records for segment in record}
    return list(found)
