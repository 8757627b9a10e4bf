"""Settings of trainers that see crops of images with masks: their size, and how they may be mirrored and turned."""

from __future__ import annotations

from pydantic import Field, model_validator

from synthgen.base.settings import Settings
from synthgen.base.sizes import Size, shape_of
from synthgen.errors import DataError


class CropSettings(Settings):
    """How training crops are taken."""

    crop: Size = Field(default=64, description="Side of the training crops in pixels, or their `[width, height]`.")
    turn: bool = Field(default=False, description="Mirror and quarter-turn at random; only if directions mean nothing.")
    mirror: bool = Field(
        default=False,
        exclude_if=lambda value: not value,
        description="Mirror left and right at random, as streets may be; `turn` does that, too.",
    )

    @model_validator(mode="after")
    def _turnable(self) -> CropSettings:
        height, width = shape_of(self.crop)
        if self.turn and height != width:
            raise ValueError("`turn` needs square crops; leave it out, or set `mirror`, or make `crop` one number")
        return self

    @property
    def crop_shape(self) -> tuple[int, int]:
        """Height and width of the crops."""
        return shape_of(self.crop)


def check_multiple(shape: tuple[int, int], unit: int, key: str, why: str) -> None:
    """Raises DataError if height or width are no multiples of `unit`; the message calls them `key`."""
    if any(side % unit for side in shape):
        height, width = (max(unit, side // unit * unit) for side in shape)
        fitting = f"{height}" if height == width else f"[{width}, {height}]"
        raise DataError(f"{key}: {why}: sides must be multiples of {unit}; such as {fitting}")
