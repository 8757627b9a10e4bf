"""Images with one class each, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.readers.folder_reader import FolderReader
from synthgen.readers.images.labelled import DataConfig
from synthgen.readers.scaffolding import Scaffold


class ImagesByClass(FolderReader):
    """Images with one class each: one folder per class, idx files, or Parquet."""

    Config = DataConfig

    @staticmethod
    def scaffold(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
        from synthgen.readers.images.scaffold import scaffold_of

        return scaffold_of(place, options)
