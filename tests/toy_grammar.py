"""A made-up language and its translation: a dictionary, adjectives behind nouns and like them, verbs at the end."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
ARTICLES = {"the": ("lo", "la"), "a": ("un", "una")}


class ToyGrammar:
    """Sentences such as `the old dog sees a cat with a hat`, in words that nobody has seen, and their translations."""

    def __init__(self, seed: int = 0, n_nouns: int = 24, n_others: int = 12, n_prepositions: int = 4) -> None:
        words = self._words(random.Random(seed))
        self._nouns = {next(words): (next(words), i % 2) for i in range(n_nouns)}
        self._adjectives, self._verbs = ({next(words): next(words) for _ in range(n_others)} for _ in range(2))
        self._prepositions = {next(words): next(words) for _ in range(n_prepositions)}

    @staticmethod
    def _words(chance: random.Random) -> Iterator[str]:
        known: set[str] = set()
        while True:
            word = "".join(chance.choice(SYLLABLES) for _ in range(chance.randint(2, 3)))
            if word not in known:
                known.add(word)
                yield word

    def pairs(self, n: int, seed: int) -> list[tuple[str, str]]:
        """Sentences and their translations, some of which may be equal."""
        chance = random.Random(seed)
        pick: Callable[[dict], str] = lambda words: chance.choice(list(words))  # noqa: E731

        def phrase() -> list[str]:
            adjective = [pick(self._adjectives)] if chance.random() < 0.5 else []
            return [pick(ARTICLES), *adjective, pick(self._nouns)]

        found = []
        for _ in range(n):
            more = [pick(self._prepositions), *phrase()] if chance.random() < 0.5 else []
            source = " ".join([*phrase(), pick(self._verbs), *phrase(), *more])
            target = self.translation(source)
            assert target is not None
            found.append((source, target))
        return found

    def translation(self, source: str) -> str | None:
        """The translation of a sentence; None if it is none of this language."""
        words, found = iter(source.split(" ")), []
        try:
            found += self._phrase(words)
            verb = self._verbs[next(words)]
            found += self._phrase(words)
            for preposition in itertools.islice(words, 1):
                found += [self._prepositions[preposition], *self._phrase(words)]
        except (KeyError, StopIteration):
            return None
        return None if next(words, None) else " ".join([*found, verb])

    def _phrase(self, words: Iterator[str]) -> list[str]:
        article, word = ARTICLES[next(words)], next(words)
        adjective = self._adjectives.get(word)
        noun, gender = self._nouns[next(words) if adjective else word]
        return [article[gender], noun, *([adjective + "oa"[gender]] if adjective else [])]
