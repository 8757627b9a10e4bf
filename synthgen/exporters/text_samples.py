"""Samples of texts: which of a dataset's fields an export takes, and a file of lines for each split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from synthgen.errors import UsageError
from synthgen.exporters.samples import Samples
from synthgen.fields import Field

MAX_NAMED = 5
"""Keys of samples that a note lists."""


class TextSamples(Samples):
    """The samples of a dataset of texts in stored order, in constant memory.

    Args:
        chosen: the field for a role, as the user named it.
    """

    def __init__(
        self, folder: str | Path, split: str | None, allow_incomplete: bool, chosen: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder, split, allow_incomplete)
        self.folder, self.chosen = folder, chosen or {}

    def find(self, role: str, kinds: tuple[type[Field], ...], without: Sequence[str] = ()) -> str | None:
        """The field for a role: the chosen one, else the one of the role's name, else the only one of these types.

        None if the dataset has no field of these types but those `without`.

        Raises:
            UsageError: there is no such field, it is of another type, or several could be meant.
        """
        fits = [name for name, field in self.fields.items() if isinstance(field, kinds) and name not in without]
        listed = ", ".join(f"`{name}`" for name in fits) or "none"
        if role in self.chosen:
            name = self.chosen[role]
            if name not in fits:
                problem = f"`{name}` cannot be {role}" if name in self.fields else f"has no field `{name}`"
                raise UsageError(f"{self.folder}: {problem}; fields for `--field {role}=NAME`: {listed}")
            return name
        if role in fits:
            return role
        if len(fits) > 1:
            choices = " or ".join(f"--field {role}={name}" for name in fits)
            raise UsageError(f"{self.folder}: {len(fits)} fields could be {role}; choose with {choices}")
        return fits[0] if fits else None

    def need(self, role: str, kinds: tuple[type[Field], ...], what: str, without: Sequence[str] = ()) -> str:
        """The same; a dataset without such a field is refused in words that say `what` the format is of."""
        found = self.find(role, kinds, without)
        if found is None:
            raise UsageError(f"{self.folder}: {what}; it holds {', '.join(self.fields)}")
        return found

    def files(self, stack: ExitStack, out: Path, suffix: str) -> dict[str, IO[str]]:
        """A file `<split>.<suffix>` for each split: UTF-8, with `\\n` at the ends of lines on every system."""
        return {
            split: stack.enter_context((out / f"{split}.{suffix}").open("w", encoding="utf-8", newline=""))
            for split in self.splits
        }


def left_out(keys: Sequence[str], reason: str) -> list[str]:
    """A note about samples that an export leaves out, or about nothing."""
    if not keys:
        return []
    more = f" and {len(keys) - MAX_NAMED:,} more" if len(keys) > MAX_NAMED else ""
    return [f"left out, {reason}: {', '.join(keys[:MAX_NAMED])}{more}"]
