"""Names of classes and channels, as cards list them."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def numbered(names: Sequence[str]) -> str:
    """`0 background, 1 cell`."""
    return ", ".join(f"{i} {name}" for i, name in enumerate(names))


def with_units(names: Sequence[str], units: Sequence[str]) -> list[str]:
    """`flow (m3/s)`; the name alone where the unit is `1`."""
    return [name if unit == "1" else f"{name} ({unit})" for name, unit in zip(names, units, strict=True)]


def quoted(names: Sequence[str], quote: Callable[[str], str]) -> str:
    """The names, each quoted, with commas between them."""
    return ", ".join(map(quote, names))
