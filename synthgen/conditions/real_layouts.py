"""`use: real-layouts`: every slot shows the objects of a part of a real picture, mirrored and turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from synthgen import seeds
from synthgen.conditions.lazy import Lazy
from synthgen.conditions.quotas import Quotas
from synthgen.fields import Field, InstanceMap, Label, SegmentationMap, Text
from synthgen.models.layouts import Layout, renumbered
from synthgen.protocols import Source
from synthgen.realdata import masks
from synthgen.realdata.masks import Example, MaskData

MAPS = ("instances", "segmentation")


class LayoutSettings(BaseModel):
    """Settings of conditions that take layouts from real masks."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    data: MaskData = Setting(description="Real pictures with masks; only the training split is read.")
    size: int = Setting(default=96, ge=16, le=4096, description="Side of the layouts in pixels.")
    turn: bool = Setting(
        default=False, description="Mirror and quarter-turn at random; only if directions mean nothing."
    )
    quotas: dict[str, Annotated[int, Setting(ge=1)]] | None = Setting(
        default=None, description="Samples of each class of picture; by default as they are in the data."
    )
    seed: int = Setting(default=0, description="Which pictures and parts are taken.")


class RealLayouts:
    """Layouts cut out of real masks. Slots whose layouts come from one picture stay in one split."""

    version: ClassVar[int] = 1
    Config = LayoutSettings

    def __init__(self, config: LayoutSettings) -> None:
        self.config = config
        self._sha256 = masks.sha256(config.data)
        classes = masks.class_names(config.data)
        self._quotas = Quotas(config.quotas) if config.quotas else None
        self.samples = self._quotas.total if self._quotas else None
        if self._quotas:
            masks.check_classes(self._quotas.names, classes)
        self.fields: Mapping[str, Field] = {
            "label": Label(self._quotas.names if self._quotas else classes),
            "instances": InstanceMap(config.size, config.size),
            "segmentation": SegmentationMap(config.size, config.size, tuple(config.data.objects)),
            "source": Text(),
        }

    def identity(self) -> dict[str, Any]:
        settings = self.config.model_dump(mode="json", exclude={"data": {"path", "licence", "source"}, "quotas": True})
        classes = list(self._quotas.names) if self._quotas else None
        proportions = self._quotas.proportions if self._quotas else None
        return settings | {"classes": classes, "proportions": proportions, "data_sha256": self._sha256}

    @property
    def sources(self) -> Sequence[Source]:
        data = self.config.data
        return [Source("data", data.source or masks.short_name(data), self._sha256, data.licence)]

    def condition(self, index: int) -> tuple[Mapping[str, Any], str]:
        random = seeds.generator(seeds.seed_of(self.config.seed, "real-layouts", index))
        label, item = self.picture(index, random)
        shape = item.image.shape[:2]
        size = self.config.size
        top, left = (int(random.integers(0, max(n - size, 0) + 1)) for n in shape)
        turns, mirror = (int(random.integers(n)) for n in (4, 2)) if self.config.turn else (0, 0)
        source = f"{item.name} at {left},{top}" + (f" turned {90 * turns}" if turns else "") + " mirrored" * mirror

        def make() -> Mapping[str, Any]:
            assert item.layout is not None
            return maps(cut(item.layout, top, left, size, turns, bool(mirror)))

        return Lazy({"label": label, "source": source}, MAPS, make), item.name

    def picture(self, index: int, random: np.random.Generator) -> tuple[int, Example]:
        """The class of slot `index`, by the quotas or by chance, and a random picture of it."""
        if self._quotas is None:
            item = self._items[int(random.integers(len(self._items)))]
            return item.label, item
        label = self._quotas.at(index)
        group = self._by_class[self._quotas.names[label]]
        return label, group[int(random.integers(len(group)))]

    @cached_property
    def _items(self) -> Sequence[Example]:
        return masks.read(self.config.data).items

    @cached_property
    def _by_class(self) -> Mapping[str, list[Example]]:
        names = masks.class_names(self.config.data)
        return {name: [item for item in self._items if item.label == i] for i, name in enumerate(names)}


def maps(layout: Layout) -> dict[str, Any]:
    """The fields that a layout fills."""
    return {"instances": layout.instances, "segmentation": layout.segmentation}


def cut(layout: Layout, top: int, left: int, size: int, turns: int, mirror: bool) -> Layout:
    """A square of a layout, turned; where the layout ends, it is mirrored on. Objects get new numbers."""

    def change(array: np.ndarray) -> np.ndarray:
        window = array[top : top + size, left : left + size]
        window = np.pad(window, [(0, size - side) for side in window.shape], mode="symmetric")
        return np.ascontiguousarray(np.rot90(window[:, ::-1] if mirror else window, turns))

    return renumbered(Layout(change(layout.instances), change(layout.segmentation)))
