"""Similarity of texts by the runs of characters that they have in common, and groups of similar ones."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from synthgen.language.words import normalised

LENGTH = 4
"""Characters of an n-gram: short enough for sentences of a few words, long enough that unrelated texts share few."""


def ngrams(text: str) -> frozenset[str]:
    """All runs of `LENGTH` characters of the normalised text; a shorter text is the only one of its own."""
    text = normalised(text)
    return frozenset(text[i : i + LENGTH] for i in range(max(1, len(text) - LENGTH + 1)))


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Share of the n-grams of both that they have in common, 0 to 1."""
    common = len(first & second)
    return common / (len(first) + len(second) - common)


class NearestText:
    """Finds how similar the most similar one of some texts is: the exact Jaccard similarity of n-grams.

    The index has four bytes for each different n-gram of each text.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        rows: dict[str, list[int]] = defaultdict(list)
        sets = [ngrams(text) for text in dict.fromkeys(map(normalised, texts))]
        for row, found in enumerate(sets):
            for ngram in found:
                rows[ngram].append(row)
        self._rows = {ngram: np.array(found, dtype=np.int32) for ngram, found in rows.items()}
        self._sizes = np.array([len(found) for found in sets], dtype=np.int64)

    def similarity(self, text: str) -> float:
        """The largest similarity of `text` to one of the texts, 0 to 1; 0 if there are no texts."""
        found = ngrams(text)
        rows = [self._rows[ngram] for ngram in found if ngram in self._rows]
        if not rows:
            return 0.0
        common = np.bincount(np.concatenate(rows), minlength=len(self._sizes))
        return float((common / (len(found) + self._sizes - common)).max())


def similar_groups(texts: Sequence[str], least: float) -> np.ndarray:
    """Numbers of groups, int64 (N,): texts whose similarity is at least `least` are in the same one.

    So are chains of them, whose ends may be less similar. Every such pair is found: nothing is estimated. Texts that
    are equal but for capitals and blanks are always in one group.

    Args:
        least: more than 0, at most 1.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names: dict[str, int] = {}
    which = np.array([names.setdefault(normalised(text), len(names)) for text in texts], dtype=np.int64)
    if not names:
        return which
    pairs = np.array(list(_similar(list(map(ngrams, names)), least)), dtype=np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(names), len(names)))
    _, numbers = connected_components(links, directed=False)
    return np.asarray(numbers, dtype=np.int64)[which]


def _similar(sets: Sequence[frozenset[str]], least: float) -> Iterator[tuple[int, int]]:
    """Positions of all pairs with a similarity of at least `least`, each once.

    Two such sets share one of their rarest n-grams: of a set of n, n - ceil(least n) + 1 are enough. Only sets that
    share one of those are compared, and only with those that are large enough.

    Source: Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity search", section 4; Chaudhuri, Ganti and
    Kaushik 2006, "A primitive operator for similarity joins in data cleaning", section 3 (prefix filter).
    """
    counts = Counter(ngram for found in sets for ngram in found)
    rank = {ngram: i for i, ngram in enumerate(sorted(counts, key=lambda ngram: (counts[ngram], ngram)))}
    index: dict[str, list[int]] = defaultdict(list)
    for i in sorted(range(len(sets)), key=lambda i: (len(sets[i]), i)):
        mine = sets[i]
        n = len(mine)
        needed = math.ceil(least * n - 1e-9)
        rarest = sorted(mine, key=rank.__getitem__)[: n - needed + 1]
        for j in dict.fromkeys(j for ngram in rarest for j in index[ngram] if len(sets[j]) >= needed):
            if jaccard(mine, sets[j]) >= least:
                yield j, i
        for ngram in rarest:
            index[ngram].append(i)
