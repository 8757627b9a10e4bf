"""Time series, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.readers import settings_fit
from synthgen.readers.scaffolding import Scaffold
from synthgen.readers.series import reader
from synthgen.readers.series.types import SeriesData


class Series:
    """Time series from tables: columns of channels, of names and values, or a file for each series."""

    Config = SeriesData

    def __init__(self, config: SeriesData) -> None:
        self.config = config

    @staticmethod
    def claims(settings: Mapping[str, Any]) -> bool:
        return settings_fit(SeriesData, settings)

    def sha256(self) -> str:
        return reader.sha256(self.config)

    @staticmethod
    def scaffold(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
        from synthgen.readers.series.scaffold import scaffold_of

        return scaffold_of(place, options)
