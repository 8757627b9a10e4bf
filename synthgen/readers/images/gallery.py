"""A folder of images, listed and hashed at once and read one by one: by class, or all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.parts.protocols import Source
from synthgen.readers import listing
from synthgen.readers.images import class_folders, folder
from synthgen.readers.images.decoding import fit
from synthgen.readers.images.folder import Pictures
from synthgen.readers.images.pixel_range import Wanted

PHOTOS = "sklearn:photos"


@dataclass(frozen=True, slots=True)
class Gallery:
    """Images of a folder in the order of their names; `labels` are places in `classes`, all 0 if there is one.

    `notes` say in sentences which folders were left out, or hold no class.
    """

    pictures: Pictures
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def picture(self, i: int, height: int, width: int) -> np.ndarray:
        """Image `i` as uint8 RGB (height, width, 3): scaled until it covers them, and cut in the middle.

        Raises:
            DataError: names the file: it cannot be read, or is no image.
        """
        return fit(self.pictures.picture(i, 3), height, width)

    def source(self, licence: str, name: str = "") -> Source:
        """What samples owe the images, as `Pictures.source` has it, with the notes on folders."""
        found = self.pictures.source(licence, name)
        notes = [*self.notes, *found.details.get("notes", ())]
        return replace(found, details={**found.details, **({"notes": notes} if notes else {})})


def listed(path: str, wanted: Wanted = "auto", skip_broken: bool = False) -> Gallery:
    """The images of a folder, or of its split `train`, if it has one.

    If it holds subfolders with images and no images of its own, they are the classes, but for one of images without
    labels. Images of its own and those of its subfolders are of one class.

    Raises:
        DataError: no such folder, none with images, it is open which are for training, or none of a class can be read.
    """
    root = _photos() if path == PHOTOS else local_path(path)
    if not root.is_dir():
        raise DataError(f"{path}: no such folder; it must hold images, or a folder of images a class")
    place, left = _parts(root)
    if listing.pictures(place, nested=False):
        own = [file for file in listing.pictures(place) if not any(file.is_relative_to(folder) for folder in left)]
        found, notes = folder.usable(root, own, wanted, skip_broken), _notes(root, place, left)
        if any(file.parent != place for file in own):
            notes += ("images that lie in no subfolder, and those of subfolders, are of one class",)
        return Gallery(found, (0,) * len(found.files), (root.resolve().name,), notes)
    kinds = listing.class_folders(place)
    class_folders.check(kinds, place, root)
    if unlabelled := listing.unlabelled_folder(place):
        left = [*left, unlabelled]
    groups = {kind.name: listing.pictures(kind) for kind in kinds}
    files = [file for group in groups.values() for file in group]
    if not files:
        others = f" but those of {left[0]}; name that folder" if left else ", nor folders of images"
        raise DataError(f"{place}: holds no images ({listing.ENDINGS}){others}")
    found = folder.usable(root, files, wanted, skip_broken)
    classes = tuple(name for name, group in groups.items() if group)
    labels = tuple(classes.index(file.relative_to(place).parts[0]) for file in found.files)
    for label, name in enumerate(classes):
        if label not in labels:
            raise DataError(f"{place / name}: none of its images can be read; mend them, or move the folder away")
    return Gallery(found, labels, classes, _notes(root, place, left))


def _parts(root: Path) -> tuple[Path, list[Path]]:
    """The folder whose images are read, that of the split `train` if there is one, and folders that are left out."""
    splits = class_folders.split_places(root)
    place = splits.pop("train", root)
    return place, [*splits.values()]


def _notes(root: Path, place: Path, left: Sequence[Path]) -> tuple[str, ...]:
    """Which folders are read and left out, as sentences for users; none if all are read."""
    own = (f"images are those of the folder {place.name}",) if place != root else ()
    names = ", ".join(folder.relative_to(root).as_posix() for folder in left)
    return (*own, f"images of the folder {names} are left out") if names else own


def _photos() -> Path:
    """The folder of scikit-learn's two sample photos, 640 x 427: a Chinese palace and a flower."""
    import sklearn.datasets

    return Path(sklearn.datasets.__file__).parent / "images"
