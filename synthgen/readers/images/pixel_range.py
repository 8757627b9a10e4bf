"""Which values of images of more than 8 bits are black and white: decided once for a folder, and said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from synthgen.errors import DataError
from synthgen.readers.images.opening import Opened, is_deep, opened

FULL = (0.0, 65535.0)
DEPTHS = (255, 4095, 65535)
"""Largest values of 8, 12 and 16 bits."""

BY_DEFAULT = " (`range` changes it)"
Wanted = Literal["auto"] | tuple[float, float]
Stats = tuple[tuple[Path, int, int], ...]

SET = "set `range: [lowest, highest]`, the values that become 0 and 255"


def _rising(wanted: Wanted) -> Wanted:
    if wanted != "auto" and not (all(map(math.isfinite, wanted)) and wanted[0] < wanted[1]):
        raise ValueError(f"must be auto, or two numbers of which the first is smaller (got {list(wanted)})")
    return wanted


RangeSetting = Annotated[
    Wanted,
    AfterValidator(_rising),
    Field(
        description="Values of 16-bit, 32-bit and float images that become 0 and 255, such as [0, 4095]; others are "
        "cut to them. auto: 0 to 255, 4095 or 65535, the least that holds all of the folder, or 0 to 1 of floats.",
        exclude_if=lambda value: value == "auto",
    ),
]
"""The setting `range` of every reader of images; auto is the default, and not part of identities."""


@dataclass(frozen=True, slots=True)
class PixelRange:
    """The values of images of more than 8 bits that become 0 and 255; others are cut to them.

    `note` says what was decided and of which images; empty if there are none of that kind.
    """

    low: float = FULL[0]
    high: float = FULL[1]
    note: str = ""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Both ends, for other folders of the same kind; None if there were no such images."""
        return (self.low, self.high) if self.note else None

    def scaled(self, picture: Opened) -> np.ndarray:
        """A deep image as uint8 (H, W)."""
        values = np.clip(picture.values().astype(np.float64), self.low, self.high)
        return np.rint((values - self.low) * 255 / (self.high - self.low)).astype(np.uint8)

    def check_colours(self, name: str) -> None:
        """Raises DataError if colours of 16 bits a channel, of which the upper 8 are read, would be read wrongly."""
        if (self.low, self.high) != FULL:
            raise DataError(
                f"{name}: has colours of 16 bits a channel, which can be read for the range 0 to 65535 alone, and here "
                f"it is {self.low:g} to {self.high:g}; save it with 8 bits a channel, or set `range: [0, 65535]`"
            )


@dataclass
class _Seen:
    """What the deep images of a folder hold."""

    n_plain: int = 0
    n_integers: int = 0
    n_floats: int = 0
    n_colours: int = 0
    low: float = math.inf
    high: float = -math.inf

    def add(self, picture: Opened) -> None:
        if picture.deep:
            values = picture.values()
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
            self.n_floats += values.dtype.kind == "f"
            self.n_integers += values.dtype.kind != "f"
        else:
            self.n_colours += 1
            top = int(np.asarray(picture.image).max())
            self.low, self.high = min(self.low, 0), max(self.high, 256 * top + 255)


def folder_range(files: Sequence[Path], wanted: Wanted, where: str) -> PixelRange:
    """The range of the deep images among files; all are looked at, and again only if one of them has changed.

    Args:
        where: the folder, for messages.

    Raises:
        DataError: `auto` cannot tell which values are black and white.
    """
    return _folder_range(stats_of(files), wanted, where)


@lru_cache(maxsize=8)
def _folder_range(files: Stats, wanted: Wanted, where: str) -> PixelRange:
    return range_of((path for path, _, _ in files), wanted, where)


def widest_range(files: Iterable[Path], where: str) -> PixelRange:
    """The range from the lowest to the highest value of the deep images among files, for a first look at them.

    Raises:
        DataError: they have one value alone.
    """
    seen = _seen(files)
    if not seen.low < seen.high:
        raise DataError(f"{where}: all of its images of more than 8 bits have one value, {seen.low:g}")
    note = (
        f"{_held(seen)}, and nothing says which of them are black and white: all is taken; check `range` in the recipes"
    )
    return PixelRange(seen.low, seen.high, note)


def range_of(files: Iterable[bytes | Path], wanted: Wanted, where: str) -> PixelRange:
    """The range of the deep images among files or their contents; those that cannot be read do not count.

    Raises:
        DataError: as `folder_range`.
    """
    return _decided(_seen(files), wanted, where)


def _seen(files: Iterable[bytes | Path]) -> _Seen:
    seen = _Seen()
    for file in files:
        try:
            if is_deep(file):
                seen.add(opened(file, ""))
            else:
                seen.n_plain += 1
        except DataError:  # which the reader of the images says, or leaves out
            continue
    return seen


def stats_of(files: Iterable[Path]) -> Stats:
    """Names, sizes and times of files, by which a change of them is known.

    Raises:
        DataError: names a file that is not there.
    """
    try:
        return tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None


def picture_range(picture: Opened, name: str) -> PixelRange:
    """The range of a deep image that stands alone.

    Raises:
        DataError: as `folder_range`.
    """
    seen = _Seen()
    seen.add(picture)
    return _decided(seen, "auto", name)


def _decided(seen: _Seen, wanted: Wanted, where: str) -> PixelRange:
    if not seen.n_integers + seen.n_floats + seen.n_colours:
        return PixelRange(*FULL) if wanted == "auto" else PixelRange(*wanted)
    held = _held(seen)
    if wanted != "auto":
        beyond = seen.low < wanted[0] or seen.high > wanted[1]
        chosen, how = wanted, " as set" + (", and others are cut to them" if beyond else "")
    elif seen.n_floats:
        if seen.n_integers + seen.n_colours or seen.low < 0 or seen.high > 1:
            raise DataError(f"{where}: {held}, and nothing says which of them are black and white; {SET}")
        chosen, how = (0.0, 1.0), BY_DEFAULT
    elif seen.low < 0 or seen.high > FULL[1]:
        raise DataError(f"{where}: {held}, and nothing says which of them are black and white; {SET}")
    else:
        chosen, how = (0.0, float(next(top for top in DEPTHS if seen.high <= top))), BY_DEFAULT
    beside = f"; those of 8 bits ({seen.n_plain}) stay as they are" if seen.n_plain else ""
    return PixelRange(*chosen, f"{held}; {chosen[0]:g} to {chosen[1]:g} become 0 to 255{how}{beside}")


def _held(seen: _Seen) -> str:
    counts = {
        "grey images of 16 or 32 bits": seen.n_integers,
        "images of floats": seen.n_floats,
        "colour images of 16 bits a channel": seen.n_colours,
    }
    kinds = " and ".join(f"{kind} ({n})" for kind, n in counts.items() if n)
    return f"{kinds} hold values from {seen.low:g} to {seen.high:g}"
