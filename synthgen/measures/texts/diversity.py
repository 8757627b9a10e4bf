"""Diversity of a set of texts: distinct n-grams, self-BLEU, vocabulary and lengths."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from synthgen.measures.texts.words import ngrams, tokens_of

N_SELF_BLEU = 500
ORDER = 4
QUANTILES = (0.05, 0.5, 0.95)


def measure(texts: Sequence[str]) -> dict[str, Any]:
    """Of one text or more; compare sets of equal size, as most of these depend on it.

    `distinct_1` to `distinct_3`: see `distinct`; None where no text is long enough. `self_bleu` is of `N_SELF_BLEU`
    texts at most, evenly spaced, None for fewer than two. `vocabulary` is the number of different tokens; `words_q05`,
    `words_q50` and `words_q95` are quantiles of the tokens of a text.
    """
    rows = [tokens_of(text) for text in texts]
    some = [rows[i * len(rows) // N_SELF_BLEU] for i in range(N_SELF_BLEU)] if len(rows) > N_SELF_BLEU else rows
    lengths = np.quantile([len(row) for row in rows], QUANTILES)
    return {
        "n": len(texts),
        **{f"distinct_{n}": distinct(rows, n) for n in (1, 2, 3)},
        "self_bleu": self_bleu(some),
        "vocabulary": len({token for row in rows for token in row}),
        **{f"words_q{round(100 * q):02d}": float(length) for q, length in zip(QUANTILES, lengths, strict=True)},
    }


def distinct(rows: Sequence[Sequence[str]], n: int) -> float | None:
    """Different n-grams of all texts over all their n-grams, 0 to 1; None where no text has one.

    Source: Li et al. 2016, "A diversity-promoting objective function for neural conversation models", section 5.
    """
    found = Counter(gram for row in rows for gram in ngrams(row, n))
    return len(found) / found.total() if found else None


def self_bleu(rows: Sequence[Sequence[str]]) -> float | None:
    """Mean BLEU, 0 to 100, of each text with all the others as its references; more means less diverse.

    Up to 4-grams, or as long as the text is; a precision of zero is smoothed as sacrebleu does by default. It is
    `sacrebleu.sentence_bleu` with `tokenize="none"` and `use_effective_order`, at a cost that grows with the number of
    texts and not with its square: what a text must not count of its own n-grams is known from the two texts that have
    most of each. None for fewer than two texts with tokens.

    Source: Zhu et al. 2018, "Texygen", section 3.2; Papineni et al. 2002, sections 2.1 to 2.3; Chen and Cherry 2014,
    smoothing 3.
    """
    rows = [row for row in rows if row]
    if len(rows) < 2:
        return None
    counts = [[Counter(ngrams(row, n)) for row in rows] for n in range(1, ORDER + 1)]
    most = [_two_most(some) for some in counts]
    lengths = Counter(len(row) for row in rows)
    return float(np.mean([_bleu(i, rows, counts, most, lengths) for i in range(len(rows))]))


_Most = dict[tuple[str, ...], tuple[int, int, int]]
"""Of each n-gram the text that has most of it, how many, and the most of any other text."""


def _two_most(counts: Sequence[Counter[tuple[str, ...]]]) -> _Most:
    found: _Most = {}
    for text, grams in enumerate(counts):
        for gram, n in grams.items():
            owner, first, second = found.get(gram, (-1, 0, 0))
            found[gram] = (text, n, first) if n > first else (owner, first, max(second, n))
    return found


def _bleu(
    text: int,
    rows: Sequence[Sequence[str]],
    counts: Sequence[Sequence[Counter[tuple[str, ...]]]],
    most: Sequence[_Most],
    lengths: Counter[int],
) -> float:
    size = len(rows[text])
    others = [length for length, n in lengths.items() if n > (length == size)]
    closest = min(others, key=lambda length: (abs(length - size), length))
    logs, smooth = 0.0, 1.0
    orders = min(ORDER, size)
    shared = [_clipped(text, counts[n][text], most[n]) for n in range(orders)]
    if not any(shared):
        return 0.0
    for n in range(orders):
        total = size - n
        if shared[n]:
            precision = shared[n] / total
        else:
            smooth *= 2
            precision = 1 / (smooth * total)
        logs += math.log(precision)
    brevity = 1.0 if size >= closest else math.exp(1 - closest / size)
    return 100 * brevity * math.exp(logs / orders)


def _clipped(text: int, grams: Counter[tuple[str, ...]], most: _Most) -> int:
    """How many n-grams of a text another one has as well, each as often as the one that has most of it."""
    total = 0
    for gram, n in grams.items():
        owner, first, second = most[gram]
        total += min(n, second if owner == text else first)
    return total
