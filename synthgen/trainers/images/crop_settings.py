"""Settings of trainers that see crops of images with masks: their size, and how they may be mirrored and turned."""

from __future__ import annotations

from pydantic import Field, model_validator

from synthgen.base.settings import Settings
from synthgen.base.sizes import Size, shape_of, size_of
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


def check_multiple(shape: tuple[int, int], unit: int, key: str, user: str) -> None:
    """Raises DataError if height or width are no multiples of `unit`, as `user` needs; the message calls them `key`."""
    if any(side % unit for side in shape):
        height, width = (max(unit, side // unit * unit) for side in shape)
        square = shape[0] == shape[1]
        raise DataError(
            f"{key}: must be {'a multiple' if square else 'multiples'} of {unit} for {user} (got {_size(shape)}); "
            f"set it to {_size((height, width))}"
        )


def _size(shape: tuple[int, int]) -> str:
    size = size_of(shape)
    return str(size if isinstance(size, int) else list(size))
