"""Labelled images: folders by class, idx files, Parquet, scikit-learn's digits."""

from __future__ import annotations

import contextlib
import gzip
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from synthgen.base.fetched import local_path
from synthgen.base.settings import Settings
from synthgen.errors import DataError
from synthgen.parts.registry import unknown
from synthgen.readers import listing, validation
from synthgen.readers.images import labelled_table
from synthgen.readers.images.class_folders import class_folders, split_places
from synthgen.readers.images.class_folders import note as folders_note
from synthgen.readers.images.pixel_range import PixelRange, RangeSetting, Wanted, folder_range, range_of
from synthgen.readers.images.squares import Squares, contents_of, resized
from synthgen.readers.problems import Problems, SkipBroken, left_out
from synthgen.readers.text_table import load_parquet
from synthgen.readers.validation import Validation

Split = Literal["train", "val", "test"]
DIGITS = "sklearn:digits"
FASHION = re.compile("fashion[-_]?mnist")
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


class DataConfig(Settings):
    """Where labelled images come from."""

    path: str = Field(
        description="A folder by class (or with train/ and test/ in it), a folder of idx files, a .parquet file "
        f"(with a column `split`: its training rows), or {DIGITS}."
    )
    classes: list[str] | None = Field(default=None, description="Class names in id order, where the files have none.")
    unlabelled: str | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="More images, without labels: a folder, idx files or a .parquet file. A diffusion model learns "
        "from them what images look like, and from the labelled ones what classes are; a share of them is held out "
        "for validation losses, so that no label is lost.",
    )
    validation: Validation = Field(default=0.05, description=validation.DESCRIPTION)
    range: RangeSetting = "auto"
    skip_broken: SkipBroken = False
    licence: str = Field(default="unknown", description="Licence of the data, for the model card.")
    source: str = Field(default="", description="Where the data come from, for the model card.")

    def notes(self) -> list[str]:
        """What users should know, before anything is trained, of how the images will be read.

        Raises:
            DataError: the range of their values is not known.
        """
        root = local_path(self.path)
        note = folder_range(_all_pictures(root), self.range, self.path).note if root.is_dir() else ""
        return [note] if note else []


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images uint8 (N, H, W, C) with class ids int64 (N,) and class names in id order.

    `pixels` says how images of more than 8 bits were read, `left_out` which ones could not be, `said` what else users
    should know of how they were read.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    pixels: PixelRange = field(default_factory=PixelRange)
    left_out: tuple[str, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What users should know of how the images were read."""
        return [text for text in (self.pixels.note, left_out(self.left_out), *self.said) if text]

    def take(self, rows: np.ndarray) -> LabelledImages:
        return replace(self, images=self.images[rows], labels=self.labels[rows])

    def split(self, share: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
        """(rest, held out): the same share of every class is held out, at least one image of each."""
        rng = np.random.default_rng(seed)
        held = []
        for cls in range(len(self.classes)):
            rows = rng.permutation(np.flatnonzero(self.labels == cls))
            if len(rows) < 2:
                raise DataError(f"class `{self.classes[cls]}` has {len(rows)} images; at least 2 are needed")
            held.append(rows[: max(1, round(share * len(rows)))])
        mask = np.zeros(len(self.labels), dtype=bool)
        mask[np.concatenate(held)] = True
        return self.take(np.flatnonzero(~mask)), self.take(np.flatnonzero(mask))

    def with_validation(self, held_out: LabelledImages) -> tuple[LabelledImages, LabelledImages, LabelledImages]:
        """All of these and of a validation split, these, and that split with class ids as these have them.

        Raises:
            DataError: the split has a class that these lack.
        """
        for name in held_out.classes:
            if name not in self.classes:
                raise DataError(f"the split `{validation.SPLIT}`: {unknown(name, self.classes, 'class')}")
        ids = np.array([self.classes.index(name) for name in held_out.classes], dtype=np.int64)
        said = validation.notes_on(len(held_out), self.notes, held_out.notes)[len(self.notes) :]
        found = replace(held_out, labels=ids[held_out.labels], classes=self.classes, said=said)
        images, labels = np.concatenate([self.images, found.images]), np.concatenate([self.labels, found.labels])
        return replace(self, images=images, labels=labels, said=said), replace(self, said=said), found

    def __len__(self) -> int:
        return len(self.labels)


def read(
    path: str,
    split: Split = "train",
    classes: Sequence[str] | None = None,
    resolution: int | None = None,
    channels: int | None = None,
    wanted: Wanted = "auto",
    skip_broken: bool = False,
) -> LabelledImages:
    """Reads one split of a labelled image set.

    Args:
        split: a set without folders or a column of splits has only "train"; idx files and the digits have "test", too.
        resolution: side to resize to; by default the side of the first image, which must be square.
        channels: 1 or 3; by default 1 if the first image is grey and none has colours, else 3.
        wanted: the values of images of more than 8 bits that become 0 and 255; by default of all splits together.
        skip_broken: leave images out that cannot be read.

    Raises:
        DataError: names the files, up to twenty, and what is accepted.
    """
    place = local_path(path)
    if place.is_file() and place.suffix == ".parquet":
        return _parquet(place, split, classes, resolution, channels, wanted, skip_broken)
    if split == "val" and validation_folder(place) is None:
        raise DataError(
            f"{path}: has no folder of validation images; {', '.join(listing.SPLIT_WORDS['val'])} are accepted names, "
            "beside `train`"
        )
    if path == DIGITS:
        raw, labels, names = _digits(split)
        return LabelledImages(resized(raw, resolution, channels), labels, names)
    if not place.is_dir():
        raise DataError(
            f"{path}: no such folder; a folder by class, idx files, a .parquet file or {DIGITS} is accepted"
        )
    if is_idx(place):
        raw, labels = _idx(place, split)
        names = tuple(classes or _idx_names(place, int(labels.max()) + 1))
        if int(labels.max()) >= len(names):
            raise DataError(f"{path}: has the label {labels.max()}, and only {len(names)} class names were given")
        return LabelledImages(resized(raw, resolution, channels), labels, names)
    pixels = folder_range(_all_pictures(place), wanted, path)
    places = split_places(place)
    if split == "test" and split not in places:
        raise DataError(f"{path}: has no folder `test`; name the test images on their own")
    return _folder(places.get(split, place), place, resolution, channels, pixels, skip_broken)


def is_idx(folder: Path) -> bool:
    """Whether a folder holds idx files."""
    return any("-ubyte" in file.name for file in listing.files(folder, nested=False))


def has_splits(path: str) -> bool:
    """Whether a folder or a Parquet file is divided into splits, so that one of them must be named."""
    place = local_path(path)
    if place.is_file() and place.suffix == ".parquet":
        return labelled_table.has_splits(place)
    return not place.is_dir() or is_idx(place) or not split_places(place).keys().isdisjoint(("train", "test"))


def validation_folder(root: Path) -> Path | None:
    """The folder of validation images beside `train`; None if there is none."""
    return split_places(root).get(validation.SPLIT)


def read_training(data: DataConfig, resolution: int | None = None, channels: int | None = None) -> LabelledImages:
    """The training split of data as a trainer's settings describe them; arguments and errors as of `read`."""
    return read(data.path, "train", data.classes, resolution, channels, data.range, data.skip_broken)


def held_out(data: DataConfig, resolution: int, channels: int) -> np.ndarray:
    """The images of the other splits that data have, uint8 (N, side, side, C), as far as they can be read."""
    found = [np.zeros((0, resolution, resolution, channels), np.uint8)]
    for split in ("val", "test"):
        with contextlib.suppress(DataError):
            found.append(read(data.path, split, data.classes, resolution, channels, data.range, True).images)
    return np.concatenate(found)


def divided(
    data: DataConfig, training: LabelledImages, seed: int
) -> tuple[LabelledImages, LabelledImages, LabelledImages]:
    """All images for a training, those to train on, and those that are held out, as `data.validation` has it.

    Raises:
        DataError: as `read`, or the validation split has other classes.
    """
    side, channels = training.images.shape[2:]

    def read_split() -> LabelledImages:
        return read(data.path, validation.SPLIT, data.classes, side, channels, data.range, data.skip_broken)

    return validation.divided(training, data.validation, seed, read_split)


def _digits(split: Split) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """scikit-learn's 1,797 digits of 8x8; every fifth is the test split."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., None]
    rows = np.arange(len(images)) % 5 == 4
    rows = rows if split == "test" else ~rows
    return images[rows], found.target[rows].astype(np.int64), tuple(map(str, range(10)))


def _idx(folder: Path, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """The pair of idx files of a split, as MNIST names them: train-* or t10k-*."""
    prefix = "train" if split == "train" else "t10k"
    images = _idx_file(folder, f"{prefix}-images-idx3-ubyte")
    labels = _idx_file(folder, f"{prefix}-labels-idx1-ubyte")
    if not len(labels):
        raise DataError(f"{folder}: the {split} files hold no images")
    if len(images) != len(labels):
        raise DataError(f"{folder}: {len(images)} images and {len(labels)} labels in the {split} files")
    return images[..., None] if images.ndim == 3 else images, labels.astype(np.int64)


def _idx_names(folder: Path, n: int) -> Sequence[str]:
    """Names of `n` classes that idx files do not say: Fashion-MNIST's in a folder of that name, else numbers."""
    own = FASHION.search(folder.name) and n <= len(FASHION_CLASSES)
    return FASHION_CLASSES if own or (folder.name == "fashion" and n == len(FASHION_CLASSES)) else [*map(str, range(n))]


def _idx_file(folder: Path, name: str) -> np.ndarray:
    """One idx file, gzipped or not. Source: LeCun et al., the MNIST file format."""
    path = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
    if path is None:
        raise DataError(f"{folder}: {name}(.gz) is missing")
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, n_dims = struct.unpack(">HBB", raw[:4])
        shape = struct.unpack(f">{n_dims}I", raw[4 : 4 + 4 * n_dims])
        if zero != 0 or kind != 8:
            raise ValueError("it does not start like an idx file of bytes")
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * n_dims).reshape(shape).copy()  # a buffer is read-only
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise DataError(f"{path}: is no readable idx file: {error}") from None


