"""Images with one class each, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.readers.folder_reader import FolderReader
from synthgen.readers.images import folder
from synthgen.readers.images.labelled import DataConfig
from synthgen.readers.scaffolding import Scaffold


class ImagesByClass(FolderReader):
    """Images with one class each: one folder per class, idx files, or Parquet."""

    Config = DataConfig

    def sha256(self) -> str:
        if self.config.unlabelled is None:
            return super().sha256()
        both = super().sha256() + folder.path_sha256(self.config.unlabelled)
        return hashlib.sha256(both.encode()).hexdigest()

    @staticmethod
    def scaffold(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
        from synthgen.readers.images.scaffold import scaffold_of

        return scaffold_of(place, options)
