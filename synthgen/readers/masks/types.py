"""Images with objects: the settings that say where they are, and what a reader makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from synthgen.base.settings import Settings
from synthgen.errors import DataError
from synthgen.parts.registry import unknown
from synthgen.readers import validation
from synthgen.readers.images.pixel_range import RangeSetting
from synthgen.readers.problems import SkipBroken
from synthgen.readers.validation import Validation
from synthgen.vision import layouts
from synthgen.vision.layouts import Layout

Split = Literal["train", "test", "val"]
MaskKind = Literal["instances", "classes", "binary", "semantic"]
Zero = Literal["background", "class", "unknown"]


class MaskData(Settings):
    """Where images with masks or boxes come from."""

    path: str = Field(
        description="A folder with images/ and masks/ in it (or in train/, or with train/ in both of them)."
    )
    images: str = Field(default="images", description="Subfolder of the images; `.` if they are in `path` itself.")
    masks: str = Field(
        default="masks",
        description="Subfolder of the masks, which have the images' names, or those with _mask, _seg or _label at "
        "the end; may be the images' own folder.",
    )
    mask_ending: str | None = Field(
        default=None,
        min_length=1,
        exclude_if=lambda value: value is None,
        description="What the masks' names end with, where their folder holds files of other kinds too, such as "
        "_gtFine_labelTrainIds.",
    )
    mask_kind: MaskKind | None = Field(
        default=None,
        description="What a mask's numbers mean. instances: each number is an object of one class. classes: class ids "
        "(255: unknown; every connected region is an object, but of `stuff`). binary: every connected region of what "
        "is not 0 is an object of one class. semantic: class ids without objects, as of streets. By default the masks "
        "decide, if they leave no doubt.",
    )
    zero: Zero = Field(
        default="background",
        exclude_if=lambda value: value == "background",
        description="What the number 0 means in class ids: background, a class (the first of `objects`), or unknown.",
    )
    unknown: list[Annotated[int, Field(ge=0, le=65535)]] = Field(
        default=[],
        exclude_if=lambda value: not value,
        description="Numbers beside 255 that mean unknown in class ids, such as the last one of many street scenes.",
    )
    stuff: list[str] = Field(
        default=[],
        exclude_if=lambda value: not value,
        description="Classes that are regions and no objects, such as sky; with `mask_kind: semantic` all are.",
    )
    palette: list[Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]] = Field(
        default=[],
        exclude_if=lambda value: not value,
        description="Colours in which the classes are shown, as '#rrggbb', one for each of `objects`.",
    )
    colours: str | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="A .csv file in `path` with the columns r, g, b and name, for masks whose colours are classes "
        "(`background` and `unknown` are no objects); or the colours of cityscapes, voc, camvid-11 or camvid-32.",
    )
    boxes: str | None = Field(
        default=None,
        description="Boxes that stand for masks: a COCO .json file, a folder of YOLO's .txt files or of Pascal VOC's "
        ".xml files, in `path`.",
    )
    objects: list[str] = Field(
        default=["object"],
        min_length=1,
        max_length=254,
        description="Classes of the objects, from class id 1 on (from 0 with `zero: class`).",
    )
    unlabelled: str | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="More images, without masks: a folder; that of the images with masks, if some there have none. "
        "`use: layout-to-image` learns from them what images look like; all else leaves them out.",
    )
    table: str | None = Field(default=None, description="A .csv file in `path` with one row per image, keyed by `id`.")
    label: str | None = Field(default=None, description="The table's column that holds the class of an image.")
    classes: dict[str, str] | None = Field(
        default=None, description="Class names of images by what that column says, in id order; others are left out."
    )
    scale: float = Field(default=1.0, gt=0, le=4, description="Images and masks are resized by this factor.")
    range: RangeSetting = "auto"
    skip_broken: SkipBroken = False
    fraction: float = Field(
        default=1.0, gt=0, le=1, description="Share of the training images that is used, for low-data studies."
    )
    validation: Validation = Field(default=0.08, description=validation.DESCRIPTION)
    licence: str = Field(default="unknown", description="Licence of the data, for the model card.")
    source: str = Field(default="", description="Where the data come from, for the model card.")

    @model_validator(mode="after")
    def _one_kind(self) -> MaskData:
        if self.mask_kind == "binary" and len(self.objects) > 1:
            raise ValueError(f"`mask_kind: binary` has one class of objects; `objects` names {len(self.objects)}")
        if self.colours and self.mask_kind not in (None, "classes", "semantic"):
            raise ValueError("the colours of `colours` are classes; leave `mask_kind` out")
        of_ids = self.of_class_ids
        if self.boxes and (self.mask_kind or self.colours or of_ids):
            also = [name for name in ("mask_kind", "colours") if getattr(self, name)] + of_ids
            raise ValueError(f"`boxes` stand for masks; leave {' and '.join(f'`{name}`' for name in also)} out")
        if self.mask_kind in ("instances", "binary") and of_ids:
            raise ValueError(
                f"`{of_ids[0]}` is of class ids, and `mask_kind: {self.mask_kind}` has none; write `mask_kind: "
                "classes`, or `semantic` if there are no objects"
            )
        if self.colours and (self.zero != "background" or self.unknown):
            raise ValueError("`zero` and `unknown` are of numbers; a table of `colours` names background and unknown")
        if self.boxes and self.unlabelled and (Path(self.path) / self.images) == Path(self.unlabelled):
            raise ValueError("`unlabelled`: an image without a box shows no object; name a folder of other images")
        if self.palette and len(self.palette) != len(self.objects):
            raise ValueError(f"`palette` has {len(self.palette)} colours for the {len(self.objects)} of `objects`")
        if strange := [name for name in self.stuff if name not in self.objects]:
            raise ValueError(f"`stuff`: {unknown(strange[0], self.objects, 'class')}")
        return self

    @property
    def of_class_ids(self) -> list[str]:
        """The given settings that only masks of class ids have."""
        given = {"zero": self.zero != "background", "unknown": self.unknown, "stuff": self.stuff}
        return [name for name, value in given.items() if value]

    @property
    def is_semantic(self) -> bool:
        """Whether no class is one of objects."""
        return self.mask_kind == "semantic" or set(self.stuff) == set(self.objects)

    @property
    def regions(self) -> tuple[str, ...]:
        """The classes that are regions and no objects, in id order."""
        return tuple(name for name in self.objects if self.is_semantic or name in self.stuff)

    def notes(self) -> list[str]:
        """What users should know, before anything is trained, of how images and masks will be read.

        Raises:
            DataError: the files leave it open.
        """
        from synthgen.readers.masks import reader

        return reader.reading_notes(self)

    def require_masks(self, user: str) -> None:
        """Raises DataError if objects are known by boxes only, and `user` needs masks."""
        if self.boxes:
            raise DataError(f"{user} needs masks; leave `data.boxes` out, and name the folder of the masks")


@dataclass(frozen=True, slots=True)
class Example:
    """One image, uint8 (H, W, 3), of the class `label`, with its objects.

    `layout` holds them pixel by pixel. Of objects known by boxes, `boxes` has left, top, right,
    bottom in pixels, float32 (N, 4), `box_classes` the class numbers from 1, and `channels` what
    networks see of them (`layouts.from_boxes`), (H, W, n_classes). `known`, bool (H, W), is false
    where a generator is not to learn from the pixels. `weight` is how much the example counts in a loss, from 0 on.
    """

    name: str
    image: np.ndarray
    label: int
    layout: Layout | None = None
    boxes: np.ndarray | None = None
    box_classes: np.ndarray | None = None
    channels: np.ndarray | None = None
    known: np.ndarray | None = None
    weight: float = 1.0

    @property
    def n_objects(self) -> int:
        if self.layout is not None:
            return int(self.layout.instances.max())
        return 0 if self.boxes is None else len(self.boxes)

    @property
    def is_empty(self) -> bool:
        """Whether it shows neither an object nor a region of a class."""
        return not self.n_objects and (self.layout is None or self.layout.is_empty)

    def distances(self, n_classes: int) -> np.ndarray:
        """The channels of the objects in one, float32 (H, W); -1 where there is none, regions included."""
        assert self.layout is not None
        return np.where(self.layout.instances > 0, self.encoded(n_classes).max(0), np.float32(-1))

    def encoded(self, n_classes: int) -> np.ndarray:
        """The channels of the objects, float32 (n_classes, H, W)."""
        if self.layout is not None:
            return layouts.encode(self.layout, n_classes)
        assert self.channels is not None
        return np.ascontiguousarray(self.channels.transpose(2, 0, 1))

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> Example:
        """The example with image and objects cut or turned by `change`; lists of boxes are dropped."""
        layout = self.layout and self.layout.map(change)
        channels = None if self.channels is None else change(self.channels)
        known = None if self.known is None else change(self.known)
        cut = replace(self, image=change(self.image), layout=layout, channels=channels, known=known)
        return replace(cut, boxes=None, box_classes=None)


@dataclass(frozen=True, slots=True)
class Examples:
    """Images with their objects; `classes` names images' labels, `objects` the objects' class ids from 1.

    `stuff` names those of `objects` that are regions and no objects, `palette` their colours, if any are known.
    `notes` says in sentences what was decided while reading and what was left out, `range` which values of images of
    more than 8 bits became 0 and 255, if there were such.
    """

    items: tuple[Example, ...]
    classes: tuple[str, ...]
    objects: tuple[str, ...]
    notes: tuple[str, ...] = ()
    stuff: tuple[str, ...] = ()
    palette: tuple[str, ...] = ()
    range: tuple[float, float] | None = None

    @property
    def is_semantic(self) -> bool:
        """Whether no class is one of objects."""
        return len(self.stuff) == len(self.objects)

    @property
    def covered(self) -> bool:
        """Whether regions and objects take every pixel whose class is known, so that there is no background."""
        maps = [item.layout for item in self.items if item.layout is not None]
        return bool(self.stuff) and all((layout.segmentation > 0).all() for layout in maps)

    def __len__(self) -> int:
        return len(self.items)

    def split(self, share: float, seed: int) -> tuple[Examples, Examples]:
        """(rest, held out): the same share of every class is held out, at least one image of each.

        Raises:
            DataError: a class has fewer than two images.
        """
        rng = np.random.default_rng(seed)
        held: set[int] = set()
        for label, name in enumerate(self.classes):
            rows = rng.permutation([i for i, item in enumerate(self.items) if item.label == label])
            if len(rows) < 2:
                raise DataError(f"class `{name}` has {len(rows)} images; at least 2 are needed")
            held |= set(rows[: max(1, round(share * len(rows)))].tolist())
        return self.take([i for i in range(len(self)) if i not in held]), self.take(sorted(held))

    @property
    def class_pixels(self) -> np.ndarray:
        """Known pixels of each class of objects and regions, background first; int64 (n_objects + 1,)."""
        counts = np.zeros(256, dtype=np.int64)
        for item in self.items:
            if item.layout is not None:
                counts += np.bincount(item.layout.segmentation.ravel(), minlength=len(counts))
        return counts[: len(self.objects) + 1]

    def with_validation(self, held_out: Examples) -> tuple[Examples, Examples, Examples]:
        """All of these and of a validation split, these, and that split; the notes say so."""
        notes = validation.notes_on(len(held_out), self.notes, held_out.notes)
        every = replace(self, items=self.items + held_out.items, notes=notes)
        return every, replace(self, notes=notes), replace(held_out, notes=notes)

    def take(self, rows: Sequence[int]) -> Examples:
        return replace(self, items=tuple(self.items[i] for i in rows))
