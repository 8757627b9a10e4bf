"""Masks on disk: where those of a split are, which belongs to which image, and the numbers in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.images.decoding import decode, decode_mask
from synthgen.readers.images.opening import is_lossy, opened
from synthgen.readers.images.pixel_range import PixelRange
from synthgen.readers.masks.types import MaskData, Split
from synthgen.readers.problems import Problems, read_bytes
from synthgen.readers.text_table import load_lines

ENDING = re.compile(r"[_-](masks?|seg|segmentation|labels?|gt)$", re.IGNORECASE)
"""What masks have at the end of their names, beside images of the same names without it."""

IMAGE_ENDING = re.compile(r"_(leftImg8bit|image|img|rgb|sat)$", re.IGNORECASE)
"""What images have at the end of their names, beside masks of the same names with another ending."""

TRAINING = re.compile(r"train(ing)?", re.IGNORECASE)
BACKGROUND, UNKNOWN = "background", "unknown"
N_COLOURS = 20

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of one split are. `split` is None where folders or lists have divided the data.

    `ending` is what the masks have at the end of their names, if a setting says so; `listed` the names of the images,
    if a list chooses them.
    """

    images: Path
    labels: Path
    split: Split | None
    ending: str = ""
    listed: frozenset[str] | None = None


def places(data: MaskData, split: Split) -> Places:
    """The folders of images, and of masks or boxes: <split>/images, images/<split>, or images for all splits.

    If the folder of images is called after the training split, those of other splits have its word instead: test/ and
    testannot/ beside train/ and trainannot/. VOC's ImageSets/Segmentation lists the images of a split.

    Raises:
        DataError: there is no such folder.
    """
    root, labels, ending = local_path(data.path), data.boxes or data.masks, data.mask_ending or ""
    if not root.is_dir():
        raise DataError(f"{data.path}: no such folder; it must hold {data.images}/ and {labels}")
    images, masks = root / data.images, root / labels
    if (around := listing.split_folder(root, split)) and (around / data.images).is_dir():
        own = around / labels
        return Places(around / data.images, own if own.exists() else masks, None, ending)
    if inside := listing.split_folder(images, split):
        return Places(inside, listing.split_folder(masks, split) or masks, None, ending)
    for word in listing.SPLIT_WORDS[split] if split != "train" else ():
        renamed = root / in_split(data.images, word)
        if renamed != images and renamed.is_dir():
            return Places(renamed, root / in_split(labels, word), None, ending)
    found = Places(images, masks, split, ending)
    names = None if data.boxes else _listed(found)
    return replace(found, split=None, listed=names) if names is not None else found


def in_split(folder: str, word: str) -> str:
    """A folder's name with the word of another split in place of `train`; the same if it has no such word."""

    def renamed(found: re.Match[str]) -> str:
        return word.upper() if found[0].isupper() else word.capitalize() if found[0][0].isupper() else word

    return TRAINING.sub(renamed, folder)


def check_divided(data: MaskData, found: Places) -> None:
    """Raises DataError if all images are to be those for training, and folders among them are of other splits."""
    whole = found.split == "train" and not data.table and found.images.is_dir() and not found.labels.is_file()
    folders = listing.folders(found.images) if whole else []
    others = [path for path in folders if listing.split_of(path.name)]
    if others:
        raise DataError(
            f"{others[0]}: is called after a split, and no folder beside it after `train`, so it is open what to train "
            f"on; put the training images into {found.images / 'train'}, and their masks or labels into "
            f"{found.labels / 'train'}"
        )


def _listed(found: Places) -> frozenset[str] | None:
    """The names that VOC's lists have for the split; None if there is no such list."""
    path = found.labels.parent / "ImageSets" / "Segmentation" / f"{found.split}.txt"
    if not path.is_file():
        return None
    return frozenset(words[0] for line in load_lines(path) if (words := line.split()))


def named(folder: Path) -> dict[str, Path]:
    """The images of a folder and its subfolders by their path below it, without ending.

    Raises:
        DataError: there is no such folder, or two images differ in their endings only.
    """
    return _by_name(folder, listing.pictures(folder))


def pairs(found: Places, problems: Problems) -> list[tuple[str, Path, Path | None]]:
    """The images of a split, sorted, with their names below the folder and their masks: None where there is none.

    A mask has its image's name, or that with an ending such as _mask; both lie in like subfolders.

    Raises:
        DataError: there is no such folder, or two files of one name, so that it is open which is meant.
    """
    pictures = named(found.images)
    masks = {name: path for name, path in named(found.labels).items() if name.endswith(found.ending)}
    if found.images.resolve() == found.labels.resolve():
        masks = {name: path for name, path in masks.items() if _stem(name, found) in pictures.keys() - {name}}
        pictures = {name: path for name, path in pictures.items() if name not in masks}
    if found.listed is not None:
        pictures = {name: path for name, path in pictures.items() if name in found.listed}
    stems = {IMAGE_ENDING.sub("", name): name for name in pictures} | {name: name for name in pictures}
    fitting: dict[str, Path] = {}
    for name, path in masks.items():
        key = name if name in pictures else stems.get(_stem(name, found), "")
        other = fitting.setdefault(key, path) if key else path
        if other != path:
            problems.add(f"{other} and {path.name}: both are masks of `{key}`; keep one of them")
    return [(name, path, fitting.get(name)) for name, path in pictures.items()]


