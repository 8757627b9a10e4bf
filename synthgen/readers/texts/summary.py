"""What is said of texts before they are used: by `plan`, `train` and `run`, in the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from synthgen.readers.data_facts import DataFacts
from synthgen.readers.texts.records import Texts
from synthgen.readers.texts.types import SPLITS

PERCENTILES = (5, 50, 95, 100)
SHOWN = 12
"""Classes that are named with their counts; what is beyond is counted."""


def facts_of(texts: Texts) -> DataFacts:
    """How many records there are, their lengths, classes, splits, and what was left out and why."""
    rows = {"kind": texts.kind, "records": f"{len(texts):,}, {_splits(texts)}"}
    rows |= {f"characters of {role}": _lengths([len(text) for text in values]) for role, values in texts.texts.items()}
    if texts.dialogues is not None:
        rows["messages of a dialogue"] = _lengths([len(one) for one in texts.dialogues])
        lengths = [len(each.content) for one in texts.dialogues for each in one]
        if any(lengths):  # plans have messages without words
            rows["characters of a message"] = _lengths(lengths)
    if texts.labels is not None:
        rows["classes"] = _classes(texts.classes, np.bincount(texts.labels, minlength=len(texts.classes)))
    if texts.spans is not None:
        slots = np.array([span.slot for one in texts.spans for span in one], dtype=np.int64)
        rows["slots"] = _classes(texts.slot_classes, np.bincount(slots, minlength=len(texts.slot_classes)))
    if texts.answers is not None:
        rows["answers of a question"] = _lengths([len(one) for one in texts.answers])
    if texts.languages:
        rows["languages"] = " to ".join(texts.languages)
    if texts.left_out:
        rows["left out"] = "; ".join(f"{n:,} {reason}" for reason, n in texts.left_out.items())
    return DataFacts(_columns(texts.roles, texts.files), rows, texts.notes)


def _columns(roles: Mapping[str, str], files: Sequence[str]) -> dict[str, str]:
    """The column of each role, where files have columns."""
    return {} if Path(files[0]).suffix.lower() in (".txt", ".tmx", ".conll", ".bio", ".iob") else dict(roles)


def _splits(texts: Texts) -> str:
    counts = np.bincount(texts.splits, minlength=len(SPLITS))
    return ", ".join(f"{name} {count:,}" for name, count in zip(SPLITS, counts.tolist(), strict=True))


def _lengths(lengths: Sequence[int]) -> str:
    """`5 % have at most 12, half 31, 95 % 87, the longest 211`."""
    low, half, high, most = np.percentile(lengths, PERCENTILES, method="inverted_cdf").tolist()
    return f"5 % have at most {low:,}, half {half:,}, 95 % {high:,}, the longest {most:,}"


def _classes(names: Sequence[str], counts: np.ndarray) -> str:
    order = np.argsort(-counts, kind="stable")[:SHOWN].tolist()
    shown = ", ".join(f"{names[i]} {counts[i]:,}" for i in order)
    rest = len(names) - len(order)
    return f"{len(names)}: {shown}" + (f" and {rest} more, the rarest {counts.min():,}" if rest else "")
