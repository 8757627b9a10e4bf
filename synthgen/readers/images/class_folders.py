"""Folders of images by class: which of them hold a split, and which a class."""

from __future__ import annotations

from pathlib import Path

from synthgen.errors import DataError
from synthgen.readers import listing


def split_places(root: Path) -> dict[str, Path]:
    """The folders of splits, by `train`, `val` and `test`; the one of `val` only beside `train`.

    Raises:
        DataError: two are called after one split.
    """
    found = {split: path for split in listing.SPLIT_WORDS if (path := listing.split_folder(root, split))}
    return found if "train" in found else {split: path for split, path in found.items() if split == "test"}


def class_folders(place: Path, root: Path) -> list[Path]:
    """The folders of the classes in `place`, which is the one of a split, or `root` itself without splits.

    Raises:
        DataError: there are none, or they hold splits or all the classes.
    """
    found = listing.class_folders(place)
    if not found:
        raise DataError(
            f"{place}: has no subfolders. Put the images of each class into a folder that bears its name, "
            f"such as {place}/cat/1.png"
        )
    check(found, place, root)
    return found


def check(found: list[Path], place: Path, root: Path) -> None:
    """Raises DataError if one of the folders of classes is one of a split, or holds what is below `place` elsewhere."""
    words = [path.name for path in found if listing.split_of(path.name)] if place == root else []
    if words:
        raise DataError(
            f"{place}: {_folders(words)} called after a split, and none after `train`, so it is open what to train on. "
            f"Call that folder {place / 'train'}; if they are classes, put the folders of all classes into it"
        )
    for path in filter(_holds_folders_only, found):
        inside = [folder.name for folder in listing.folders(path)]
        splits = [name for name in inside if listing.split_of(name)]
        if splits or len(found) == 1:
            raise DataError(
                f"{path}: is no class: it has no images, but the folders {', '.join(inside[:5])}"
                f"{' ...' if len(inside) > 5 else ''}. Name {path} as the folder of the images, or put the images of "
                f"the class directly into it; folders of splits belong above those of classes: {place}/train/cat/1.png"
            )


def note(found: list[Path]) -> str:
    """What to say where each of several classes has the same subfolders and no images, as folds have; else empty."""
    inside = {tuple(path.name for path in listing.folders(folder)) for folder in found}
    if len(found) < 2 or len(inside) > 1 or not all(map(_holds_folders_only, found)):
        return ""
    names, folders = (", ".join(names[:3]) for names in ([path.name for path in found], inside.pop()))
    return f"the classes are {names}, each of which has the folders {folders}; those are no classes"


def _holds_folders_only(path: Path) -> bool:
    return bool(listing.folders(path)) and not listing.pictures(path, nested=False)


def _folders(names: list[str]) -> str:
    return f"the folder{'s' if len(names) > 1 else ''} {' and '.join(names)} {'are' if len(names) > 1 else 'is'}"
