"""What sections of recipes share: keys that are not known are refused, and the names of new fields have one form."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class Settings(BaseModel):
    """Settings of a part or a section of a recipe: frozen, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""The name of a new field or score, or the start of several."""
