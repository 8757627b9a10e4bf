"""Images with one class each, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.readers import settings_fit
from synthgen.readers.images import folder
from synthgen.readers.images.labelled import DataConfig
from synthgen.readers.scaffolding import Scaffold


class ImagesByClass:
    """Images with one class each: a folder a class, idx files, or Parquet."""

    Config = DataConfig

    def __init__(self, config: DataConfig) -> None:
        self.config = config

    @staticmethod
    def claims(settings: Mapping[str, Any]) -> bool:
        return settings_fit(DataConfig, settings)

    def sha256(self) -> str:
        return folder.path_sha256(self.config.path)

    @staticmethod
    def scaffold(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
        from synthgen.readers.images.scaffold import scaffold_of

        return scaffold_of(place, options)
