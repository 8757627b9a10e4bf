"""Which folders of people's data hold images, and which the masks of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.masks import files
from synthgen.readers.masks.types import MaskData
from synthgen.readers.problems import Problems

FOR_MASKS = re.compile(r"mask|annot|label|seg|gt|truth", re.IGNORECASE)
"""Names of folders that hold masks."""

OF_IMAGES = re.compile(r"(jpeg|png)?_?(images?|imgs?|pictures|photos|train(ing)?)", re.IGNORECASE)
"""Names of folders that hold images of any class, of which a few may have masks."""

CITYSCAPES = ("leftImg8bit", "gtFine")
TRAIN_IDS, COLOURS, IDS = "_gtFine_labelTrainIds", "_gtFine_color", "_gtFine_labelIds"
"""What the maps of Cityscapes are called, the most useful ones first: classes alone, their colours, all 34 ids."""


def find(folder: str | Path) -> dict[str, Any] | None:
    """The settings `images`, `masks` and `mask_ending` for the images and masks of a folder, None if it has no masks.

    Masks are in masks/ beside images/, in another folder with the images' names (trainannot/ beside train/,
    SegmentationClass/ beside JPEGImages/, annotations/ beside images/), or beside their images with _mask, _seg or
    _label at the end; or they are Cityscapes', in gtFine/ beside leftImg8bit/.
    """
    root = Path(folder)
    training = listing.split_folder(root, "train")
    places = [root, training] if training else [root]
    if any((place / "images").is_dir() and (place / "masks").is_dir() for place in places):
        return {}
    if all((root / name).is_dir() for name in CITYSCAPES):
        return _cityscapes(root)
    for place in places:
        subfolders = sorted(listing.class_folders(place), key=lambda path: files.TRAINING.search(path.name) is None)
        for images, masks in product(subfolders, subfolders):
            if images != masks and _for_masks(masks, images) and _belong_together(root, images.name, masks.name):
                return {"images": images.name, "masks": masks.name}
        for name in ("images", "."):
            if (place / name).is_dir() and _belong_together(root, name, name):
                return {"images": name, "masks": name}
    return None


def without_masks(folder: str | Path, settings: Mapping[str, Any]) -> tuple[Path, int] | None:
    """Where images without masks are and how many: in a folder `unlabelled`, or among those that have some.

    None if there are none, or if there are masks that fit no image: then names are wrong, and the reader says which.
    """
    root = Path(folder)
    named = listing.unlabelled_folder(root)
    if named is not None and (n := len(listing.pictures(named))):
        return named, n
    data = MaskData(path=str(root), **settings)
    found = files.places(data, "train")
    pairs = files.pairs(found, Problems())
    n, n_masks = sum(mask is None for _, _, mask in pairs), len(files.mask_paths(found))
    fits = 0 < n < len(pairs) and n_masks == len(pairs) - n and found.listed is None
    return (found.images, n) if fits else None


def _cityscapes(root: Path) -> dict[str, Any] | None:
    images, masks = CITYSCAPES
    names = [path.stem for path in listing.pictures(root / masks)]
    for ending in (TRAIN_IDS, COLOURS, IDS):
        if any(name.endswith(ending) for name in names):
            return {"images": images, "masks": masks, "mask_ending": ending}
    return None


def _for_masks(masks: Path, images: Path) -> bool:
    """Whether a folder may hold the masks of another by their names: those of two splits may be alike in all else."""
    both = FOR_MASKS.search(images.name) is not None
    return FOR_MASKS.search(masks.name) is not None and not (both and files.TRAINING.search(masks.name))


def _belong_together(root: Path, images: str, masks: str) -> bool:
    """Whether most images have a mask: a folder of images without any would be one of classes.

    A few are enough where all masks fit an image, and lie beside the images or these are in a folder that says so.
    """
    try:
        found = files.places(MaskData(path=str(root), images=images, masks=masks), "train")
        pairs = files.pairs(found, Problems())
    except DataError:
        return False
    n = sum(mask is not None for _, _, mask in pairs)
    may_be_few = images == masks or OF_IMAGES.fullmatch(images) is not None
    return 2 * n > len(pairs) or (may_be_few and 0 < n == len(files.mask_paths(found)))
