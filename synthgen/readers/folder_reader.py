"""What readers share that read everything at the `path` of their settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from synthgen.readers import settings_fit
from synthgen.readers.images import folder


class FolderReader:
    """A reader that claims what its `Config` accepts, and whose data are all files at `path`."""

    Config: ClassVar[type[BaseModel]]

    def __init__(self, config: Any) -> None:
        self.config = config

    @classmethod
    def claims(cls, settings: Mapping[str, Any]) -> bool:
        return settings_fit(cls.Config, settings)

    def sha256(self) -> str:
        return folder.path_sha256(self.config.path)
