"""Conditions whose maps are made when they are looked at, so that counting a plan's classes costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Lazy(Mapping[str, Any]):
    """Values at hand, and values that `make` returns together the first time that one of `names` is asked for."""

    def __init__(
        self, at_hand: Mapping[str, Any], names: tuple[str, ...], make: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._values, self._names, self._make = dict(at_hand), names, make

    def __getitem__(self, name: str) -> Any:
        if name not in self._values and name in self._names:
            self._values |= self._make()
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*dict.fromkeys([*self._values, *self._names])])

    def __len__(self) -> int:
        return len({*self._values, *self._names})
