"""Images with captions, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthgen.readers import settings_fit
from synthgen.readers.images import folder
from synthgen.readers.images.captioned import CaptionData


class CaptionedImages:
    """Images with captions: text files beside them, a table, or one caption for a folder."""

    Config = CaptionData

    def __init__(self, config: CaptionData) -> None:
        self.config = config

    @staticmethod
    def claims(settings: Mapping[str, Any]) -> bool:
        return not settings.keys().isdisjoint(("caption", "column")) and settings_fit(CaptionData, settings)

    def sha256(self) -> str:
        return folder.path_sha256(self.config.path)
