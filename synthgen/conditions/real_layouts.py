"""`use: real-layouts`: every slot shows the objects of a part of a real image, mirrored and turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field as Setting
from pydantic import model_validator

from synthgen import seeds
from synthgen.base.sizes import Size, shape_of
from synthgen.conditions.lazy import Lazy
from synthgen.conditions.quotas import Quotas
from synthgen.conditions.varied import Varied, Vary
from synthgen.errors import DataError
from synthgen.fields import Field, InstanceMap, Label, SegmentationMap, Text
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, MaskData
from synthgen.vision.layouts import Layout, renumbered

MAPS = ("instances", "segmentation")
TAKEN = ("label", "source", "density", "prompt", "image", *MAPS)
"""Names that an axis of `vary` cannot have."""


ANYTHING = "anything"
"""The key of `require` for samples of which nothing is required."""


class LayoutSettings(Vary):
    """Settings of conditions that take layouts from real masks."""

    data: MaskData = Setting(description="Real images with masks; only the training split is read.")
    size: Size = Setting(default=96, description="Side of the layouts in pixels, or their `[width, height]`.")
    turn: bool = Setting(
        default=False, description="Mirror and quarter-turn at random; only if directions mean nothing."
    )
    mirror: bool = Setting(
        default=False,
        exclude_if=lambda value: not value,
        description="Mirror left and right at random, as streets may be; `turn` does that, too.",
    )
    quotas: dict[str, Annotated[int, Setting(ge=1)]] | None = Setting(
        default=None, description="Samples of each class of image; by default as they are in the data."
    )
    seed: int = Setting(default=0, description="Which images and parts are taken.")

    @model_validator(mode="after")
    def _turnable(self) -> LayoutSettings:
        height, width = self.shape
        if self.turn and height != width:
            raise ValueError("`turn` needs squares; leave it out, or set `mirror`, or make `size` one number")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the layouts."""
        return shape_of(self.size)


class ContentSettings(LayoutSettings):
    """Settings of conditions that can ask for what a layout shows."""

    require: dict[str, Annotated[int, Setting(ge=1)]] | None = Setting(
        default=None,
        exclude_if=lambda value: value is None,
        description="Samples in which a class covers `require_share` of the pixels or more, by class; `anything` is "
        "the number of samples with no such demand.",
    )
    require_share: float = Setting(
        default=0.01,
        gt=0,
        le=1,
        exclude_if=lambda value: value == 0.01,
        description="Least share of the pixels that a required class covers.",
    )
    balance: float = Setting(
        default=0.0,
        ge=0,
        le=1,
        exclude_if=lambda value: value == 0,
        description="Share of the samples that are chosen for a class which they show, each class as often; the others "
        "are as frequent as in the data.",
    )

    @model_validator(mode="after")
    def _known(self) -> ContentSettings:
        accepted = [*self.data.objects, ANYTHING]
        for name in self.require or {}:
            if name not in accepted:
                raise ValueError(f"`require`: {unknown(name, accepted, 'class')}")
        if sum(map(bool, (self.require, self.quotas, self.balance))) > 1:
            raise ValueError("`require`, `balance` and `quotas` all decide what a sample shows; give one of them")
        return self


