"""Errors that are shown to the user as they are; any other exception is a bug and keeps its traceback."""

from __future__ import annotations

from synthgen.base.cache import with_addresses


class SynthgenError(Exception):
    """Messages for the user: what is wrong, where, what is accepted, what to do next; shown one a line.

    They name data in object stores by address, whatever file of this machine they are about. `exit_code` is what the
    command line ends with. `names` are the settings of a part that the messages are about.
    """

    exit_code = 1

    def __init__(self, *messages: str, names: tuple[str, ...] = ()) -> None:
        self.messages, self.names = tuple(map(with_addresses, messages)), names
        super().__init__(*self.messages)

    def __str__(self) -> str:
        return "\n".join(self.messages)


class RecipeError(SynthgenError):
    """One or more problems of a recipe, all of them found in one reading.

    `problems` holds one line each, in the form `file:line: key: what is wrong`.
    """

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__(*problems)
        self.problems = list(self.messages)

    def __reduce__(self) -> tuple[type[RecipeError], tuple[list[str]]]:
        return type(self), (self.problems,)


class UsageError(SynthgenError):
    """The command was called in a way that cannot work."""

    exit_code = 2


class PluginError(SynthgenError):
    """A part is unknown, broken, or needs a package that is not installed."""

    exit_code = 2


class ModelError(SynthgenError):
    """A model folder is missing, unreadable or of another kind than was asked for."""


class DataError(SynthgenError):
    """Input data (images, labels, tables) cannot be used as they are."""


class NonFiniteError(DataError):
    """A part computed NaN or an infinity, of which no pixel, label or verdict may be made."""


class StoreError(SynthgenError):
    """The output folder is locked, damaged, full, or belongs to another recipe."""


class UnreachableError(StoreError):
    """An object store does not answer this process, however often it is asked; it may well answer others."""


class RecordError(StoreError):
    """A record in a dataset's folder is damaged: what is wrong with it, without its name."""


class NewerFormatError(StoreError):
    """A record was written by a newer synthgen, and is left alone."""


class ClusterError(SynthgenError):
    """The Ray cluster under a run is gone, or a part of it without which nothing can be rendered."""


class PartLostError(SynthgenError):
    """Processes that hold a labeler or scorer die under a batch, one after the other."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived. Like Ctrl-C it is no `Exception`, so no part's error handling swallows it."""


class Interrupted(SynthgenError):  # noqa: N818  (an event, not an error)
    """Stopped by a signal; finished shards are kept. 130 for SIGINT, 143 for SIGTERM."""

    exit_code = 130

    def __init__(self, message: str, exit_code: int = 130) -> None:
        self.exit_code = exit_code
        super().__init__(message)
