"""How rough images are: as a whole, at the border, and at the highest frequency, where networks leave traces."""

from __future__ import annotations

import numpy as np

BORDER_PX = 2
BELOW = slice(2, 6)


def laplacian(images: np.ndarray) -> np.ndarray:
    """Absolute Laplacian (N, H - 2, W - 2) of the mean of the channels of images (N, H, W, C), borders left out."""
    grey = images.astype(np.float64).mean(-1)
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    found: np.ndarray = np.abs(4 * grey[:, 1:-1, 1:-1] - around)
    return found


def border(images: np.ndarray) -> float:
    """Mean absolute Laplacian along the border over that of the rest: about 1, and more if there is a frame.

    Args:
        images: (N, H, W, C), sides of 8 pixels or more.
    """
    found = laplacian(images)
    inner = np.zeros(found.shape[1:], bool)
    inner[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = True
    return float(found[:, ~inner].mean() / max(found[:, inner].mean(), 1e-9))


def highest_frequency(images: np.ndarray) -> float:
    """Power at the highest frequency over that a little below it: about 1 or less, and more if there is a grid.

    The largest of the channels' values; power is the mean over images, rows and columns, the image's mean taken off and
    its borders faded out.

    Args:
        images: (N, H, W, C), sides of 16 pixels or more; an odd last row or column is left out.
    """
    height, width = (side // 2 * 2 for side in images.shape[1:3])
    channels = np.moveaxis(images[:, :height, :width].astype(np.float64), -1, 0)
    channels = channels - channels.mean((2, 3), keepdims=True)
    faded = channels * np.hanning(height)[:, None] * np.hanning(width)
    power = (np.abs(np.fft.rfft2(faded)) ** 2).mean(1)  # (C, H, W / 2 + 1)
    rows, columns = power[:, : height // 2 + 1, : width // 4], power[:, : height // 4, :].swapaxes(1, 2)
    ratios = []
    for lines in (rows, columns):
        from_the_highest = lines[:, ::-1].mean(2)
        ratios.append(from_the_highest[:, 0] / np.maximum(from_the_highest[:, BELOW].mean(1), 1e-9))
    return float(np.mean(ratios, axis=0).max())
