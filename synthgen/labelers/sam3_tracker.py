"""`use: sam3-tracker`: masks by the part of Segment Anything 3 that takes boxes and points, through transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field as Setting

from synthgen import testing
from synthgen.labelers.prompted import PromptSettings
from synthgen.labelers.sam2 import Sam2
from synthgen.models.hub import ModelSettings


class Sam3Tracker(Sam2):
    """Writes what `sam2` writes, in the same way: its interface is the same. For texts, there is `sam3`."""

    version: ClassVar[int] = 1
    types: ClassVar[tuple[str, ...]] = ("sam3_tracker", "sam3_video", "sam3")
    name: ClassVar[str] = "Sam3Tracker"

    class Config(PromptSettings, ModelSettings):
        """Settings of `use: sam3-tracker`."""

        model: str = Setting(
            description="A folder in the format of transformers, or owner/name@commit of the hub, such as a commit of "
            "facebook/sam3 (its licence must be accepted there)."
        )

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "model": testing.make("sam3_tracker")}
