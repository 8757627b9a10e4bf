"""Image folders: images by split and class, as torchvision's ImageFolder and HF's imagefolder read them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from synthgen.base.names import file_names
from synthgen.exporters.classes import write_classes
from synthgen.exporters.scene import CLASS_MAP_FORMATS, SceneExporter, Scenes


class ImageFolder(SceneExporter):
    """Images by split and class.

    A class whose name no folder can have gets another one, by `names.file_names`; `classes.csv` says which is whose.
    """

    description: ClassVar[str] = (
        "<split>/<class>/ of images, or <split>/ for datasets without classes; classes.csv names the folders"
    )
    with_objects: ClassVar[bool] = False

    def write(self, scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
        names = file_names(scenes.classes)
        folders = [os.fsdecode(name.encode()) for name in names]  # UTF-8 on disk whatever the locale
        for split in scenes.splits:
            for folder in folders or ["."]:
                (out / split / folder).mkdir(parents=True, exist_ok=True)
        for scene in scenes:
            place = out / scene.split / (folders[scene.label] if scene.label is not None else ".")
            (place / f"{scene.key}.{scenes.suffix}").write_bytes(scene.picture)
            tick(1)
        notes = write_classes(out, scenes.classes, names, 0, "folders")
        if any(field.pixel_classes for field in scenes.fields.values()):
            notes.append(f"class maps are left out; `--to {'`, `'.join(CLASS_MAP_FORMATS)}` have them")
        return notes
