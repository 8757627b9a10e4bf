"""Images with captions: text files beside them, a table of Hugging Face's imagefolder, or one folder per class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from pydantic import Field

from synthgen.base.cache import with_addresses
from synthgen.base.fetched import local_path
from synthgen.base.settings import Settings
from synthgen.base.units import plural
from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.images import class_folders
from synthgen.readers.images.decoding import decode, resize
from synthgen.readers.images.pixel_range import RangeSetting, folder_range
from synthgen.readers.problems import NAMED, Problems, SkipBroken
from synthgen.readers.text_table import load_table, load_text

TABLES = ("metadata.jsonl", "metadata.csv")
LABEL = "{label}"
ACCEPTED = (
    "a .txt file beside each image, in subfolders too, metadata.jsonl or metadata.csv with `file_name` and `text`, one "
    "folder a class with `caption: a photo of a {label}`, or one `caption` for all images"
)


class CaptionData(Settings):
    """Where images with captions come from."""

    path: str = Field(description=f"A folder of images (or with train/ in it), with {ACCEPTED}.")
    caption: str | None = Field(
        default=None,
        min_length=1,
        description="The caption of every image, where the folder has none; {label} stands for its subfolder's name.",
    )
    column: str = Field(default="text", description="The table's column that holds the captions.")
    range: RangeSetting = "auto"
    skip_broken: SkipBroken = False
    licence: str = Field(default="unknown", description="Licence of the images, for the model card.")
    source: str = Field(default="", description="Where the images come from, for the model card.")

    def notes(self) -> list[str]:
        """What users should know, before anything is trained, of how the images will be read.

        Raises:
            DataError: the range of their values is not known.
        """
        place = _place(self)
        note = folder_range(listing.pictures(place), self.range, self.path).note if place.is_dir() else ""
        return [note] if note else []


@dataclass(frozen=True, slots=True)
class CaptionedImages:
    """Square RGB images uint8 (N, S, S, 3) with their captions and files.

    `cuts` int64 (N, 4) says of each how it was cut: height and width of the original in pixels, and
    the top left corner of the square in pixels of the original scaled to S. `notes` say how they were read.
    """

    images: np.ndarray
    captions: tuple[str, ...]
    files: tuple[str, ...]
    cuts: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.captions)


def read(data: CaptionData, resolution: int) -> CaptionedImages:
    """Reads every image, cut to its central square and scaled to `resolution`. Names every problem, up to twenty.

    Raises:
        DataError: there are no images, some have no caption, or cannot be read.
    """
    root, place = local_path(data.path), _place(data)
    if not root.is_dir():
        raise DataError(f"{data.path}: no such folder; images with captions are needed: {ACCEPTED}")
    pairs, wrong = _captions(data, place)
    found = listing.files(place)
    rest = sorted(set(filter(listing.is_picture, found)) - {path for path, _ in pairs}) if not wrong else []
    problems = Problems(data.skip_broken)
    for problem in wrong:
        problems.add(problem)
    pixels = folder_range([path for path, _ in pairs], data.range, data.path)
    images, cuts, captions, files = [], [], [], []
    for path, caption in pairs:
        file = path.relative_to(root).as_posix()
        with problems.picture(file):
            picture = decode(path, str(path), 3, pixels)
            images.append(resize(picture, resolution))
            cuts.append(_cut(picture.shape[0], picture.shape[1], resolution))
            captions.append(caption)
            files.append(file)
    problems.check()
    if pairs and not images:
        raise DataError(f"{place}: none of its {len(pairs)} images can be read")
    if not images:
        raise DataError(f"{place}: has no images ({listing.ENDINGS}); accepted are {ACCEPTED}")
    said = (pixels.note, problems.note, _without(rest, root, place), listing.unread(found))
    notes = tuple(text for text in said if text)
    return CaptionedImages(np.stack(images), tuple(captions), tuple(files), np.array(cuts, dtype=np.int64), notes)


def _place(data: CaptionData) -> Path:
    root = local_path(data.path)
    return listing.split_folder(root, "train") or root


def _without(files: Sequence[Path], root: Path, place: Path) -> str:
    """Which images no caption is for, in words; empty if there are none."""
    if not files:
        return ""
    names = ", ".join(path.relative_to(root).as_posix() for path in files[:NAMED])
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return with_addresses(f"{plural(len(files), 'image')} of {place} without a caption left out: {names}{more}")


def _cut(height: int, width: int, side: int) -> tuple[int, int, int, int]:
    short = min(height, width)
    top, left = (round((n - short) // 2 * side / short) for n in (height, width))
    return height, width, top, left


def _captions(data: CaptionData, place: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    """Images with their captions, sorted by name, and what is wrong with others."""
    table = next((place / name for name in TABLES if (place / name).is_file()), None)
    here = listing.pictures(place, nested=False)
    below = [path for path in listing.pictures(place) if not _is_of_a_split(path, place)]
    own = [path for path in below if path.with_suffix(".txt").is_file()]
    if data.caption is not None and (table or own):
        raise DataError(
            f"{table or own[0].with_suffix('.txt')}: the images have captions of their own; leave `caption` out, or "
            "move that file away"
        )
    if table is not None:
        return _from_table(data, table), []
    if data.caption is not None and not here:
        if LABEL not in data.caption:
            raise DataError(
                f"{place}: has one folder a class; `caption` must say {LABEL}, such as a photo of a {LABEL}"
            )
        classes = listing.folders(place)
        class_folders.check(classes, place, local_path(data.path))
        groups = {folder: listing.pictures(folder) for folder in classes}
        pairs = [
            (path, data.caption.replace(LABEL, folder.name.replace("_", " ")))
            for folder, paths in groups.items()
            for path in paths
        ]
        return pairs, [f"{folder}: has no images" for folder, paths in groups.items() if not paths]
    if data.caption is not None:
        if LABEL in data.caption:
            raise DataError(f"{here[0]}: lies in no folder of a class, so {LABEL} in `caption` means nothing for it")
        return [(path, data.caption) for path in here], []
    if not here and not own and listing.folders(place):
        raise DataError(f"{place}: has folders and no captions; set `caption`, such as a photo of a {LABEL}")
    captioned = {path.parent for path in own} or {place}
    texts = {path: _text(path.with_suffix(".txt")) for path in below if path.parent in captioned}
    problems = [f"{path}: has no caption; accepted are {ACCEPTED}" for path, text in texts.items() if not text]
    return [(path, text) for path, text in texts.items() if text], problems


def _is_of_a_split(path: Path, place: Path) -> bool:
    """Whether an image is in a folder that is called after a split, beside what is for training."""
    first = path.relative_to(place).parts[0]
    return path.parent != place and listing.split_of(first) is not None


def _text(path: Path) -> str:
    """The file's text on one line, empty if there is none. Raises DataError if it is no text in UTF-8."""
    return " ".join(load_text(path).split()) if path.is_file() else ""


def _from_table(data: CaptionData, path: Path) -> list[tuple[Path, str]]:
    """Images with their captions, by the rows of a table; raises DataError with all rows that are wrong."""
    table = load_table(path)
    table.require("file_name", data.column)
    problems = Problems()
    names, texts = table.names("file_name", problems), table.texts(data.column, problems)
    wrong = []
    for row, name in enumerate(names):
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            wrong.append(f"{table.where(row)}: file_name: {name} is outside of {path.parent}")
        elif name and not os.path.isfile(path.parent / name):  # noqa: PTH113  (False for a name that cannot be one)
            wrong.append(f"{table.where(row)}: file_name: {name} is not there")
    problems.add_lines(wrong)
    problems.check()
    return sorted((path.parent / name, " ".join(text.split())) for name, text in zip(names, texts, strict=True))
