"""Options of exporters."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class NoOptions(BaseModel):
    """This format has no options."""

    model_config = ConfigDict(extra="forbid", frozen=True)
