"""How `synthgen duplicates` compares samples: images by perceptual hashes, texts by what they have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from synthgen.dataset.ledger import Ledger
from synthgen.errors import UsageError
from synthgen.fields.shown import Picture
from synthgen.fields.texts import ROLES
from synthgen.parts.field_texts import texts_in
from synthgen.parts.registry import unknown

MAX_BITS = 2
MIN_SIMILARITY = 0.8


@dataclass(frozen=True, slots=True)
class Way:
    """One way to compare samples.

    Attributes:
        things, by, within: what is compared, by what, and how near copies are, in words.
        fields: what is compared of each sample.
        limit, value: the option that says how near copies are, and its value.
        value_of: makes of a sample's fields, decoded, what is compared.
        groups: numbers of groups (N,) of such values (N,) of all samples.
    """

    things: str
    by: str
    within: str
    fields: tuple[str, ...]
    limit: str
    value: float
    value_of: Callable[[list[Any]], Any]
    groups: Callable[[list[Any]], Any]

    @property
    def how(self) -> dict[str, Any]:
        """The same as JSON values, for the selection."""
        fields = {"field": self.fields[0]} if len(self.fields) == 1 else {"fields": list(self.fields)}
        return {"by": self.by, **fields, self.limit: self.value}


def way_of(book: Ledger, asked: str | None, max_bits: int | None, min_similarity: float | None) -> Way:
    """How the samples of a dataset are compared, images before texts.

    Raises:
        UsageError: there is no such field, or an option is of the other way.
    """
    pictures = [name for name, kind in book.fields.items() if kind.shown == Picture()]
    texts = [name for name, kind in book.fields.items() if texts_in(name, kind)]
    there = [*pictures, *texts]
    if asked is not None and asked not in there:
        raise UsageError(f"--field: {unknown(asked, there, 'field of pictures or texts')}")
    if not there:
        raise UsageError(f"{book.place}: holds neither images nor texts, so there is nothing to compare")
    if asked in pictures or (asked is None and pictures):
        if min_similarity is not None:
            raise UsageError("--min-similarity is for texts; images are compared within --max-bits")
        return _of_pictures(book, asked or pictures[0], MAX_BITS if max_bits is None else max_bits)
    if max_bits is not None:
        raise UsageError("--max-bits is for images; texts are compared by --min-similarity")
    names = (asked,) if asked else tuple(texts)
    return _of_texts(book, names, MIN_SIMILARITY if min_similarity is None else min_similarity)


def _of_pictures(book: Ledger, name: str, max_bits: int) -> Way:
    import numpy as np

    from synthgen.vision.perceptual_hash import groups, perceptual_hash

    kind = book.fields[name]
    return Way(
        things="images",
        by="perceptual hash",
        within=f"within {max_bits} bits",
        fields=(name,),
        limit="max_bits",
        value=max_bits,
        value_of=lambda values: perceptual_hash(kind.show(values[0])),
        groups=lambda hashes: groups(np.array(hashes, dtype=np.uint64), max_bits),
    )


def _of_texts(book: Ledger, names: tuple[str, ...], least: float) -> Way:
    from synthgen.language.ngrams import similar_groups

    parts = [[text for text in texts_in(name, book.fields[name]) if text.part not in ROLES] for name in names]

    def together(values: list[Any]) -> str:
        """All texts of a sample, in lines."""
        return "\n".join(text.text(value) for texts, value in zip(parts, values, strict=True) for text in texts)

    return Way(
        things="texts",
        by="character n-grams",
        within=f"with a similarity of {least:g} or more",
        fields=names,
        limit="min_similarity",
        value=least,
        value_of=together,
        groups=lambda texts: similar_groups(texts, least),
    )
