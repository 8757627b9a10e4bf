"""A column that is computed when it is first read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class LazyColumn(Sequence[Any]):
    """`n` values that `make` returns together; a GPU that drew them goes on while they are decoded elsewhere."""

    def __init__(self, n: int, make: Callable[[], Sequence[Any]]) -> None:
        self._n, self._make = n, make
        self._values: Sequence[Any] | None = None

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, place: Any) -> Any:
        if self._values is None:
            self._values = self._make()
        return self._values[place]
