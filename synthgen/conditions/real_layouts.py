"""`use: real-layouts`: every slot shows the objects of a part of a real image, mirrored and turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen import seeds
from synthgen.conditions.lazy import Lazy
from synthgen.conditions.quotas import Quotas
from synthgen.conditions.varied import Varied, Vary
from synthgen.fields import Field, InstanceMap, Label, SegmentationMap, Text
from synthgen.parts.protocols import Source
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, MaskData
from synthgen.vision.layouts import Layout, renumbered

MAPS = ("instances", "segmentation")
TAKEN = ("label", "source", "density", "prompt", "image", *MAPS)
"""Names that an axis of `vary` cannot have."""


class LayoutSettings(Vary):
    """Settings of conditions that take layouts from real masks."""

    data: MaskData = Setting(description="Real images with masks; only the training split is read.")
    size: int = Setting(default=96, ge=16, le=4096, description="Side of the layouts in pixels.")
    turn: bool = Setting(
        default=False, description="Mirror and quarter-turn at random; only if directions mean nothing."
    )
    quotas: dict[str, Annotated[int, Setting(ge=1)]] | None = Setting(
        default=None, description="Samples of each class of image; by default as they are in the data."
    )
    seed: int = Setting(default=0, description="Which images and parts are taken.")


class RealLayouts:
    """Layouts cut out of real masks. Slots whose layouts come from one image stay in one split."""

    version: ClassVar[int] = 1
    Config = LayoutSettings
    made: ClassVar[tuple[str, ...]] = MAPS

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "size": 32}

    def __init__(self, config: LayoutSettings) -> None:
        self.config = config
        config.data.require_masks("a condition that shows layouts")
        self._sha256 = reader.sha256(config.data)
        classes = reader.class_names(config.data)
        self._quotas = Quotas(config.quotas) if config.quotas else None
        self.samples = self._quotas.total if self._quotas else None
        if self._quotas:
            reader.check_classes(self._quotas.names, classes)
        self._varied = Varied(config, TAKEN, config.seed)
        self.fields: Mapping[str, Field] = {
            "label": Label(self._quotas.names if self._quotas else classes),
            "instances": InstanceMap(config.size, config.size),
            "segmentation": SegmentationMap(config.size, config.size, tuple(config.data.objects)),
            "source": Text(),
            **self._varied.fields,
        }

    def identity(self) -> dict[str, Any]:
        settings = self.config.model_dump(mode="json", exclude={"data": {"path", "licence", "source"}, "quotas": True})
        classes = list(self._quotas.names) if self._quotas else None
        proportions = self._quotas.proportions if self._quotas else None
        return settings | {"classes": classes, "proportions": proportions, "data_sha256": self._sha256}

    @property
    def sources(self) -> Sequence[Source]:
        data = self.config.data
        return [Source("data", data.source or reader.short_name(data), self._sha256, data.licence)]

    def class_counts(self, n: int) -> list[int] | None:
        return self._quotas.counts(n) if self._quotas else None

    def condition(self, index: int) -> tuple[Mapping[str, Any], str]:
        random = seeds.generator(seeds.seed_of(self.config.seed, "real-layouts", index))
        label, item = self.picture(index, random)
        window = Window.of(item.image.shape[:2], self.config.size, self.config.turn, random)
        values = {"label": label, "source": f"{item.name} {window}", **self._varied.at(index)}
        return Lazy(values, self.made, lambda: self.shown(item, window)), item.name

    def shown(self, item: Example, window: Window) -> Mapping[str, Any]:
        """The fields of `made`."""
        assert item.layout is not None
        return maps(renumbered(Layout(window.cut(item.layout.instances), window.cut(item.layout.segmentation))))

    def picture(self, index: int, random: np.random.Generator) -> tuple[int, Example]:
        """The class of slot `index`, by the quotas or by chance, and a random image of it."""
        if self._quotas is None:
            item = self._items[int(random.integers(len(self._items)))]
            return item.label, item
        label = self._quotas.at(index)
        group = self._by_class[self._quotas.names[label]]
        return label, group[int(random.integers(len(group)))]

    @cached_property
    def _items(self) -> Sequence[Example]:
        return reader.read(self.config.data).items

    @cached_property
    def _by_class(self) -> Mapping[str, list[Example]]:
        names = reader.class_names(self.config.data)
        return {name: [item for item in self._items if item.label == i] for i, name in enumerate(names)}


def maps(layout: Layout) -> dict[str, Any]:
    """The fields that a layout fills."""
    return {"instances": layout.instances, "segmentation": layout.segmentation}


@dataclass(frozen=True, slots=True)
class Window:
    """A square part of an image, mirrored first and then turned by quarters."""

    top: int
    left: int
    size: int
    turns: int
    mirror: bool

    @classmethod
    def of(cls, shape: tuple[int, ...], size: int, turn: bool, random: np.random.Generator) -> Window:
        """A random one of an image of that shape; with `turn`, mirrored and turned at random."""
        top, left = (int(random.integers(0, max(n - size, 0) + 1)) for n in shape)
        turns, mirror = (int(random.integers(n)) for n in (4, 2)) if turn else (0, 0)
        return cls(top, left, size, turns, bool(mirror))

    def cut(self, array: np.ndarray) -> np.ndarray:
        """The window of an array (H, W) or (H, W, C); where the array ends, it is mirrored on."""
        window = array[self.top : self.top + self.size, self.left : self.left + self.size]
        missing = [(0, self.size - side) for side in window.shape[:2]] + [(0, 0)] * (array.ndim - 2)
        window = np.pad(window, missing, mode="symmetric")
        return np.ascontiguousarray(np.rot90(window[:, ::-1] if self.mirror else window, self.turns))

    def __str__(self) -> str:
        turned = f" turned {90 * self.turns}" if self.turns else ""
        return f"at {self.left},{self.top}{turned}" + (" mirrored" if self.mirror else "")
