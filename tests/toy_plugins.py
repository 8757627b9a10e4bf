"""Real parts that are cheap: a sampler of smooth noise and a scorer of brightness, to test everything around them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from synthgen import seeds as streams
from synthgen.errors import ModelError
from synthgen.fields import Columns, Image, InstanceMap, Label, Number, Schema, SegmentationMap
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot, Source


class Smooth:
    """Images whose brightness rises with the class id; sample i depends on its slot and seed alone."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        size: int = 8
        seconds: float = 0.0
        slow_while: str | None = None  # a file; only while it exists does a batch take its time
        seconds_each: float = 0.0
        fail_shard_at: int | None = None
        die_once: str | None = None
        die_at: int | None = None
        hang_once: str | None = None
        fail_setup: bool = False
        log: str | None = None
        memory: int | None = None  # samples that fit at once; after `memory_later` calls half as many
        memory_later: int = 10**9

    def __init__(self, config: Config) -> None:
        self.config = config
        self.fields = {"image": Image(config.size, config.size, 3)}
        self.n_classes = 1
        self.n_calls = 0

    def identity(self) -> dict[str, Any]:
        return {"size": self.config.size}

    def bind(self, condition: Schema) -> list[Problem]:
        label = condition.get("label")
        self.n_classes = len(label.classes) if isinstance(label, Label) else 1
        return []

    def setup(self, device: str) -> None:
        if self.config.fail_setup:
            raise ModelError("no weights here")

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        config = self.config
        if config.log:
            with open(config.log, "a", encoding="utf-8") as log:
                log.writelines(f"{slot.index} {seed:x}\n" for slot, seed in zip(slots, seeds, strict=True))
        if config.fail_shard_at in [slot.index for slot in slots]:
            raise ValueError("a broken slot")
        if config.die_once and slots[0].index >= 20 and not Path(config.die_once).exists():
            Path(config.die_once).touch()
            os.kill(os.getpid(), 9)
        if config.hang_once and slots[0].index >= 20 and not Path(config.hang_once).exists():
            Path(config.hang_once).touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        if config.die_at in [slot.index for slot in slots]:
            os.kill(os.getpid(), 9)
        self.n_calls += 1
        if config.memory is not None and len(slots) > config.memory >> (self.n_calls > config.memory_later):
            import torch  # here, because commands that draw nothing must start without it

            raise torch.OutOfMemoryError(f"no room for {len(slots)}")
        if (config.seconds or config.seconds_each) and (not config.slow_while or Path(config.slow_while).exists()):
            time.sleep(config.seconds + config.seconds_each * len(slots))
        noise = streams.normals(seeds, (config.size, config.size, 3))
        level = np.array([slot.condition.get("label", 0) for slot in slots]) / self.n_classes
        pixels = 255 * np.clip(0.5 * level[:, None, None, None] + 0.25 + 0.1 * noise, 0, 1)
        return {"image": list(pixels.astype(np.uint8))}


