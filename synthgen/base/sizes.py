"""Sizes of images in recipes: one number for squares, or width and height."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Side = Annotated[int, Field(ge=8, le=8192)]
Size = Side | tuple[Side, Side]
"""`96`, or `[128, 96]` for a width of 128 and a height of 96 pixels."""


def shape_of(size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else (size[1], size[0])


def shown(shape: tuple[int, ...]) -> str:
    """Height and width as a recipe's `size` states them: `[width, height]`."""
    return f"[{shape[1]}, {shape[0]}]"


def size_of(shape: tuple[int, int]) -> int | tuple[int, int]:
    """The inverse of `shape_of`."""
    height, width = shape
    return height if height == width else (width, height)
