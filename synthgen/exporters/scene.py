"""Scenes: what exporters see of a sample, read from a dataset one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen import ledger
from synthgen.errors import UsageError
from synthgen.fields import IMAGE_SUFFIX, Boxes, Field, Image, InstanceMap, Label, SegmentationMap
from synthgen.view import View


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture with its labels.

    `picture` is the stored file. `instances` uint16 (H, W) and `segmentation` uint8 (H, W) are
    None if the dataset has none; `boxes` is float32 (N, 5), left, top, right, bottom in pixels and
    the class id from 1. Of objects in an instance map, `boxes` and `numbers` (the map's numbers of
    the same objects) are made from it.
    """

    key: str
    split: str
    picture: bytes
    label: int | None
    instances: np.ndarray | None
    segmentation: np.ndarray | None
    boxes: np.ndarray
    numbers: np.ndarray


class Scenes:
    """The scenes of a dataset, in order, in constant memory.

    Attributes:
        height, width, channels: of the pictures.
        suffix: ending of the picture files.
        objects: names of the objects' classes, ids from 1.
        classes: names of the pictures' classes, ids from 0.
        lack: what is missing of an incomplete dataset.

    Raises:
        UsageError: the dataset holds no pictures, or no such field.
        StoreError: it is incomplete (without `allow_incomplete`).
    """

    def __init__(
        self,
        folder: str,
        split: str | None,
        fields: Mapping[str, str] | None = None,
        allow_incomplete: bool = False,
    ) -> None:
        book = ledger.read(folder)
        if not allow_incomplete:
            book.require_complete()
        self.lack = book.lack
        self.name = book.name
        self._names = {"instances": "instances", "segmentation": "segmentation", "boxes": "boxes"} | dict(fields or {})
        for name in (fields or {}).values():
            if name not in book.fields:
                raise UsageError(f"{folder}: has no field `{name}`; there are: {', '.join(book.fields)}")
        self.view = View(book, split, None, None)
        self._image, image = _first(book.fields, Image)
        if image is None:
            raise UsageError(f"{folder}: holds no pictures, so there is nothing to export")
        assert isinstance(image, Image)
        self.height, self.width, self.channels = image.height, image.width, image.channels
        self.suffix = IMAGE_SUFFIX[image.format]
        self._label, label = _first(book.fields, Label)
        self.classes: tuple[str, ...] = label.classes if isinstance(label, Label) else ()
        self.has_maps = isinstance(book.fields.get(self._names["instances"]), InstanceMap)
        kinds = [book.fields.get(self._names[name]) for name in ("segmentation", "boxes")]
        self.objects: tuple[str, ...] = next(
            (kind.classes for kind in kinds if isinstance(kind, SegmentationMap | Boxes)), ()
        )
        self._fields = book.fields

    @property
    def splits(self) -> list[str]:
        return list(dict.fromkeys(file.split for file in self.view.files))

    def __len__(self) -> int:
        return sum(file.n_samples for file in self.view.files)

    def __iter__(self) -> Iterator[Scene]:
        for file in self.view.files:
            for record in self.view.stored(file):
                yield self._scene(record, file.split)

    def _scene(self, record: Mapping[str, Any], split: str) -> Scene:
        from synthgen.models.layouts import Layout, boxes_of, class_of_each

        values = {
            name: self._fields[field].decode(record[field])
            for name, field in self._names.items()
            if field in self._fields
        }
        instances, segmentation = values.get("instances"), values.get("segmentation")
        boxes, numbers = values.get("boxes", np.zeros((0, 5), dtype=np.float32)), np.zeros(0, dtype=np.int64)
        if instances is not None and segmentation is not None:
            corners, ids = boxes_of(instances)
            classes = class_of_each(Layout(instances, segmentation), ids)
            known = classes > 0
            boxes = np.concatenate([corners, classes[:, None]], axis=1).astype(np.float32)[known]
            numbers = ids[known]
        label = self._fields[self._label].decode(record[self._label]) if self._label else None
        return Scene(record["key"], split, record[self._image], label, instances, segmentation, boxes, numbers)


def _first(fields: Mapping[str, Field], kind: type) -> tuple[str, Field | None]:
    return next(((name, field) for name, field in fields.items() if isinstance(field, kind)), ("", None))
