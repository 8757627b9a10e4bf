"""A folder of images, listed and hashed at once and read one by one: by class, or all together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.images import folder
from synthgen.readers.images.decoding import fit
from synthgen.readers.images.folder import Pictures
from synthgen.readers.images.pixel_range import Wanted

PHOTOS = "sklearn:photos"


@dataclass(frozen=True, slots=True)
class Gallery:
    """Images of a folder in the order of their names; `labels` are places in `classes`, all 0 if there is one."""

    pictures: Pictures
    labels: tuple[int, ...]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def picture(self, i: int, height: int, width: int) -> np.ndarray:
        """Image `i` as uint8 RGB (height, width, 3): scaled until it covers them, and cut in the middle.

        Raises:
            DataError: names the file: it cannot be read, or is no image.
        """
        return fit(self.pictures.picture(i, 3), height, width)


def listed(path: str, wanted: Wanted = "auto", skip_broken: bool = False) -> Gallery:
    """The images of a folder. If it holds subfolders with images and no images of its own, they are the classes.

    Raises:
        DataError: no such folder, none with images, or none of a class can be read.
    """
    root = _photos() if path == PHOTOS else local_path(path)
    if not root.is_dir():
        raise DataError(f"{path}: no such folder; it must hold images, or a folder of images a class")
    own = listing.pictures(root, nested=False)
    if own:
        found = folder.usable(root, own, wanted, skip_broken)
        return Gallery(found, (0,) * len(found.files), (root.resolve().name,))
    groups = {place.name: listing.pictures(place) for place in listing.folders(root)}
    files = [file for group in groups.values() for file in group]
    if not files:
        raise DataError(f"{path}: holds no images ({listing.ENDINGS}), nor folders of images")
    found = folder.usable(root, files, wanted, skip_broken)
    classes = tuple(name for name, group in groups.items() if group)
    labels = tuple(classes.index(file.relative_to(root).parts[0]) for file in found.files)
    for label, name in enumerate(classes):
        if label not in labels:
            raise DataError(f"{root / name}: none of its images can be read; mend them, or move the folder away")
    return Gallery(found, labels, classes)


def _photos() -> Path:
    """The folder of scikit-learn's two sample photos, 640 x 427: a Chinese palace and a flower."""
    import sklearn.datasets

    return Path(sklearn.datasets.__file__).parent / "images"
