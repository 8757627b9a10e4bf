"""What is wrong with people's data, all of it at once; of broken images, which ones are left out instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from synthgen.base.cache import with_addresses
from synthgen.errors import DataError

SHOWN = 20
"""Lines of an error; what is beyond is counted."""

NAMED = 3
"""Images that are named where some are left out; what is beyond is counted."""

SkipBroken = Annotated[
    bool,
    Field(
        description="Leave images out that cannot be read, and count them, instead of stopping at them.",
        exclude_if=lambda value: not value,
    ),
]
"""The setting `skip_broken` of every reader of images; False is the default, and not part of identities."""

HINT = "`skip_broken: true` in the section `data`, or --skip-broken, leaves such images out and counts them"


class ManyProblemsError(DataError):
    """What `Problems.check` raises: `groups` are the numbers and lines of all its kinds of problems."""

    groups: Sequence[tuple[int, list[str]]] = ()


class Problems:
    """Collects lines `file: row N: column: what is wrong` while data are read; `check` raises them all at once.

    With `skip_broken`, images that cannot be read are left out: their names are in `left_out`.
    """

    def __init__(self, skip_broken: bool = False) -> None:
        self.skip_broken = skip_broken
        self.left_out: list[str] = []
        self._groups: list[tuple[int, list[str]]] = []
        self._broken = False

    def add(self, text: str) -> None:
        """A problem that no setting lets pass."""
        self._groups.append((1, [text]))

    def add_lines(self, lines: Sequence[str]) -> None:
        """Problems of one kind."""
        if lines:
            self._groups.append((len(lines), list(lines[:SHOWN])))

    def add_rows(self, rows: np.ndarray, describe: Callable[[np.ndarray], Sequence[str]]) -> None:
        """One problem a row; `describe` makes lines of the few rows that are shown."""
        if len(rows):
            self._groups.append((len(rows), list(describe(rows[:SHOWN]))))

    @contextmanager
    def file(self) -> Iterator[None]:
        """Reads one file of several: what is wrong with it is kept, and the loop around goes on with the next."""
        try:
            yield
        except ManyProblemsError as error:
            self._groups += error.groups
        except DataError as error:
            self.add_lines(error.messages)

    @contextmanager
    def picture(self, name: str) -> Iterator[None]:
        """Reads one image: a DataError inside is kept, and the loop around goes on with the next."""
        try:
            yield
        except DataError as error:
            self.add_broken(name, error.messages)

    def add_broken(self, name: str, problems: Sequence[str]) -> None:
        """Problems of one image, which is left out with `skip_broken`."""
        if self.skip_broken:
            self.left_out.append(name)
        else:
            self._broken = True
            for problem in problems:
                self.add(problem)

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
        lines += [f"and {rest:,} more"] if rest else []
        error = ManyProblemsError(*lines, *([HINT] if self._broken else []))
        error.groups = tuple(self._groups)
        raise error

    @property
    def note(self) -> str:
        """Which images were left out, in words; empty if none were."""
        return left_out(self.left_out)


def read_bytes(path: Path, name: str = "") -> bytes:
    """A file's content. Raises DataError, which calls it `name`, by default its path, if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{name or path}: cannot be read: {error.strerror or error}") from None


def left_out(names: Sequence[str]) -> str:
    """Which images were left out, in words; empty if none were."""
    if not names:
        return ""
    what = "1 image cannot be read and is" if len(names) == 1 else f"{len(names)} images cannot be read and are"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return with_addresses(f"{what} left out: {', '.join(names[:NAMED])}{more}")