def _stem(name: str, found: Places) -> str:
    """A mask's name without the ending that masks have."""
    if found.ending:
        return name.removesuffix(found.ending)
    apart = found.images.resolve() != found.labels.resolve()
    return ENDING.sub("", name.removesuffix("_L") if apart else name)  # CamVid's; beside images, it may mean left


def mask_paths(found: Places) -> list[Path]:
    """The masks of a split, sorted."""
    if found.images.resolve() == found.labels.resolve():
        return [mask for _, _, mask in pairs(found, Problems()) if mask is not None]
    return [path for path in listing.pictures(found.labels) if path.stem.endswith(found.ending)]


def picture_paths(found: Places) -> list[Path]:
    """The images of a split without the masks among them, sorted."""
    if found.images.resolve() == found.labels.resolve():
        return [path for _, path, _ in pairs(found, Problems())]
    return listing.pictures(found.images)


def is_partly(data: MaskData, found: Places) -> bool:
    """Whether some images beside the masks have none, as `unlabelled` says that names their own folder."""
    return data.unlabelled is not None and local_path(data.unlabelled).resolve() == found.images.resolve()


def _by_name(folder: Path, files: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    problems = Problems()
    for path in files:
        name = path.relative_to(folder).with_suffix("").as_posix()
        other = found.setdefault(name, path)
        if other != path:
            problems.add(f"{other} and {path.name}: have the same name but for the ending; keep one of them")
    problems.check()
    return found


def check_formats(paths: Sequence[Path], coloured: bool) -> None:
    """Raises DataError if masks are lossy, or have colours without a table of `coloured` ones, all of them in one."""
    lossy = [path for path in paths if _is_lossy(path)]
    if lossy:
        raise DataError(
            f"{_first_of(lossy)} saved as JPEG or another lossy format, which changes the numbers at every outline; "
            "save masks as PNG"
        )
    if coloured:
        return
    strange = {path: colour for path in paths if (colour := coloured_pixels(path)) is not None}
    if strange:
        pixels = np.concatenate([np.unique(colour.reshape(-1, 3), axis=0) for colour in strange.values()])
        raise DataError(
            f"{_first_of(list(strange))} in colours ({_shown(pixels)}). If colours are classes, list them in a file "
            f"colours.csv in the folder above, with the header `r,g,b,name` (`{BACKGROUND}` and `{UNKNOWN}` are no "
            "objects), and give `colours: colours.csv` in `data`, which `synthgen init` does; else save masks with one "
            "number for each pixel"
        )


def _first_of(paths: Sequence[Path]) -> str:
    return f"{paths[0]} is a mask" if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more are masks"


def _is_lossy(path: Path) -> bool:
    try:
        return is_lossy(path)
    except DataError:  # which the reader of the mask says
        return False


def coloured_pixels(path: Path) -> np.ndarray | None:
    """The pixels (H, W, 3) of a mask whose channels differ; None for others, and for what the reader refuses."""
    with Problems(skip_broken=True).picture(str(path)):
        found = opened(path, str(path)).image
        if found.mode == "RGB":
            colour = np.asarray(found)
            return None if (colour == colour[..., :1]).all() else colour
    return None


def numbers(path: Path, colours: Mapping[Colour, int] | None) -> tuple[str, np.ndarray]:
    """Pillow's mode of a mask file, and its numbers (H, W): grey values, indices of a palette, or ids of colours.

    Raises:
        DataError: names the file: it is no image, or holds something else.
    """
    raw, name = read_bytes(path), str(path)
    if colours is not None:
        return "RGB", _class_ids(decode(raw, name, 3), colours, name)
    mode = opened(raw, name).image.mode
    if mode != "RGB":
        return mode, decode_mask(raw, name)
    return "L", decode(raw, name, 3)[..., 0].astype(np.int64)  # grey in three equal channels: see `check_formats`


def picture(path: Path, pixels: PixelRange) -> np.ndarray:
    """An image as uint8 (H, W, 3)."""
    return decode(path, str(path), 3, pixels)


def scaled(image: np.ndarray, scale: float) -> np.ndarray:
    """An image resized by a factor."""
    from PIL import Image

    if scale == 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def _class_ids(colour: np.ndarray, colours: Mapping[Colour, int], name: str) -> np.ndarray:
    flat = colour.astype(np.int64) @ np.array([65536, 256, 1])
    known = {(r << 16) + (g << 8) + b: number for (r, g, b), number in colours.items()}
    values, places = np.unique(flat, return_inverse=True)
    strange = colour.reshape(-1, 3)[~np.isin(flat.ravel(), list(known))]
    if len(strange):
        raise DataError(f"{name}: has colours that the table of colours does not list: {_shown(strange)}")
    ids: np.ndarray = np.array([known[int(value)] for value in values], dtype=np.int64)[places.reshape(flat.shape)]
    return ids


def _shown(colour: np.ndarray) -> str:
    """The colours of pixels (..., 3), the most frequent ones first."""
    found, counts = np.unique(colour.reshape(-1, 3), axis=0, return_counts=True)
    most = found[np.argsort(-counts, kind="stable")][:N_COLOURS].tolist()
    more = f" and {len(found) - N_COLOURS} more" if len(found) > N_COLOURS else ""
    return " ".join(f"{r},{g},{b}" for r, g, b in most) + more
