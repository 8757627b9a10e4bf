"""The terminal: whatever commands print passes through here, and no name in it can move the cursor or hide text."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

from synthgen.base import names

if TYPE_CHECKING:
    from rich.console import Console

quiet = False
"""Whether the command was asked to print nothing but errors: for what is shown far from it."""

_UNUSUAL = re.compile(r"[^\n\t\x20-\x7e]+")


def escape(text: str) -> str:
    """Text with control characters other than line ends and tabs as escapes; names of files may hold any."""
    return _UNUSUAL.sub(lambda found: names.printable(found[0]), text)


@contextlib.contextmanager
def escaped() -> Iterator[None]:
    """While it lasts, `sys.stdout` and `sys.stderr` escape what is written, also what their encoding lacks."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, Escaped(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def bar(length: int, label: str) -> Any:
    """A progress bar on stderr, which moves the cursor and so goes around what `escaped` does."""
    import click

    return click.progressbar(length=length, label=label, file=_raw())


def console() -> Console:
    """rich's console on stderr for bars that stay in place; what it prints is not escaped, and must be before."""
    from rich.console import Console

    return Console(file=_raw())


def _raw() -> Any:
    return sys.stderr.raw if isinstance(sys.stderr, Escaped) else sys.stderr


class Escaped:
    """A text stream that escapes what is written to it. It has no `buffer`, which would go around it."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        if hasattr(raw, "reconfigure"):
            raw.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        self.raw.write(escape(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "detach", "raw"):
            raise AttributeError(name)
        return getattr(self.raw, name)
