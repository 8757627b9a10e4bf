"""Log lines on stderr: what a command does inside, for those who ask with `--verbose`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from synthgen.base import terminal
from synthgen.errors import UsageError

LEVELS = ("debug", "info", "warning", "error")
VARIABLE = "SYNTHGEN_LOG"
DEFAULT = "warning"


class _Stderr(logging.Handler):
    """Writes to what is `sys.stderr` at the moment: a live progress bar stands in for it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(terminal.escape(self.format(record)), file=sys.stderr, flush=True)
        except BrokenPipeError:
            self.handleError(record)


def show(level: str) -> None:
    """Shows log lines of at least this level, here and, through the environment, in the processes of workers.

    Raises:
        UsageError: there is no such level.
    """
    if level.lower() not in LEVELS:
        raise UsageError(f"{VARIABLE}={level}: is no log level; there are {', '.join(LEVELS)}")
    os.environ[VARIABLE] = level.lower()
    logger = logging.getLogger("synthgen")
    if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
        handler = _Stderr()
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s", "%H:%M:%S")
        )
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(level.upper())


def show_as_asked() -> None:
    """`show` the level that SYNTHGEN_LOG names; warnings if it names none."""
    show(os.environ.get(VARIABLE) or DEFAULT)


@contextmanager
def restored() -> Iterator[None]:
    """Puts the level back at the end, for a process that goes on after a command."""
    before = os.environ.get(VARIABLE)
    logger = logging.getLogger("synthgen")
    try:
        yield
    finally:
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
        for handler in [each for each in logger.handlers if isinstance(each, _Stderr)]:
            logger.removeHandler(handler)
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before
