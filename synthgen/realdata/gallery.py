"""A folder of pictures, listed and hashed at once and read one by one: by class, or all together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthgen.errors import DataError
from synthgen.realdata import folder, listing
from synthgen.realdata.pictures import decode, fit

PHOTOS = "sklearn:photos"


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures of a folder in the order of their names; `labels` are places in `classes`, all 0 if there is one."""

    root: Path
    files: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]

    def name(self, i: int) -> str:
        return self.files[i].relative_to(self.root).as_posix()

    def picture(self, i: int, height: int, width: int) -> np.ndarray:
        """Picture `i` as uint8 RGB (height, width, 3): scaled until it covers them, and cut in the middle.

        Raises:
            DataError: names the file: it cannot be read, or is no picture.
        """
        return fit(decode(self.files[i], str(self.files[i]), 3), height, width)

    def sha256(self) -> str:
        """sha256 over the names and bytes of all pictures."""
        return folder.sha256(self.root, self.files)


def listed(path: str) -> Gallery:
    """The pictures of a folder. If it holds subfolders with pictures and no pictures of its own, they are the classes.

    Raises:
        DataError: no such folder, or none with pictures.
    """
    root = _photos() if path == PHOTOS else Path(path)
    if not root.is_dir():
        raise DataError(f"{path}: no such folder; it must hold pictures, or a folder of pictures a class")
    own = listing.pictures(root, nested=False)
    if own:
        return Gallery(root, tuple(own), (0,) * len(own), (root.resolve().name,))
    groups = {place.name: listing.pictures(place) for place in listing.folders(root)}
    groups = {name: files for name, files in groups.items() if files}
    if not groups:
        raise DataError(f"{path}: holds no pictures ({listing.ENDINGS}), nor folders of pictures")
    files = [(file, label) for label, name in enumerate(groups) for file in groups[name]]
    return Gallery(root, tuple(file for file, _ in files), tuple(label for _, label in files), tuple(groups))


def _photos() -> Path:
    """The folder of scikit-learn's two sample photos, 640 x 427: a Chinese palace and a flower."""
    import sklearn.datasets

    return Path(sklearn.datasets.__file__).parent / "images"
