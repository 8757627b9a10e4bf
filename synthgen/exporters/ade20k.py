"""ADE20K: images and class maps by split, as in the scene parsing challenge of ADE20K."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from synthgen.base.names import printable
from synthgen.exporters.class_maps import ClassMapExporter, png_of
from synthgen.exporters.scene import Scenes
from synthgen.fields import IGNORE

FOLDERS = {"train": "training", "val": "validation"}
"""ADE20K's names of splits; other splits keep theirs."""


class Ade20k(ClassMapExporter):
    """Images as they are stored, and maps with classes from id 1.

    0 is all that has no class: background and unknown pixels, which trainings leave out (`reduce_zero_label`). The
    classes file has the columns of ADE20K's: id, share of the pixels that have a class, number of images with the
    class in training and in validation, name.
    """

    description: ClassVar[str] = (
        "images/ and annotations/ with training/ and validation/ in them (ids from 1, 0 other or unknown); "
        "objectInfo<n>.txt names the n classes"
    )

    def write(self, scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
        scenes.require_class_maps("ADE20K")
        names = scenes.class_map_names
        folders = {split: FOLDERS.get(split, split) for split in scenes.splits}
        for folder in folders.values():
            for kind in ("images", "annotations"):
                (out / kind / folder).mkdir(parents=True)
        pixels = np.zeros(256, dtype=np.int64)
        n_images: dict[str, Counter[int]] = {folder: Counter() for folder in (*FOLDERS.values(), *folders.values())}
        n_background = 0
        for scene in scenes:
            assert scene.segmentation is not None
            folder = folders[scene.split]
            n_background += int((scene.segmentation == 0).sum())
            ids = np.where(scene.segmentation == IGNORE, 0, scene.segmentation).astype(np.uint8)
            (out / "images" / folder / f"{scene.key}.{scenes.suffix}").write_bytes(scene.picture)
            (out / "annotations" / folder / f"{scene.key}.png").write_bytes(png_of(ids))
            counts = np.bincount(ids.ravel(), minlength=256)
            pixels += counts
            n_images[folder].update(np.flatnonzero(counts).tolist())
            tick(1)
        total = max(int(pixels[1:].sum()), 1)
        rows = [["Idx", "Ratio", "Train", "Val", "Name"]]
        for i, name in enumerate(names, start=1):
            counted = [str(n_images[folder][i]) for folder in FOLDERS.values()]
            rows.append([str(i), f"{pixels[i] / total:.4f}", *counted, printable(name)])
        text = "".join("\t".join(row) + "\n" for row in rows)
        (out / f"objectInfo{len(names)}.txt").write_text(text, encoding="utf-8")
        notes = ["background is 0, as unknown pixels are, and trainings leave it out"] if n_background else []
        if scenes.suffix != "jpg":
            notes.append(f"images are .{scenes.suffix} files, where readers of ADE20K look for .jpg")
        return notes
