"""Images with captions, for those who ask what kind of data a section `data` describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthgen.readers.folder_reader import FolderReader
from synthgen.readers.images.captioned import CaptionData


class CaptionedImages(FolderReader):
    """Images with captions: text files beside them, a table, or one caption for a folder."""

    Config = CaptionData

    @classmethod
    def claims(cls, settings: Mapping[str, Any]) -> bool:
        return not settings.keys().isdisjoint(("caption", "column")) and super().claims(settings)
