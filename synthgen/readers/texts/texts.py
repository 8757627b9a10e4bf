"""Texts, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.readers.folder_reader import FolderReader
from synthgen.readers.scaffolding import Scaffold
from synthgen.readers.texts import reader
from synthgen.readers.texts.types import TextData


class TextReader(FolderReader):
    """Texts: utterances with labels and slots, translation pairs, questions, dialogues, facts and passages."""

    Config = TextData

    def sha256(self) -> str:
        return reader.sha256(self.config)

    @staticmethod
    def scaffold(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
        from synthgen.readers.texts.scaffold import scaffold_of

        return scaffold_of(place, options)
