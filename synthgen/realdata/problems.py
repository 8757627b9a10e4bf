"""What is wrong with people's data, all of it at once; of broken pictures, which ones are left out instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field

from synthgen.errors import DataError

SHOWN = 20
NAMED = 3

SkipBroken = Annotated[
    bool,
    Field(
        description="Leave pictures out that cannot be read, and count them, instead of stopping at them.",
        exclude_if=lambda value: not value,
    ),
]
"""The setting `skip_broken` of every reader of pictures; False is the default, and not part of identities."""


def lines(problems: Sequence[str]) -> str:
    """One problem a line, up to twenty, and the number of the rest."""
    more = len(problems) - SHOWN
    return "\n".join(problems[:SHOWN]) + (f"\nand {more} more" if more > 0 else "")


class Problems:
    """Collects what is wrong while data are read.

    With `skip_broken`, pictures that cannot be read are left out: their names are in `left_out`. All else, and
    broken pictures without it, is raised by `check`, so that every problem is seen at once.
    """

    def __init__(self, skip_broken: bool = False) -> None:
        self.skip_broken = skip_broken
        self.left_out: list[str] = []
        self._problems: list[str] = []

    def add(self, problem: str) -> None:
        """A problem that no setting lets pass."""
        self._problems.append(problem)

    @contextmanager
    def picture(self, name: str) -> Iterator[None]:
        """Reads one picture: a DataError inside is kept, and the loop around goes on with the next."""
        try:
            yield
        except DataError as error:
            if self.skip_broken:
                self.left_out.append(name)
            else:
                self._problems.append(str(error))

    def check(self) -> None:
        """Raises DataError if there are problems."""
        if self._problems:
            raise DataError(lines(self._problems))

    @property
    def note(self) -> str:
        """Which pictures were left out, in words; empty if none were."""
        return left_out(self.left_out)


def left_out(names: Sequence[str]) -> str:
    """Which pictures were left out, in words; empty if none were."""
    if not names:
        return ""
    what = "1 picture cannot be read and is" if len(names) == 1 else f"{len(names)} pictures cannot be read and are"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{what} left out: {', '.join(names[:NAMED])}{more}"