def _all_pictures(root: Path) -> list[Path]:
    """The images of all splits."""
    places = split_places(root).values() or [root]
    return [path for place in places for path in listing.pictures(place)]


def _folder(
    place: Path, root: Path, resolution: int | None, channels: int | None, pixels: PixelRange, skip_broken: bool
) -> LabelledImages:
    """A folder of images by class; the classes are the subfolders' names, sorted."""
    classes = class_folders(place, root)
    problems = Problems(skip_broken)
    images, labels = Squares(resolution, channels, pixels, problems), list[int]()
    for label, folder in enumerate(classes):
        files = listing.pictures(folder)
        if not files:
            problems.add(f"{folder}: has no images ({listing.ENDINGS})")
        labels += [label for path in files if images.add(path, str(path), path.relative_to(place).as_posix())]
        if skip_broken and files and label not in labels:
            problems.add(f"{folder}: none of its {len(files)} images can be read; mend them, or move the folder away")
    said = tuple(text for text in (folders_note(classes), listing.unread(listing.files(place))) if text)
    return replace(_labelled(images, labels, place, [folder.name for folder in classes]), said=said)


def _labelled(images: Squares, labels: list[int], where: Path, classes: Sequence[str]) -> LabelledImages:
    """Images that were read, with their labels; raises DataError as `Squares.stacked`."""
    pixels = images.stacked(where)
    left = tuple(images.problems.left_out)
    return LabelledImages(pixels, np.array(labels, dtype=np.int64), tuple(classes), images.pixels, left)


def _parquet(
    path: Path,
    split: Split,
    classes: Sequence[str] | None,
    resolution: int | None,
    channels: int | None,
    wanted: Wanted,
    skip_broken: bool,
) -> LabelledImages:
    """A Parquet file with the columns `image` (bytes, or a struct with bytes) and `label`, maybe `split`."""
    table = load_parquet(path)
    if not {"image", "label"} <= set(table.column_names):
        raise DataError(f"{path}: needs the columns `image` and `label`, has {', '.join(table.column_names)}")
    chosen = labelled_table.rows_of_split(path, table, split)
    names, ids = labelled_table.labels_of(path, table, chosen, classes)
    contents = contents_of(table["image"])
    images = Squares(resolution, channels, range_of(contents, wanted, str(path)), Problems(skip_broken))
    rows = np.flatnonzero(chosen).tolist()
    readable = [images.add(contents[row], f"{path}: row {row}", f"row {row}") for row in rows]
    return _labelled(images, ids[readable].tolist(), path, names)
