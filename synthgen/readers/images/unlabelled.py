"""Images without labels, beside labelled ones: `data.unlabelled` of a section of labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthgen.base.fetched import local_path
from synthgen.base.units import plural
from synthgen.errors import DataError
from synthgen.readers import listing, validation
from synthgen.readers.images import labelled
from synthgen.readers.images.labelled import DIGITS, DataConfig, LabelledImages
from synthgen.readers.images.labelled_table import rows_of_split
from synthgen.readers.images.pixel_range import PixelRange, folder_range, range_of
from synthgen.readers.images.squares import Squares, contents_of
from synthgen.readers.problems import Problems, left_out
from synthgen.readers.text_table import load_parquet


@dataclass(frozen=True, slots=True)
class UnlabelledImages:
    """Images uint8 (N, side, side, C); `notes` say what users should know of how they were read."""

    images: np.ndarray
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.images)

    def split(self, share: float, seed: int) -> tuple[UnlabelledImages, UnlabelledImages]:
        """(rest, held out), at least one image each.

        Raises:
            DataError: there is one image only.
        """
        rest, held, said = validation.without_labels(len(self), share, seed, "labels")
        return UnlabelledImages(self.images[rest], (*self.notes, said)), UnlabelledImages(self.images[held])


def read(data: DataConfig, beside: LabelledImages) -> UnlabelledImages:
    """The images that `data.unlabelled` names, in the size, with the channels and the range of the labelled ones.

    Of a folder with folders of splits, a table with a column of them, or idx files, the training images are read.
    Images that are among the labelled ones, or in other splits of these, are left out: what is held out must stay
    unseen.

    Raises:
        DataError: there are none, or some cannot be read.
    """
    assert data.unlabelled is not None
    images, notes = _all(data.unlabelled, data, beside)
    held_out = labelled.held_out(data, *beside.images.shape[2:])
    known = {image.tobytes() for image in (*beside.images, *held_out)}
    new = np.array([image.tobytes() not in known for image in images])
    if not new.any():
        raise DataError(
            f"data.unlabelled: {data.unlabelled}: all of its images are among the labelled ones; name a folder with "
            "others, or leave it out"
        )
    if n := int((~new).sum()):
        where = "among the labelled ones or in a split of theirs that is held out" if len(held_out) else "labelled"
        notes = [*notes, f"{n:,} of {plural(len(new), 'unlabelled image')} are {where}, and left out"]
    return UnlabelledImages(images[new], tuple(notes))


def _all(path: str, data: DataConfig, beside: LabelledImages) -> tuple[np.ndarray, list[str]]:
    place, problems = local_path(path), Problems(data.skip_broken)
    side, channels = beside.images.shape[2:]
    wanted = beside.pixels.bounds or data.range
    if path == DIGITS or (place.is_dir() and labelled.is_idx(place)):
        return labelled.read(path, "train", None, side, channels).images, []
    if place.is_file() and place.suffix == ".parquet":
        table = load_parquet(place)
        if "image" not in table.column_names:
            raise DataError(f"{path}: needs the column `image`, has {', '.join(table.column_names)}")
        contents, chosen = contents_of(table["image"]), np.flatnonzero(rows_of_split(place, table, "train")).tolist()
        pixels, names = range_of(contents, wanted, path), [f"row {row}" for row in chosen]
        return _read(place, [contents[row] for row in chosen], names, pixels, side, channels, problems)
    if not place.is_dir():
        raise DataError(
            f"data.unlabelled: {path}: no such folder; a folder of images, idx files, a .parquet file or {DIGITS} is "
            "accepted"
        )
    training = listing.split_folder(place, "train")
    files = listing.pictures(training or place)
    if not files:
        raise DataError(
            f"data.unlabelled: {training or path}: has no images ({listing.ENDINGS}), in subfolders neither"
        )
    pixels, names = folder_range(files, wanted, path), [str(file) for file in files]
    images, notes = _read(place, files, names, pixels, side, channels, problems)
    said = [f"unlabelled images are those of {training}"] if training else []
    return images, [*notes, *said, *filter(None, [listing.unread(listing.files(training or place))])]


def _read(
    place: Path,
    contents: Sequence[bytes | Path],
    names: Sequence[str],
    pixels: PixelRange,
    side: int,
    channels: int,
    problems: Problems,
) -> tuple[np.ndarray, list[str]]:
    images = Squares(side, channels, pixels, problems)
    for content, name in zip(contents, names, strict=True):
        images.add(content, name if isinstance(content, Path) else f"{place}: {name}", name)
    stacked = images.stacked(place)
    return stacked, [text for text in (pixels.note, left_out(problems.left_out)) if text]
