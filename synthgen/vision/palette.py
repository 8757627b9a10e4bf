"""The colours of class ids, as Pascal VOC has them."""

from __future__ import annotations

from collections.abc import Sequence


def palette() -> Sequence[tuple[int, int, int]]:
    """VOC's 256 colours: the bits of a number are dealt out to red, green and blue, highest first.

    Source: VOC devkit, VOClabelcolormap.
    """
    colours = []
    for number in range(256):
        r = g = b = 0
        rest = number
        for bit in range(7, -1, -1):
            r |= (rest & 1) << bit
            g |= (rest >> 1 & 1) << bit
            b |= (rest >> 2 & 1) << bit
            rest >>= 3
        colours.append((r, g, b))
    return colours
