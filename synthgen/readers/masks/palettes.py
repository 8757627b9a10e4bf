"""Palettes of masks: a number means one thing in all of them, so it must have one colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from synthgen.errors import DataError
from synthgen.fields import IGNORE
from synthgen.readers.images.opening import is_palette, opened
from synthgen.readers.masks.types import MaskKind
from synthgen.readers.problems import Problems

BLACK = "#000000"
ADVICE = (
    "so a number does not mean the same in all masks, as where each was given a palette of its own. Save them with one "
    "palette or as grey numbers, or list what the colours mean in a table `colours`"
)


def check(paths: Sequence[Path], kind: MaskKind, said: bool = True) -> Mapping[int, str]:
    """The colours that the palettes of masks give to numbers, which must be the same: of classes, and of 0 elsewhere.

    Args:
        said: people say that the masks are of this kind; else two colours may be two classes.

    Raises:
        DataError: names two masks that give a number different colours.
    """
    every = kind in ("classes", "semantic") or (kind == "binary" and not said)
    first: dict[int, tuple[str, Path]] = {}
    for path in paths:
        for number, colour in _colours(path).items():
            known, other = first.setdefault(number, (colour, path))
            if known != colour and (every or number == 0):
                more = "; if they mean nothing, give `mask_kind: binary`" if kind == "binary" and number else ""
                raise DataError(
                    f"{other} and {path}: their palettes have the colours {known} and {colour} for the number "
                    f"{number}, {ADVICE}{more}"
                )
    return {number: colour for number, (colour, _) in first.items()}


def note(colours: Mapping[int, str]) -> str:
    """What to say where the background, 0, has a colour and another number is black; empty elsewhere."""
    black = [number for number, colour in colours.items() if colour == BLACK]
    if not black or 0 not in colours or 0 in black:
        return ""
    return (
        f"in the palettes of the masks, 0, the background, is {colours[0]}, and {black[0]} is black; see if that is so"
    )


def _colours(path: Path) -> Mapping[int, str]:
    """The colours of the numbers that a palette file holds, as '#rrggbb'; none of other files and unreadable ones."""
    with Problems(skip_broken=True).picture(str(path)):  # the reader of the mask names it
        if is_palette(path):
            image = opened(path, str(path)).image
            palette = image.getpalette() or []
            numbers = np.unique(np.asarray(image)).tolist()
            return {
                i: "#{:02x}{:02x}{:02x}".format(*palette[3 * i : 3 * i + 3])
                for i in numbers
                if i != IGNORE and 3 * i + 3 <= len(palette)
            }
    return {}
