"""Scenes: what exporters see of a sample, read from a dataset one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from synthgen.dataset.view import View
from synthgen.errors import StoreError, UsageError
from synthgen.exporters.options import NoOptions
from synthgen.exporters.roles import ROLES, fields_of_roles, unused
from synthgen.exporters.samples import Selected
from synthgen.fields import IMAGE_SUFFIX, Boxes, Image, SegmentationMap, first, label_of

KEY = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""Keys become names of files."""

CLASS_MAP_FORMATS = ("cityscapes", "ade20k", "mmsegmentation", "hf-segmentation", "coco-panoptic", "voc")
"""Exports that need no objects, in the order in which they are suggested."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One image with its labels.

    `picture` is the stored file. `instances` uint16 (H, W) and `segmentation` uint8 (H, W) are None if the dataset
    has none (or, of `instances`, none whose classes are known); `boxes` is float32 (N, 5), left, top, right, bottom
    in pixels and the class id from 1. Of objects in an instance map, `boxes` and `numbers` (the map's numbers of the
    same objects) are made from it: things only, where the class map has stuff.
    """

    key: str
    split: str
    picture: bytes
    label: int | None
    instances: np.ndarray | None
    segmentation: np.ndarray | None
    boxes: np.ndarray
    numbers: np.ndarray


