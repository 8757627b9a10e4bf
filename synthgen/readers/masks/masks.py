"""Images with masks, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.readers.folder_reader import FolderReader
from synthgen.readers.masks.types import MaskData
from synthgen.readers.scaffolding import Scaffold

MARKS = ("objects", "images", "masks", "mask_kind", "colours")
"""Settings that only images with masks have."""


class Masks(FolderReader):
    """Images with masks of their objects: instances, class ids, colours or one kind of object."""

    Config = MaskData

    @classmethod
    def claims(cls, settings: Mapping[str, Any]) -> bool:
        marked = not settings.keys().isdisjoint(MARKS) and not settings.get("boxes")
        return marked and super().claims(settings)

    @staticmethod
    def scaffold(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
        from synthgen.readers.masks.scaffold import scaffold_of

        return scaffold_of(place, options)
