"""Files of texts that tests write, and what is read of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synthgen.errors import DataError
from synthgen.readers.texts.reader import TextData, Texts, read


def data(path: Path, **settings: Any) -> TextData:
    """Settings of texts at a path."""
    return TextData.model_validate({"texts": str(path), "validation": 0, **settings})


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """A file of this content, byte for byte."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_file(folder: Path, name: str, content: str | bytes, **settings: Any) -> Texts:
    """The texts of a new file."""
    return read(data(write(folder, name, content), **settings))


def problems(folder: Path, name: str, content: str | bytes, **settings: Any) -> list[str]:
    """What is said of a new file that cannot be read, with the folder left out."""
    with pytest.raises(DataError) as error:
        read_file(folder, name, content, **settings)
    return [text.replace(f"{folder}/", "") for text in error.value.messages]