class Scenes:
    """Images with masks that are hard for file formats; the class says which kind of layout a slot gets."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()
    kinds = ("empty", "border", "crowded", "dots", "touching")

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        size: int = 48
        prefix: str = ""  # of the maps' names, as labelers have them
        objects: tuple[str, ...] = ("cell", "debris")  # the first two are generated

    def __init__(self, config: Config) -> None:
        self.config = config
        size = config.size
        self.fields = {
            "image": Image(size, size, 3),
            f"{config.prefix}instances": InstanceMap(size, size),
            f"{config.prefix}segmentation": SegmentationMap(size, size, config.objects),
        }

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(exclude_defaults=True) | {"size": self.config.size}

    def bind(self, condition: Schema) -> list[Problem]:
        label = condition.get("label")
        known = isinstance(label, Label) and set(label.classes) <= set(self.kinds)
        self.names = label.classes if isinstance(label, Label) else ()
        return [] if known else [Problem(f"needs a condition with classes of {', '.join(self.kinds)}")]

    def setup(self, device: str) -> None:
        pass

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        instances = [self.layout(self.names[slot.condition["label"]]) for slot in slots]
        segmentation = [np.where(found > 0, 1 + (found % 3 == 0), 0).astype(np.uint8) for found in instances]
        noise = streams.normals(seeds, (self.config.size, self.config.size, 3))
        lit = [np.where(found[..., None] > 0, 160, 40) for found in instances]
        images = [(base + 10 * e).clip(0, 255).astype(np.uint8) for base, e in zip(lit, noise, strict=True)]
        maps = {"instances": instances, "segmentation": segmentation}
        return {"image": images, **{self.config.prefix + name: values for name, values in maps.items()}}

    def layout(self, kind: str) -> np.ndarray:
        size = self.config.size
        found = np.zeros((size, size), dtype=np.uint16)
        if kind == "border":
            found[0] = found[-1] = found[:, 0] = found[:, -1] = 1
        elif kind == "crowded":
            places = np.arange(0, size - 1, 2)[:20]
            for number, (y, x) in enumerate([(y, x) for y in places for x in places][:374], start=1):
                found[y, x] = found[y, x + 1] = number
        elif kind == "dots":
            found[3, 5], found[0, 0], found[-1, -1] = 1, 2, 3
        elif kind == "touching":
            found[10:20, 10:20], found[10:20, 20:30], found[25:31, 25:35] = 1, 2, 3
        return found


class Streets:
    """Streets, wider than high: sky over road (stuff), on which cars and people (things) stand, some touching.

    `semantic` maps tell no objects apart; `background` leaves a strip below without a class, in all samples or in the
    first; a strip at the right is always unknown.
    """

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()
    classes = ("sky", "road", "car", "person")
    colours = ("#4682b4", "#804080", "#00008e", "#dc143c")

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        semantic: bool = False
        background: bool | Literal["first"] = True
        coloured: bool = True

    def __init__(self, config: Config) -> None:
        self.config = config
        stuff, colours = self.classes if config.semantic else self.classes[:2], self.colours if config.coloured else ()
        self.fields = {"image": Image(32, 48, 3), "segmentation": SegmentationMap(32, 48, self.classes, stuff, colours)}
        if not config.semantic:
            self.fields["instances"] = InstanceMap(32, 48)

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump()

    def bind(self, condition: Schema) -> list[Problem]:
        return []

    def setup(self, device: str) -> None:
        pass

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        everywhere = self.config.background is True
        some = [everywhere or (bool(self.config.background) and slot.index == 0) for slot in slots]
        maps = [self.street(int(seed), background) for seed, background in zip(seeds, some, strict=True)]
        noise = streams.normals(seeds, (32, 48, 3))
        tints = np.array([[60, 60, 60], [90, 150, 220], [110, 90, 110], [20, 20, 160], [220, 40, 60]])
        images = [(tints[np.where(m < 255, m, 0)] + 10 * e).clip(0, 255) for (m, _), e in zip(maps, noise, strict=True)]
        found = {"image": [image.astype(np.uint8) for image in images], "segmentation": [m for m, _ in maps]}
        return found if self.config.semantic else {**found, "instances": [objects for _, objects in maps]}

    def street(self, seed: int, background: bool) -> tuple[np.ndarray, np.ndarray]:
        segmentation, instances = np.full((32, 48), 1, dtype=np.uint8), np.zeros((32, 48), dtype=np.uint16)
        left = seed % 10
        segmentation[14 + seed % 5 :] = 2
        for number, (top, width, cls) in enumerate([(16, 9, 3), (16, 7, 3), (12, 3, 4)][: seed % 4], start=1):
            window = np.s_[top : top + 10, left : left + width]
            segmentation[window], instances[window] = cls, number
            left += width
        if background:
            segmentation[28:] = 0
        segmentation[:, 45:] = 255
        return segmentation, instances


class Brightness:
    """`brightness`: mean pixel value, 0 to 1, plus noise, so that a rule on it rejects some tries."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        noise: float = 0.0

    def __init__(self, config: Config) -> None:
        self.config = config
        self.fields = {"brightness": Number()}

    def identity(self) -> dict[str, Any]:
        return {"noise": self.config.noise}

    def bind(self, columns: Schema) -> list[Problem]:
        return [] if "image" in columns else [Problem("needs an `image` field", ("image",))]

    def setup(self, device: str) -> None:
        pass

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        noise = streams.normals(seeds, ())
        means = [float(image.mean()) / 255 for image in columns["image"]]
        return {"brightness": [m + self.config.noise * float(e) for m, e in zip(means, noise, strict=True)]}


SYNTHGEN_PLUGINS = {
    "samplers": {"smooth": Smooth, "scenes": Scenes, "streets": Streets},
    "scorers": {"brightness": Brightness},
}
