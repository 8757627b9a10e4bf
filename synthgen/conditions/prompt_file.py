"""`use: prompt-file`: the prompts of a text, CSV or Parquet file, in their order."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from synthgen.errors import DataError
from synthgen.fields import Field, Label, Text
from synthgen.models import folders
from synthgen.plugins import unknown
from synthgen.protocols import Source

SUFFIXES = (".txt", ".csv", ".parquet")


class PromptFile:
    """One slot a row; a dataset that is larger than the file begins it anew. Other columns go along as texts."""

    version: ClassVar[int] = 1

    class Config(BaseModel):
        """Settings of `use: prompt-file`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        path: str = Setting(description="A .txt file with a prompt a line, or a .csv or .parquet file.")
        column: str = Setting(default="prompt", description="The column that holds the prompts.")
        label: str | None = Setting(default=None, description="The column that holds the class, `label`, of a sample.")
        licence: str = Setting(default="unknown", description="Licence of the prompts, for the card.")

    def __init__(self, config: Config) -> None:
        self.config = config
        path = Path(config.path)
        if not path.is_file() or path.suffix not in SUFFIXES:
            raise DataError(f"{config.path}: no such file; a {', '.join(SUFFIXES)} file with prompts is needed")
        self._sha256 = folders.file_sha256(path)
        self._columns = read(path, config.column)
        if config.column not in self._columns:
            raise DataError(f"{path}: {unknown(config.column, self._columns, 'column')}")
        _check_prompts(path, self._columns[config.column])
        self.samples = len(self._columns[config.column])
        self._labels: Sequence[str] = ()
        fields: dict[str, Field] = {}
        if config.label is not None:
            if config.label not in self._columns:
                raise DataError(f"{path}: {unknown(config.label, self._columns, 'column')}")
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


def read(path: Path, column: str) -> dict[str, list[str]]:
    """The file's columns as texts; a text file has the one column `column`.

    Raises:
        DataError: the file is not what its ending says.
    """
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: is no readable Parquet file: {error}") from None
        return {
            name: ["" if value is None else str(value) for value in table[name].to_pylist()]
            for name in table.column_names
        }
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text: {error}") from None
    if path.suffix == ".txt":
        return {column: [line.strip() for line in text.splitlines() if line.strip()]}
    reader, rows = csv.reader(io.StringIO(text, newline="")), []
    for row in reader:
        rows.append(row)
        if len(row) != len(rows[0]):
            raise DataError(f"{path}:{reader.line_num}: has {len(row)} values, and there are {len(rows[0])} columns")
    if not rows:
        raise DataError(f"{path}: is empty; a row with the names of the columns is needed")
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(rows[0])}


def _check_prompts(path: Path, prompts: Sequence[str]) -> None:
    if not prompts:
        raise DataError(f"{path}: holds no prompts")
    empty = [str(i + 1) for i, prompt in enumerate(prompts) if not prompt.strip()]
    if empty:
        raise DataError(f"{path}: has rows without a prompt: {', '.join(empty[:8])}")
