"""`use: image-statistics`: sharpness, entropy, saturation, brightness and contrast, alone or against real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import Settings
from synthgen.fields import Columns, Image, Number, Schema
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.readers.images import decoding, folder
from synthgen.readers.images.pixel_range import RangeSetting
from synthgen.readers.problems import SkipBroken

UNITS: Mapping[str, str] = {
    "sharpness": "grey levels squared",
    "entropy": "bits",
    "saturation": "1",
    "brightness": "1",
    "contrast": "1",
}
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class ImageStatistics:
    """Adds five numbers of each image, and with `real` also their percentiles among real images.

    sharpness: variance of the Laplacian of the grey levels (0 to 255). entropy: of the histogram of the 256 grey
    levels, 0 to 8 bits. saturation: mean of HSV's, 0 to 1. brightness and contrast: mean and standard deviation of the
    grey levels, 0 to 1.

    A percentile, 0 to 100, is the share of the real images with a lower value, and half of those with an equal one.
    Real images are cut and scaled to the size of the samples first, because sharpness depends on it.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy" (variance of the Laplacian).
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: image-statistics`."""

        real: str | None = Setting(
            default=None, description="A folder of real images to compare with, subfolders included."
        )
        licence: str = Setting(default="unknown", description="Licence of the real images, for the card.")
        range: RangeSetting = "auto"
        skip_broken: SkipBroken = False
        name: str = Setting(
            default="", pattern=r"^([a-z][a-z0-9_]*)?$", description="Start of the names of the scores, if any."
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        start = f"{config.name}_" if config.name else ""
        self._folder = folder.listed(config.real, config.range, config.skip_broken) if config.real else None
        fields = {f"{start}{name}": Number(unit) for name, unit in UNITS.items()}
        self._names = list(fields)
        if config.real:
            fields |= {f"{name}_percentile": Number("%") for name in self._names}
        self.fields: Mapping[str, Number] = fields
        self._image = Image(1, 1, 1)
        self._real: np.ndarray = np.zeros((0, len(UNITS)))

    def identity(self) -> dict[str, Any]:
        settings = self.config.model_dump(mode="json", include={"name", "range"})
        return settings | {"real": [source.sha256 for source in self.sources]}

    @property
    def sources(self) -> Sequence[Source]:
        found = self._folder
        return [found.source(self.config.licence)] if found else []

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        self._image = image
        return []

    def setup(self, device: str) -> None:
        if self._folder:
            size = self._image.height, self._image.width
            found = (self._folder.picture(i, self._image.channels) for i in range(len(self._folder.files)))
            self._real = np.sort([statistics(decoding.fit(picture, *size)) for picture in found], axis=0)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        values = np.array([statistics(image) for image in columns["image"]]).reshape(-1, len(UNITS))
        added = {name: values[:, i].tolist() for i, name in enumerate(self._names)}
        if self.config.real:
            for i, name in enumerate(self._names):
                added[f"{name}_percentile"] = percentiles(self._real[:, i], values[:, i]).tolist()
        return added


def statistics(picture: np.ndarray) -> list[float]:
    """The numbers named in `UNITS`, of an image uint8 (H, W, 1 or 3)."""
    channels = [np.ascontiguousarray(picture[..., i]) for i in range(picture.shape[2])]
    weights = LUMA if len(channels) == 3 else (1.0,)
    grey = np.sum([channel * weight for channel, weight in zip(channels, weights, strict=True)], axis=0)
    around = np.pad(grey, 1, mode="reflect")
    laplacian = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:] - 4 * grey
    shares = np.bincount(np.round(grey).astype(np.int64).ravel(), minlength=256) / grey.size
    shares = shares[shares > 0]
    high, low = np.maximum.reduce(channels), np.minimum.reduce(channels)
    saturation = (high - low) / np.maximum(high, 1)  # black has 0 over 1
    return [
        float(laplacian.var()),
        float((shares * np.log2(1 / shares)).sum()),
        float(saturation.mean()),
        float(grey.mean() / 255),
        float(grey.std() / 255),
    ]


def percentiles(real: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Percentiles (N,), 0 to 100, of values (N,) among real ones, (M,) in ascending order; equal ones count half."""
    lower, upper = np.searchsorted(real, values, "left"), np.searchsorted(real, values, "right")
    result: np.ndarray = 50 * (lower + upper) / len(real)
    return result
