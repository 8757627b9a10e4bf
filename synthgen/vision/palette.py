"""The colours of class ids: those that a class map names, else Pascal VOC's."""

from __future__ import annotations

from collections.abc import Sequence


def palette(named: Sequence[str] = ()) -> list[tuple[int, int, int]]:
    """256 colours (red, green, blue; 0 to 255), one per id: `named` ('#rrggbb') from id 1 on, VOC's for the others.

    VOC deals the bits of a number out to red, green and blue, highest first. Source: VOC devkit, VOClabelcolormap.
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
    for number, text in enumerate(named, start=1):
        r, g, b = bytes.fromhex(text.removeprefix("#"))
        colours[number] = (r, g, b)
    return colours
