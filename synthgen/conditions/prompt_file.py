"""`use: prompt-file`: the prompts of a text file or a table, in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field as Setting

from synthgen.base.fetched import local_path
from synthgen.base.settings import Settings
from synthgen.errors import DataError
from synthgen.fields import Field, Label, Text
from synthgen.models import folders
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown
from synthgen.readers.problems import Problems
from synthgen.readers.text_table import TextTable, kind_of, load_lines, load_table

SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".parquet")


class PromptFile:
    """One slot a row; a dataset that is larger than the file starts it again. Other columns go along as texts."""

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: prompt-file`."""

        path: str = Setting(
            description="A .txt file with one prompt in each line, or a .csv, .tsv, .jsonl or .parquet file."
        )
        column: str = Setting(default="prompt", description="The column that holds the prompts.")
        label: str | None = Setting(default=None, description="The column that holds the class, `label`, of a sample.")
        licence: str = Setting(default="unknown", description="Licence of the prompts, for the card.")

    def __init__(self, config: Config) -> None:
        self.config = config
        path = local_path(config.path)
        if not path.is_file() or path.suffix.lower() not in SUFFIXES:
            raise DataError(f"{config.path}: no such file; a {', '.join(SUFFIXES)} file with prompts is needed")
        self._sha256 = folders.file_sha256(path)
        self._columns = load_prompts(path, config.column, config.label)
        self.samples = len(self._columns[config.column])
        self._labels: Sequence[str] = ()
        fields: dict[str, Field] = {}
        if config.label is not None:
            self._labels = sorted(set(self._columns[config.label]))
            fields["label"] = Label(tuple(self._labels))
        self._others = [name for name in self._columns if name not in (config.column, config.label, "label", "prompt")]
        self.fields: Mapping[str, Field] = {**fields, "prompt": Text(), **{name: Text() for name in self._others}}

    def identity(self) -> dict[str, Any]:
        return {"column": self.config.column, "label": self.config.label, "file_sha256": self._sha256}

    @property
    def sources(self) -> list[Source]:
        return [Source("data", Path(self.config.path).name, self._sha256, self.config.licence)]

    def condition(self, index: int) -> tuple[dict[str, Any], str]:
        row = index % self.samples
        values: dict[str, Any] = {"prompt": self._columns[self.config.column][row]}
        if self.config.label is not None:
            values["label"] = self._labels.index(self._columns[self.config.label][row])
        values |= {name: self._columns[name][row] for name in self._others}
        return {name: values[name] for name in self.fields}, f"row {row}"


def load_prompts(path: Path, column: str, label: str | None) -> dict[str, list[str]]:
    """The file's columns as texts; a text file has the one column `column`.

    Raises:
        DataError: the file is not what its ending says, holds no prompts, or has rows without a prompt or label, or
            with values that are no texts; all of them.
    """
    if path.suffix.lower() == ".txt":
        lines = load_lines(path)
        if not lines:
            raise DataError(f"{path}: holds no prompts")
        if label is not None:
            raise DataError(f"{path}: {unknown(label, [column], 'column')}")
        return {column: lines}
    table = load_table(path)
    table.require(column, *([label] if label else []))
    problems = Problems()
    found = {name: _beside(table, name, problems) for name in table.columns if name not in (column, label)}
    found[column] = table.texts(column, problems)
    if label is not None:
        found[label] = table.names(label, problems)
    problems.check()
    return {name: found[name] for name in table.columns}


def _beside(table: TextTable, column: str, problems: Problems) -> list[str]:
    """Texts that go along with prompts: numbers as they are written, "" where there is nothing."""
    values = [row.get(column) for row in table.rows]
    wrong = [
        f"{table.where(row)}: {column}: holds {kind_of(value)}, which cannot go along with a prompt as text; write the "
        "file without this column"
        for row, value in enumerate(values)
        if isinstance(value, list | dict | bytes)
    ]
    problems.add_lines(wrong)
    return ["" if value is None else str(value) for value in values]
