"""Images with boxes, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.readers import settings_fit
from synthgen.readers.images import folder
from synthgen.readers.masks.types import MaskData
from synthgen.readers.scaffolding import Scaffold


class Boxes:
    """Images with boxes around their objects: COCO, YOLO or Pascal VOC."""

    Config = MaskData

    def __init__(self, config: MaskData) -> None:
        self.config = config

    @staticmethod
    def claims(settings: Mapping[str, Any]) -> bool:
        return bool(settings.get("boxes")) and settings_fit(MaskData, settings)

    def sha256(self) -> str:
        return folder.path_sha256(self.config.path)

    @staticmethod
    def scaffold(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
        from synthgen.readers.boxes.scaffold import scaffold_of

        return scaffold_of(place, options)