class Scenes(Selected):
    """The scenes of a dataset, in order, in constant memory.

    Objects come from the fields that `roles.fields_of_roles` finds.

    Attributes:
        height, width, channels: of the images.
        suffix: ending of the image files.
        objects: names of the objects' classes by id, from 1; empty if there are no objects. Of a class map with stuff
            they are its things.
        classes: names of the images' classes, ids from 0.

    Raises:
        UsageError: the dataset holds no images, no such field, or several fields for one role.
        StoreError: it is incomplete (without `allow_incomplete`).
    """

    def __init__(
        self,
        folder: str,
        split: str | None,
        fields: Mapping[str, str] | None = None,
        allow_incomplete: bool = False,
        with_objects: bool = True,
    ) -> None:
        super().__init__(folder, split, allow_incomplete)
        self._image, image = first(self.fields, Image)
        if image is None:
            raise UsageError(f"{folder}: holds no images, so there is nothing to export")
        self.height, self.width, self.channels = image.height, image.width, image.channels
        self.suffix = IMAGE_SUFFIX[image.format]
        self._label, label = label_of(self.fields)
        self.classes: tuple[str, ...] = label.classes if label else ()
        self._roles = fields_of_roles(folder, self.fields, fields or {}) if with_objects else {}
        kind = self.fields[self._roles["segmentation"]] if "segmentation" in self._roles else None
        only_stuff = isinstance(kind, SegmentationMap) and not kind.things
        self.has_masks = (
            "instances" in self._roles and not only_stuff and (kind is not None or "boxes" not in self._roles)
        )
        if kind is None and self.has_masks:
            kind = SegmentationMap(self.height, self.width, ("object",))
        self._map = kind if isinstance(kind, SegmentationMap) else None
        self.has_class_maps = self._map is not None
        self.objects = self._objects()
        self._n_unknown = 0

    def _objects(self) -> dict[int, str]:
        if self.has_masks:
            return {i: name for i, name in enumerate(self.class_map_names, start=1) if name not in self.stuff}
        boxes = self.fields[self._roles["boxes"]] if "boxes" in self._roles else None
        return dict(enumerate(boxes.classes, start=1)) if isinstance(boxes, Boxes) else {}

    @property
    def class_map_names(self) -> tuple[str, ...]:
        """Names of the classes in the class maps, ids from 1; empty if there are no class maps."""
        return self._map.classes if self._map else ()

    @property
    def stuff(self) -> tuple[str, ...]:
        """Those of `class_map_names` that are regions without objects."""
        return self._map.stuff if self._map else ()

    @property
    def colours(self) -> tuple[str, ...]:
        """Colours of `class_map_names` as '#rrggbb'; empty if the class maps name none."""
        return self._map.colours if self._map else ()

    @cached_property
    def has_background(self) -> bool:
        """Whether any pixel of the class maps has no class, in the whole dataset, whichever split is exported.

        Reads the maps up to the first such pixel, and all of them where every pixel has a class.
        """
        name = self._roles.get("segmentation") or self._roles["instances"]
        view = View(self.book, None, (name,), None)
        return any((sample[name] == 0).any() for file in view.files for sample in view.read(file))

    def require_objects(self, format_name: str) -> None:
        """Raises UsageError, which names exports that suit, if the dataset has no objects."""
        if self.objects:
            return
        if not self.has_class_maps:
            raise UsageError(
                f"{format_name} files hold objects; this dataset has neither boxes nor masks (try `--to imagefolder`)"
            )
        boxes = "".join(f", or --field boxes={name}" for name, kind in self.fields.items() if isinstance(kind, Boxes))
        raise UsageError(
            f"{format_name} files hold objects; the class maps of this dataset have classes of pixels, without objects "
            f"(try `--to {'`, `'.join(CLASS_MAP_FORMATS)}`{boxes})"
        )

    def require_class_maps(self, format_name: str) -> None:
        """Raises UsageError, which says what to do, if the dataset has no class maps or none is chosen."""
        if self.has_class_maps:
            return
        maps = [name for name, kind in self.fields.items() if isinstance(kind, SegmentationMap)]
        advice = " or ".join(f"--field segmentation={name}" for name in maps) or "`--to imagefolder`"
        lack = "none is chosen" if maps else "this dataset has none"
        raise UsageError(f"{format_name} files hold class maps; {lack} (try {advice})")

    @property
    def notes(self) -> list[str]:
        """Which fields the objects came from, and what of them was left out; known when all scenes have been read."""
        notes = []
        if any(role != name for role, name in self._roles.items()):
            notes.append("objects are from " + ", ".join(f"`{name}`" for name in self._roles.values()))
        if others := unused(self.fields, self._roles):
            notes.append(f"not used: {', '.join(f'`{name}`' for name in others)}; --field ROLE=NAME chooses others")
        if "instances" in self._roles and not self.has_masks and "boxes" in self._roles:
            notes.append(
                f"masks in `{self._roles['instances']}` are left out: no class map says what they show, and the boxes "
                f"in `{self._roles['boxes']}` do"
            )
        if self._n_unknown:
            lost = "1 object is" if self._n_unknown == 1 else f"{self._n_unknown} objects are"
            notes.append(f"{lost} left out: `{self._roles['segmentation']}` gives no class for most of the pixels")
        return notes

    def __iter__(self) -> Iterator[Scene]:
        self._n_unknown = 0
        for file in self.view.files:
            for record in self.view.stored(file):
                yield self._scene(record, file.split)

    def _scene(self, record: Mapping[str, Any], split: str) -> Scene:
        from synthgen.vision.layouts import Layout, boxes_of, class_of_each

        values = {role: self.fields[name].decode(record[name]) for role, name in self._roles.items()}
        instances, segmentation = values.get("instances") if self.has_masks else None, values.get("segmentation")
        boxes, numbers = values.get("boxes", np.zeros((0, 5), dtype=np.float32)), np.zeros(0, dtype=np.int64)
        if instances is not None:
            segmentation = (instances > 0).astype(np.uint8) if segmentation is None else segmentation
            corners, ids = boxes_of(instances)
            classes = class_of_each(Layout(instances, segmentation), ids)
            self._n_unknown += int((classes == 0).sum())
            known = np.isin(classes, list(self.objects))
            boxes = np.concatenate([corners, classes[:, None]], axis=1).astype(np.float32)[known]
            numbers = ids[known]
            if len(of_stuff := ids[(classes > 0) & ~known]):
                instances = np.where(np.isin(instances, of_stuff), 0, instances).astype(instances.dtype)
        label = self.fields[self._label].decode(record[self._label]) if self._label else None
        if not KEY.fullmatch(record["key"]):
            raise StoreError(
                f"{self.view.place}: the key {record['key']!r} is none that synthgen writes; check the dataset"
            )
        return Scene(record["key"], split, record[self._image], label, instances, segmentation, boxes, numbers)


class SceneExporter:
    """What exporters of scenes have in common: which fields they read, and no options of their own."""

    roles: ClassVar[Sequence[str]] = tuple(ROLES)
    with_objects: ClassVar[bool] = True
    Config: ClassVar[Any] = NoOptions

    def __init__(self, config: Any) -> None:
        self.config = config

    def samples(self, folder: str, split: str | None, fields: Mapping[str, str], allow_incomplete: bool) -> Scenes:
        return Scenes(folder, split, fields, allow_incomplete, self.with_objects)
