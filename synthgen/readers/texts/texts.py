"""Texts, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

from synthgen.readers.folder_reader import FolderReader
from synthgen.readers.texts import reader
from synthgen.readers.texts.types import TextData


class TextReader(FolderReader):
    """Texts: utterances with labels and slots, translation pairs, questions, dialogues, facts and passages."""

    Config = TextData

    def sha256(self) -> str:
        return reader.sha256(self.config)
