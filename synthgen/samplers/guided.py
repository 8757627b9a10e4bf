"""Settings of samplers that guide models of our own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from synthgen.base.settings import Settings

Share = Annotated[float, Field(ge=0, le=1)]


Scale = Annotated[float, Field(ge=0, le=20)]


class GuidedInPart(Settings):
    """Classifier-free guidance in a part of the steps; how much of it, a subclass says."""

    guidance_interval: tuple[Share, Share] = Field(
        default=(0.0, 1.0),
        description="Part of the steps that is guided, as shares from 0 (noise) to 1 (sample); [0.25, 0.75] costs "
        "three quarters and keeps more variety.",
    )

    @field_validator("guidance_interval")
    @classmethod
    def _rising(cls, interval: tuple[float, float]) -> tuple[float, float]:
        if interval[0] >= interval[1]:
            raise ValueError(f"must rise, such as [0.25, 0.75] (got {list(interval)})")
        return interval


class Guided(GuidedInPart):
    """As much guidance for every sample."""

    guidance: Scale = Field(
        default=1.0,
        description="Classifier-free guidance, towards the class or the layout; 1 is none and costs half as much.",
    )