class RealLayouts:
    """Layouts cut out of real masks. Slots whose layouts come from one image stay in one split.

    Of maps without objects, as of streets, there is no `instances`.
    """

    version: ClassVar[int] = 1

    class Config(ContentSettings):
        """Settings of `use: real-layouts`."""

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "size": 32, "require_share": 0.0001} if "require" in settings else {**settings, "size": 32}

    def __init__(self, config: LayoutSettings) -> None:
        self.config = config
        data = config.data
        data.require_masks("a condition that shows layouts")
        self._sha256 = reader.sha256(data)
        classes = reader.class_names(data)
        require = config.require if isinstance(config, ContentSettings) else None
        self._quotas = Quotas(config.quotas) if config.quotas else None
        self._required = Quotas(require) if require else None
        self.samples = self._quotas.total if self._quotas else self._required.total if self._required else None
        if self._quotas:
            reader.check_classes(self._quotas.names, classes)
        self._varied = Varied(config, TAKEN, config.seed)
        shape = config.shape
        regions, colours = data.regions, tuple(data.palette)
        maps: dict[str, Field] = {
            "instances": InstanceMap(*shape),
            "segmentation": SegmentationMap(*shape, tuple(data.objects), regions, colours),
        }
        if data.is_semantic:
            del maps["instances"]
        self.made: tuple[str, ...] = tuple(maps)
        self.fields: Mapping[str, Field] = {
            "label": Label(self._quotas.names if self._quotas else classes),
            **maps,
            "source": Text(),
            **self._varied.fields,
        }

    def identity(self) -> dict[str, Any]:
        left_out: dict[str, Any] = {"data": {"path", "licence", "source"}, "quotas": True, "require": True}
        settings = self.config.model_dump(mode="json", exclude=left_out)
        classes = list(self._quotas.names) if self._quotas else None
        proportions = self._quotas.proportions if self._quotas else None
        required = self._required
        asked = {"required": [list(required.names), required.proportions]} if required else {}
        return settings | {"classes": classes, "proportions": proportions, "data_sha256": self._sha256} | asked

    @property
    def sources(self) -> Sequence[Source]:
        data = self.config.data
        return [Source("data", data.source or reader.short_name(data), self._sha256, data.licence)]

    def class_counts(self, n: int) -> list[int] | None:
        return self._quotas.counts(n) if self._quotas else None

    def condition(self, index: int) -> tuple[Mapping[str, Any], str]:
        random = seeds.generator(seeds.seed_of(self.config.seed, "real-layouts", index))
        label, item, corner = self.chosen(index, self.wanted(index, random), random)
        window = Window.of(item.image.shape[:2], self.config, random, corner)
        values = {"label": label, "source": f"{item.name} {window}", **self._varied.at(index)}
        return Lazy(values, self.made, lambda: self.shown(item, window)), item.name

    def shown(self, item: Example, window: Window) -> Mapping[str, Any]:
        """The fields of `made`."""
        assert item.layout is not None
        found = maps(renumbered(item.layout.map(window.cut)))
        return {name: value for name, value in found.items() if name in self.made}

    def picture(self, index: int, random: np.random.Generator) -> tuple[int, Example]:
        """The class of slot `index`, by the quotas or by chance, and a random image of it."""
        if self._quotas is None:
            item = self._items[int(random.integers(len(self._items)))]
            return item.label, item
        label = self._quotas.at(index)
        group = self._by_class[self._quotas.names[label]]
        return label, group[int(random.integers(len(group)))]

    def wanted(self, index: int, random: np.random.Generator) -> str:
        """The class that slot `index` must show, `anything` if it need show none."""
        if self._required:
            return self._required.names[self._required.at(index)]
        balance = self.config.balance if isinstance(self.config, ContentSettings) else 0
        if balance and random.random() < balance:
            names = [self.config.data.objects[cls - 1] for cls in self._showing]
            return names[int(random.integers(len(names)))]
        return ANYTHING

    def chosen(self, index: int, name: str, random: np.random.Generator) -> tuple[int, Example, tuple[int, int] | None]:
        """The label of a random image, the image, and the corner (top, left) of a random part that shows a class."""
        if name == ANYTHING:
            return (*self.picture(index, random), None)
        assert isinstance(self.config, ContentSettings)
        cls = self.config.data.objects.index(name) + 1
        rows = self._showing[cls]
        item = self._items[rows[int(random.integers(len(rows)))]]
        assert item.layout is not None
        shares = class_shares(item.layout.segmentation == cls, self.config.shape)
        corners = np.argwhere(shares >= self.config.require_share)
        top, left = corners[int(random.integers(len(corners)))].tolist()
        return item.label, item, (top, left)

    @cached_property
    def _showing(self) -> Mapping[int, list[int]]:
        """The images of which some part shows enough of a class, by id: of those required, or of all that are shown.

        Raises:
            DataError: there is no such image of a required class.
        """
        config = self.config
        assert isinstance(config, ContentSettings)
        found: dict[int, list[int]] = {}
        for name in self._required.names if self._required else config.data.objects:
            if name == ANYTHING:
                continue
            cls = config.data.objects.index(name) + 1
            layouts = [item.layout for item in self._items if item.layout is not None]
            most = [float(class_shares(layout.segmentation == cls, config.shape).max()) for layout in layouts]
            found[cls] = [i for i, share in enumerate(most) if share >= config.require_share]
            if not found[cls] and self._required is None:
                del found[cls]
            elif not found[cls]:
                width, height = config.shape[::-1]
                raise DataError(
                    f"require: `{name}` covers {max(most):.2%} of a part of {width} x {height} pixels at most, and "
                    f"`require_share` asks for {config.require_share:.2%}; lower it"
                )
        return found

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


def class_shares(inside: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Share of the pixels of each part of `shape` that is `inside`, bool (H, W), by the part's corner.

    Smaller images are mirrored on, as `Window.cut` does: float64 (H - h + 1, W - w + 1), 1 where H < h or W < w.
    """
    high, wide = shape
    missing = [(0, max(side - n, 0)) for side, n in zip(shape, inside.shape, strict=True)]
    inside = np.pad(inside, missing, mode="symmetric")
    total = np.pad(inside.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    counts = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
    shares: np.ndarray = counts / (high * wide)
    return shares


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an image, mirrored first and then turned by quarters; `size` is its height and width."""

    top: int
    left: int
    size: tuple[int, int]
    turns: int
    mirror: bool

    @classmethod
    def of(
        cls,
        shape: tuple[int, ...],
        config: LayoutSettings,
        random: np.random.Generator,
        corner: tuple[int, int] | None = None,
    ) -> Window:
        """A random one of an image of that shape, or that at `corner`; mirrored and turned as `config` allows."""
        size = config.shape
        if corner is None:
            corner = tuple(  # type: ignore[assignment]
                int(random.integers(0, max(n - side, 0) + 1)) for n, side in zip(shape, size, strict=True)
            )
        assert corner is not None
        turns, mirror = (int(random.integers(n)) for n in (4, 2)) if config.turn else (0, 0)
        if config.mirror and not config.turn:
            mirror = int(random.integers(2))
        return cls(*corner, size, turns, bool(mirror))

    def cut(self, array: np.ndarray) -> np.ndarray:
        """The window of an array (H, W) or (H, W, C); where the array ends, it is mirrored on."""
        height, width = self.size
        window = array[self.top : self.top + height, self.left : self.left + width]
        missing = [(0, height - window.shape[0]), (0, width - window.shape[1]), *[(0, 0)] * (array.ndim - 2)]
        window = np.pad(window, missing, mode="symmetric")
        return np.ascontiguousarray(np.rot90(window[:, ::-1] if self.mirror else window, self.turns))

    def __str__(self) -> str:
        turned = f" turned {90 * self.turns}" if self.turns else ""
        return f"at {self.left},{self.top}{turned}" + (" mirrored" if self.mirror else "")
