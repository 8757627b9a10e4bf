"""Foreground: which pixels of an image are not its background, and which of those no box covers."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu

BLUR_PX = 1.0
BIN = 4.0
NOTICEABLE = 2.3
"""Colours that are nearer than this in CIELAB look the same.

Source: Mahy et al. 1994, "Evaluation of uniform color spaces developed after the adoption of CIELAB and CIELUV".
"""


def foreground(image: np.ndarray) -> np.ndarray:
    """bool (H, W): where an image uint8 (H, W, 1 or 3) is not its background, the colour that most of it has.

    Colours are compared in CIELAB, after a slight blur. The threshold is Otsu's on the logarithm of their distances to
    the background, so that one strong stain does not hide pale objects. An image of one colour has no foreground.

    Source: Otsu 1979, "A threshold selection method from gray-level histograms".
    """
    rgb = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    colours = ndimage.gaussian_filter(rgb2lab(rgb), (BLUR_PX, BLUR_PX, 0))
    distance = np.log1p(np.linalg.norm(colours - most_frequent(colours.reshape(-1, 3)), axis=2))
    least = max(threshold_otsu(distance), np.log1p(NOTICEABLE))  # type: ignore[no-untyped-call]
    found: np.ndarray = distance > least
    return found


def most_frequent(colours: np.ndarray) -> np.ndarray:
    """The colour (3,) around which most of (N, 3) in CIELAB are: the median of the fullest bin and those around it."""
    bins, counts = np.unique(cells := np.floor(colours / BIN).astype(np.int64), axis=0, return_counts=True)
    near = (abs(cells - bins[counts.argmax()]) <= 1).all(1)
    found: np.ndarray = np.median(colours[near], axis=0)
    return found


def unboxed(image: np.ndarray, boxes: np.ndarray, margin_px: float) -> tuple[np.ndarray, np.ndarray]:
    """The foreground of an image uint8 (H, W, C), and the part of it that no box covers; both bool (H, W).

    Args:
        boxes: float (N, 4 or more): left, top, right, bottom in pixels; they may reach over the border.
        margin_px: boxes are this much larger on every side, because they are seldom exact.
    """
    found = foreground(image)
    y, x = np.arange(found.shape[0])[:, None] + 0.5, np.arange(found.shape[1])[None] + 0.5
    outside = found.copy()
    for left, top, right, bottom in boxes[:, :4]:
        inside_y, inside_x = abs(2 * y - top - bottom) / 2, abs(2 * x - left - right) / 2
        outside &= (inside_y > (bottom - top) / 2 + margin_px) | (inside_x > (right - left) / 2 + margin_px)
    return found, outside
