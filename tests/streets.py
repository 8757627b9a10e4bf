"""Small street scenes with class maps, made by numpy, in the folders and formats that people keep such data in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("sky", "building", "road", "car", "pole")
"""Numbers from 0 on; the next one, 5, is unlabelled."""
UNLABELLED = len(CLASSES)
RGB = np.array([(150, 180, 230), (120, 60, 50), (70, 70, 75), (200, 30, 30), (190, 180, 90), (0, 0, 0)])


def scene(seed: int, width: int = 64, height: int = 48) -> np.ndarray:
    """The class map of a street, int64 (H, W)."""
    random = np.random.default_rng(seed)
    numbers = np.zeros((height, width), dtype=np.int64)
    for left in range(0, width, 16):
        numbers[int(random.integers(height // 8, height // 3)) :, left : left + int(random.integers(10, 17))] = 1
    numbers[height * 5 // 8 :] = 2
    for _ in range(3):
        left, top = (int(random.integers(2, n)) for n in (width - 12, height // 8))
        numbers[height * 5 // 8 + top :, left : left + 10][:6] = 3
    if seed % 2:
        numbers[height // 4 : height * 3 // 4, (column := int(random.integers(4, width - 4))) : column + 2] = 4
    numbers[-2:] = UNLABELLED
    return numbers


def photo(numbers: np.ndarray, seed: int) -> np.ndarray:
    """An image of a scene, uint8 (H, W, 3)."""
    noise = np.random.default_rng(seed).normal(0, 12, (*numbers.shape, 1))
    image: np.ndarray = (RGB[numbers] + noise).clip(0, 255).astype(np.uint8)
    return image


def save(
    folder: Path,
    images: str,
    maps: str,
    n: int = 12,
    size: tuple[int, int] = (64, 48),
    colours: np.ndarray | None = None,
    palette: bool = False,
    first: int = 0,
) -> Path:
    """Scenes as `images` and `maps`, which are names of files with `{}` for the number.

    Args:
        size: width and height.
        colours: RGB of each number, uint8: maps are colour images, or have it as their `palette`.
        first: what is added to the maps' numbers.
    """
    for i in range(n):
        numbers = scene(i, *size)
        files = [folder / name.format(f"s{i:02d}") for name in (images, maps)]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(numbers, i)).save(files[0])
        if colours is not None and not palette:
            Image.fromarray(colours[numbers].astype(np.uint8)).save(files[1])
            continue
        found = Image.fromarray((numbers + first).astype(np.uint8))
        if palette and colours is not None:
            found.putpalette(colours.astype(np.uint8).tobytes())
        found.save(files[1])
    return folder


def camvid(folder: Path, n: int = 12) -> Path:
    """train/ and trainannot/, and as many images for `val` and `test`."""
    for split in ("train", "val", "test"):
        save(folder, f"{split}/{{}}.png", f"{split}annot/{{}}.png", n)
    return folder
