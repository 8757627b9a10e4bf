"""`use: random-regions`: every slot shows a real image and a region of it where an object is to be put."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from pydantic import field_validator

from synthgen import seeds
from synthgen.base.settings import Settings
from synthgen.base.sizes import Side, Size, shape_of
from synthgen.conditions.axes import shuffled
from synthgen.conditions.lazy import Lazy
from synthgen.conditions.quotas import Quotas
from synthgen.conditions.random_boxes import filled
from synthgen.conditions.varied import Varied, Vary
from synthgen.fields import Field, Image, InstanceMap, Label, SegmentationMap, Text
from synthgen.parts.protocols import Source
from synthgen.readers.images import gallery
from synthgen.readers.images.pixel_range import RangeSetting
from synthgen.readers.problems import SkipBroken


class RegionSettings(Settings):
    """How many samples show an object of a class, and how large its region is."""

    samples: int = Setting(ge=1, description="How many samples; proportions if the dataset has another size.")
    side_px: tuple[Side, Side] = Setting(description="Least and most pixels of the region's mean side.")
    aspect: float = Setting(default=1.2, ge=1, le=10, description="Most that one side exceeds the other, as a factor.")

    @field_validator("side_px")
    @classmethod
    def _rising(cls, pair: tuple[int, int]) -> tuple[int, int]:
        if pair[0] > pair[1]:
            raise ValueError(f"must name the least first (got {list(pair)})")
        return pair


class RandomRegions:
    """Real images in a shuffled order, each with one region; the object's class is `label`, with exact counts.

    Slots that show the same image stay in one split.
    """

    version: ClassVar[int] = 2

    class Config(Vary):
        """Settings of `use: random-regions`."""

        path: str = Setting(description="A folder of images, or of folders of images.")
        size: Size = Setting(
            description="Side, or `[width, height]`: images are scaled until they cover it, and cut in the middle."
        )
        objects: dict[str, RegionSettings] = Setting(
            min_length=1, max_length=254, description="What is put into the images, by class."
        )
        shape: Literal["ellipse", "box"] = Setting(default="ellipse", description="Shape of the regions.")
        seed: int = Setting(default=0, description="Which images and regions are taken.")
        licence: str = Setting(default="unknown", description="Licence of the images, for the card.")
        source: str = Setting(default="", description="Where the images come from, for the card.")
        range: RangeSetting = "auto"
        skip_broken: SkipBroken = False

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        objects = {name: {**one, "side_px": [8, 16]} for name, one in settings["objects"].items()}
        return {**settings, "size": [32, 32], "objects": objects}

    def __init__(self, config: Config) -> None:
        self.config = config
        self._gallery = gallery.listed(config.path, config.range, config.skip_broken)
        self._quotas = Quotas({name: settings.samples for name, settings in config.objects.items()})
        self.samples = self._quotas.total
        self.shape = height, width = shape_of(config.size)
        names = tuple(config.objects)
        own: dict[str, Field] = {
            "label": Label(names),
            "image": Image(height, width, 3),
            "instances": InstanceMap(height, width),
            "segmentation": SegmentationMap(height, width, names),
            "source": Text(),
        }
        self._varied = Varied(config, (*own, "prompt"), config.seed)
        self.fields: Mapping[str, Field] = {**own, **self._varied.fields}

    def identity(self) -> dict[str, Any]:
        objects = {
            name: settings.model_dump(mode="json", exclude={"samples"})
            for name, settings in self.config.objects.items()
        }
        settings = self.config.model_dump(mode="json", exclude={"path", "licence", "source", "objects", "skip_broken"})
        proportions = self._quotas.proportions
        return settings | {
            "objects": objects,
            "proportions": proportions,
            "data_sha256": self._gallery.pictures.sha256(),
        }

    @property
    def sources(self) -> list[Source]:
        return [self._gallery.source(self.config.licence, self.config.source)]

    def class_counts(self, n: int) -> list[int]:
        return self._quotas.counts(n)

    def condition(self, index: int) -> tuple[Mapping[str, Any], str]:
        turn, rank = divmod(index, len(self._gallery))
        place = int(shuffled(self.config.seed, "images:all", turn, len(self._gallery))[rank])
        label = self._quotas.at(index)
        random = seeds.generator(seeds.seed_of(self.config.seed, "random-regions", index))
        values = {"label": label, "source": self._gallery.pictures.name(place), **self._varied.at(index)}

        def make() -> Mapping[str, Any]:
            inside = self._region(self.config.objects[self._quotas.names[label]], random)
            return {
                "image": self._gallery.picture(place, *self.shape),
                "instances": inside.astype(np.uint16),
                "segmentation": (inside * (label + 1)).astype(np.uint8),
            }

        return Lazy(values, ("image", "instances", "segmentation"), make), self._gallery.pictures.name(place)

    def _region(self, settings: RegionSettings, random: np.random.Generator) -> np.ndarray:
        """bool (height, width): one region, all of it inside the image."""
        side = float(random.uniform(*settings.side_px))
        stretch = settings.aspect ** float(random.uniform(-0.5, 0.5))
        spans = [min(side / stretch, self.shape[0]), min(side * stretch, self.shape[1])]
        centres = [random.uniform(span / 2, n - span / 2) for span, n in zip(spans, self.shape, strict=True)]
        corners = [centre - span / 2 for centre, span in zip(centres, spans, strict=True)]
        ends = [centre + span / 2 for centre, span in zip(centres, spans, strict=True)]
        return filled((corners[0], corners[1], ends[0], ends[1]), self.shape, self.config.shape)
