"""Images with boxes, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.readers.folder_reader import FolderReader
from synthgen.readers.masks.types import MaskData
from synthgen.readers.scaffolding import Scaffold


class Boxes(FolderReader):
    """Images with boxes around their objects: COCO, YOLO or Pascal VOC."""

    Config = MaskData

    @classmethod
    def claims(cls, settings: Mapping[str, Any]) -> bool:
        return bool(settings.get("boxes")) and super().claims(settings)

    @staticmethod
    def scaffold(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
        from synthgen.readers.boxes.scaffold import scaffold_of

        return scaffold_of(place, options)
