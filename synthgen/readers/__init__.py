"""Real data, as people keep them on disk. One sub-package a kind of data, with its reader and its scaffolding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError


def settings_fit(config: type[BaseModel], settings: Mapping[str, Any]) -> bool:
    """Whether the settings are valid for a reader, which refuses those that it does not know."""
    try:
        config.model_validate(dict(settings))
    except ValidationError:
        return False
    return True
