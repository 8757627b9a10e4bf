"""The longest run of words of a text that also stands, word for word, in one of many other texts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

from synthgen.language.words import words

_UNKNOWN, _END = -2, -1


class LongestRun:
    """Finds runs by a sorted list of all places of the texts: exact, some dozen bytes for each of their words.

    Source: Manber and Myers 1993, "Suffix arrays: a new method for on-line string searches".
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._ids: dict[str, int] = {}
        numbers: list[int] = []
        for text in dict.fromkeys(tuple(words(text)) for text in texts):
            numbers += [self._ids.setdefault(word, len(self._ids)) for word in text]
            numbers.append(_END)
        self._words = np.array(numbers, dtype=np.int64)
        self._places = _sorted_places(self._words)

    def length(self, text: str) -> int:
        """How many words the longest run has; 0 if no word of `text` is known."""
        found = [self._ids.get(word, _UNKNOWN) for word in words(text)]
        best = start = 0
        while start + best < len(found):
            best = max(best, self._match(found, start))
            start += 1
        return best

    def _match(self, found: Sequence[int], start: int) -> int:
        """How many words from `start` on stand somewhere in a row."""
        low, high = 0, len(self._places)
        for depth, word in enumerate(found[start:]):
            if word == _UNKNOWN:
                return depth

            def at(place: int, depth: int = depth) -> int:
                return int(self._words[self._places[place] + depth])

            low = bisect_left(range(high), word, low, high, key=at)
            high = bisect_right(range(high), word, low, high, key=at)
            if low == high:
                return depth
        return len(found) - start


def _sorted_places(numbers: np.ndarray) -> np.ndarray:
    """The places of words, int64 (N,), in the order of what follows there, up to the end of the text.

    Places are sorted by their first word, then by two, four and so on, until all differ. Every end is another sign, so
    that no comparison goes on behind it, and sorts before all words.
    """
    n = len(numbers)
    ends = numbers == _END
    ranks = np.where(ends, np.cumsum(ends) - 1, numbers + int(ends.sum()))
    step = 1
    while True:
        later = np.full(n, -1, dtype=np.int64)
        later[: max(0, n - step)] = ranks[step:]
        order = np.lexsort((later, ranks))
        changes = (np.diff(ranks[order]) != 0) | (np.diff(later[order]) != 0)
        ranks = np.empty(n, dtype=np.int64)
        ranks[order] = np.concatenate([[0], np.cumsum(changes)]) if n else 0
        if n == 0 or ranks[order[-1]] == n - 1:
            return order
        step *= 2
