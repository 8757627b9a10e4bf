"""What validation losses are measured on: a share of the training images, or the data's own validation split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Protocol, Self, TypeVar

import numpy as np
from pydantic import Field

from synthgen.base.units import plural
from synthgen.errors import DataError

SPLIT: Literal["val"] = "val"

Validation = Annotated[float, Field(gt=0, lt=1)] | Literal["val"]
"""A share of the training images, or `val` for the split of that name."""

DESCRIPTION = (
    "Share of the training images that is held out for validation losses; or `val`, the validation split of the data."
)


class Divisible(Protocol):
    """Images of one split."""

    def __len__(self) -> int: ...
    def split(self, share: float, seed: int) -> tuple[Self, Self]: ...
    def with_validation(self, validation: Self) -> tuple[Self, Self, Self]: ...


E = TypeVar("E", bound=Divisible)


def divided(training: E, validation: Validation, seed: int, read_split: Callable[[], E]) -> tuple[E, E, E]:
    """All images that were read, those to train on, and those that are held out.

    Args:
        training: the training split.
        read_split: reads the validation split.

    Raises:
        DataError: the images cannot be used, or there is no validation split where it is asked for.
    """
    if validation != SPLIT:
        return training, *training.split(validation, seed)
    try:
        return training.with_validation(read_split())
    except DataError as error:
        more = f"`validation: {SPLIT}` asks for that split; a share of the training images, such as 0.1, does without"
        raise DataError(*error.messages, more) from None


def without_labels(n: int, share: float, seed: int, what: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Rows of `n` images without labels: the rest, and those that are held out, one at least of each; and a note on it.

    Args:
        what: that they lack, such as `labels`.

    Raises:
        DataError: there is one image only.
    """
    if n < 2:
        raise DataError("data.unlabelled: has one image; some are held out for validation losses, so add others")
    held = min(n - 1, max(1, round(share * n)))
    rows = np.random.default_rng(seed).permutation(n)
    said = f"validation losses are of {plural(held, 'image')} without {what}, and all with {what} are learned from"
    return np.sort(rows[held:]), np.sort(rows[:held]), said


def notes_on(n: int, training: Sequence[str], found: Sequence[str]) -> tuple[str, ...]:
    """The notes of a training split whose validation split has `n` images and the notes `found`."""
    own = [f"split `{SPLIT}`: {note}" for note in found if note not in training]
    return (*training, f"validation losses are of the {n} images of the split `{SPLIT}`", *own)
