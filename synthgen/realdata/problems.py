"""Problems of data, gathered and raised in one error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from synthgen.errors import DataError

SHOWN = 20
"""Lines of an error; what is beyond is counted."""


class Problems:
    """Collects lines `file: row N (entity): column: what is wrong`; `check` raises them all at once."""

    def __init__(self) -> None:
        self._groups: list[tuple[int, list[str]]] = []

    def add(self, text: str) -> None:
        self._groups.append((1, [text]))

    def add_lines(self, lines: Sequence[str]) -> None:
        """Problems of one kind."""
        if lines:
            self._groups.append((len(lines), list(lines[:SHOWN])))

    def add_rows(self, rows: np.ndarray, describe: Callable[[np.ndarray], Sequence[str]]) -> None:
        """One problem a row; `describe` makes lines of the few rows that are shown."""
        if len(rows):
            self._groups.append((len(rows), list(describe(rows[:SHOWN]))))

    def check(self) -> None:
        """Raises DataError with at most `SHOWN` lines and the number of the rest, if there is any problem.

        Every kind of problem gets its share of the lines, so that a thousand bad cells of one column
        do not hide the next column.
        """
        if not self._groups:
            return
        shown = [0] * len(self._groups)
        while sum(shown) < SHOWN:
            open_groups = [i for i, (_, lines) in enumerate(self._groups) if shown[i] < len(lines)]
            if not open_groups:
                break
            for i in open_groups[: SHOWN - sum(shown)]:
                shown[i] += 1
        lines = [line for n, (_, group) in zip(shown, self._groups, strict=True) for line in group[:n]]
        rest = sum(n for n, _ in self._groups) - len(lines)
        raise DataError("\n".join(lines) + (f"\nand {rest:,} more" if rest else ""))
