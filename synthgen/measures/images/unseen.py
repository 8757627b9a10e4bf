"""Nothing is tested on images that it has learned from: test images have contents of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from synthgen.base.units import plural
from synthgen.errors import DataError

MOST = 0.02
"""Share of the test images that may be elsewhere, too, as a note says: real data hold some images twice."""


def check_unseen(test: Iterable[np.ndarray], where: str, others: Mapping[str, Iterable[np.ndarray]]) -> list[str]:
    """What to say of test images that are among others, too, pixel by pixel, if these are few.

    Args:
        test: as they were read from `where`.
        others: images that networks are trained on or chosen by, by what they are called in messages.

    Raises:
        DataError: they are more than a few.
    """
    held_out = [_content(image) for image in test]
    notes, messages = [], []
    for name, images in others.items():
        seen = {_content(image) for image in images}
        n = sum(content in seen for content in held_out)
        text = f"{where}: {n:,} of {plural(len(held_out), 'test image')} are also among {name}"
        if n > MOST * len(held_out):
            messages.append(
                f"{text}; networks are tested on images that they have not seen: take these out of one of the two, or "
                "name others with --test"
            )
        elif n:
            notes.append(text)
    if messages:
        raise DataError(*messages)
    return notes


def _content(image: np.ndarray) -> bytes:
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).digest()
