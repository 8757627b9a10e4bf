"""Scaffolding: what a folder of images by class holds, and the recipes that fit it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.images.decoding import decode
from synthgen.readers.images.pixel_range import PixelRange, folder_range, widest_range
from synthgen.readers.problems import left_out

SIDES = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64)
MIN_IMAGES = 8
MIN_FOR_CRITIC = 40


@dataclass
class Findings:
    """What was seen in a folder of images.

    Attributes:
        counts: readable images by class, classes sorted by name, which is the order of their ids.
        sizes: (width, height) in pixels of every readable image.
        colours: number of images by channels, 1 or 3.
        unreadable: files that look like images by their name and are none.
        ignored: files of other kinds, by suffix; hidden ones are not told.
        loose: pictures that lie beside the class folders.
        pixels: what is black and white in pictures of more than 8 bits.
        guessed: whether `pixels` is no more than the lowest and the highest value, because nothing says more.
    """

    root: Path
    counts: dict[str, int] = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    colours: Counter[int] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    loose: list[str] = field(default_factory=list)
    pixels: PixelRange = field(default_factory=PixelRange)
    guessed: bool = False

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    @property
    def short_side(self) -> int:
        """Median of the shorter sides: images are cut to squares of it."""
        return round(statistics.median(min(size) for size in self.sizes))

    @property
    def channels(self) -> int:
        """3 if any image has colours, else 1."""
        return 3 if self.colours[3] else 1

    @property
    def imbalance(self) -> float:
        """The most frequent class over the rarest one."""
        return max(self.counts.values()) / min(self.counts.values())


def look(folder: str | Path) -> Findings:
    """Opens every image under `folder/<class>/`, or under `folder/train/<class>/` if there is such a folder.

    Raises:
        DataError: the folder has no classes, or a class has too few readable images.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{folder}: no such folder")
    place = root / "train" if (root / "train").is_dir() else root
    classes = listing.folders(place)
    if not classes:
        raise DataError(
            f"{place}: has no subfolders. Put the images of each class into a folder that bears its name, "
            f"such as {place}/cat/1.png"
        )
    found = Findings(root)
    for path in listing.files(place, nested=False):
        if listing.is_picture(path):
            found.loose.append(str(path))
        else:
            found.ignored[path.suffix.lower() or path.name] += 1
    pictures = listing.pictures(place)
    try:
        found.pixels = folder_range(pictures, "auto", str(folder))
    except DataError:
        found.pixels, found.guessed = widest_range(pictures, str(folder)), True
    for path in classes:
        found.counts[path.name] = sum(_readable(file, found) for file in listing.files(path))
    few = {name: n for name, n in found.counts.items() if n < MIN_IMAGES}
    if few:
        named = ", ".join(f"{name} ({n})" for name, n in few.items())
        raise DataError(
            f"{place}: every class needs at least {MIN_IMAGES} readable images; too few: {named}. "
            "Add images, or move these folders away"
        )
    return found


def _readable(path: Path, found: Findings) -> bool:
    if not listing.is_picture(path):
        found.ignored[path.suffix.lower() or path.name] += 1
        return False
    try:
        picture = decode(path, str(path), None, found.pixels)
    except DataError:
        found.unreadable.append(str(path))
        return False
    found.sizes.append((picture.shape[1], picture.shape[0]))
    found.colours[picture.shape[2]] += 1
    return True


@dataclass(frozen=True, slots=True)
class Fit:
    """Settings that fit the data and a CPU: training ends in tens of minutes on a few cores."""

    resolution: int
    patch_size: int
    channels: list[int]
    steps: int
    batch_size: int
    critic: bool


def fit(found: Findings) -> Fit:
    """The largest side up to 64 that the median image has, and a network to match."""
    side = max((s for s in SIDES if s <= found.short_side), default=SIDES[0])
    patch = 1 if side < 20 else 2 if side <= 32 else 4
    steps = 3000 if found.n < 2000 else 5000
    critic = min(found.counts.values()) >= MIN_FOR_CRITIC
    return Fit(side, patch, [32, 64] if side < 20 else [64, 96], steps, 64, critic)


def quotas(found: Findings) -> dict[str, int]:
    """Samples of each class: the same base for all, and more of rare classes, which real images alone leave short.

    Real and synthetic images together are balanced where three times the base is enough for that.
    """
    base = max(10, min(100, 5000 // len(found.counts) // 10 * 10))
    most = max(found.counts.values())
    return {name: base + min(most - n, 3 * base) // 10 * 10 for name, n in found.counts.items()}


def warnings(found: Findings, chosen: Fit) -> Iterator[str]:
    """What the user should know before training."""
    side = chosen.resolution
    if found.pixels.note:
        yield found.pixels.note
    if found.unreadable:
        yield f"{left_out(found.unreadable)} (`skip_broken: true` in the recipes)"
    if found.loose:
        n = len(found.loose)
        what = "1 picture lies" if n == 1 else f"{n} pictures lie"
        yield f"{what} beside the folders of the classes and will not be used: {', '.join(found.loose[:3])}"
    if found.imbalance > 3:
        rare, n = min(found.counts.items(), key=lambda item: item[1])
        yield f"the rarest class, {rare}, has {n} images, {found.imbalance:.0f} times fewer than the largest"
    if found.colours[1] and found.colours[3]:
        yield f"{found.colours[1]} images are grey, {found.colours[3]} have colours; the first one read decides for all"
    if any(width != height for width, height in found.sizes):
        yield f"not all images are square: they are cut to their central square and scaled to {side} x {side}"
    elif set(found.sizes) != {(side, side)}:
        yield f"images are scaled to {side} x {side}"
    if min(min(size) for size in found.sizes) < side:
        yield f"some images are smaller than {side} pixels and will be enlarged"
    if not chosen.critic:
        yield f"a class has fewer than {MIN_FOR_CRITIC} images, too few for a classifier that scores samples"
