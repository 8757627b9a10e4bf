"""Lists of values that texts shall mention: written in the recipe, or in a file with a value on each line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic import Field as Setting

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.models import folders
from synthgen.parts.protocols import Source
from synthgen.readers.text_table import load_lines

Value = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""A text; a whole number is one too."""
Weight = Annotated[int, Setting(ge=1, le=1000)]
Values = list[Value] | dict[Value, Weight] | str
"""Values, values with weights, or the path of a .txt file with a value on each line."""


@dataclass(frozen=True, slots=True)
class ValueList:
    """Values, none of them empty, with how often each comes; `file` is what they were read from, if they were."""

    values: tuple[str, ...]
    weights: tuple[int, ...]
    file: str = ""

    @classmethod
    def load(cls, given: Values, where: str) -> ValueList:
        """The values of a setting that messages call `where`; one that stands there twice comes twice as often.

        Raises:
            DataError: there are none, one is empty, or the file cannot be read.
        """
        file, place = "", where
        if isinstance(given, str):
            file, place = given, f"{where}: {given}"
            if not local_path(file).is_file():
                raise DataError(f"{place}: no such file; a text file with a value on each line is needed, or a list")
            given = load_lines(local_path(file))
        weights = Counter(given)
        if not weights:
            raise DataError(f"{place}: has no values")
        if not all(value.strip() for value in weights):
            raise DataError(f"{place}: has an empty value")
        return cls(tuple(weights), tuple(weights.values()), file)

    @property
    def identity(self) -> Any:
        """The values as JSON, those of a file by a hash."""
        if self.file:
            return {"sha256": folders.file_sha256(local_path(self.file))}
        return dict(zip(self.values, self.weights, strict=True))


def sources_of(lists: Iterable[ValueList], licence: str) -> list[Source]:
    """The files of some lists, each once."""
    files = dict.fromkeys(each.file for each in lists if each.file)
    return [Source("data", Path(file).name, folders.file_sha256(local_path(file)), licence) for file in files]


def load_all(given: Mapping[str, Values], where: str) -> dict[str, ValueList]:
    """The lists by name. Raises DataError with everything that is wrong with any of them."""
    found: dict[str, ValueList] = {}
    problems: list[str] = []
    for name, values in given.items():
        try:
            found[name] = ValueList.load(values, f"{where}: {name}")
        except DataError as error:
            problems += error.messages
    if problems:
        raise DataError(*problems)
    return found
