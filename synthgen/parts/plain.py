"""Parts that stand on nothing but their settings: no weights, no data of other people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthgen.fields import Schema
from synthgen.parts.protocols import Source


class PlainPart:
    """A part whose settings decide its output."""

    config: Any
    sources: Sequence[Source] = ()

    def __init__(self, config: Any) -> None:
        self.config = config

    def identity(self) -> dict[str, Any]:
        found: dict[str, Any] = self.config.model_dump(mode="json")
        return found


class PlainAnnotator(PlainPart):
    """A labeler or scorer without weights."""

    fields: Schema

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.fields = {}

    def setup(self, device: str) -> None:
        """Nothing to load."""
