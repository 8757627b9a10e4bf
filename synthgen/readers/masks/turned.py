"""Images that EXIF data turn: whether their masks or boxes are turned too is not always to be seen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from synthgen.base.cache import with_addresses
from synthgen.base.units import plural
from synthgen.errors import DataError
from synthgen.readers.images.opening import orientation
from synthgen.readers.problems import NAMED

UPRIGHT, ON_THE_SIDE = 1, 5
"""EXIF's orientation of an image as it is, and the first of those that change its proportions."""


def note(labelled: Iterable[tuple[Path, Path | None, bool]]) -> str:
    """What to say of images that are turned, though their masks are not, and no size shows which way up those are.

    Args:
        labelled: each image, its mask if it has one, and whether the labels have a size, which the upright image has.
    """
    names = [
        image.name
        for image, mask, sized in labelled
        if _is_turned(image, sized) and not (mask and _orientation(mask)[0] != UPRIGHT)
    ]
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return with_addresses(
        f"{plural(len(names), 'image')} turned upright as the EXIF data say, and no mask or box shows by its size "
        f"whether it is of the upright image, as which it is read; see if that is so: {', '.join(names[:NAMED])}{more}"
    )


def _is_turned(path: Path, sized: bool) -> bool:
    """Whether an image is turned, and the size of its labels, if they have one, does not show that they are, too."""
    turn, (width, height) = _orientation(path)
    return turn != UPRIGHT and not (sized and turn >= ON_THE_SIDE and width != height)


def _orientation(path: Path) -> tuple[int, tuple[int, int]]:
    try:
        return orientation(path)
    except DataError:  # which the reader of the image says
        return UPRIGHT, (0, 0)
