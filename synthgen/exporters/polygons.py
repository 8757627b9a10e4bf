"""Polygons: masks as outlines, with their parts and holes joined into one where a format has one outline an object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TOLERANCE_PX = 0.3


def outline(mask: np.ndarray) -> np.ndarray:
    """All of a mask (H, W) as one polygon (N, 2), x and y in pixels, N at least 3.

    Parts and holes hang together by bridges without width, there and back between their nearest points: filled
    by either rule, even-odd or winding, the polygon is the mask again, up to the tolerance. Pixel (0, 0) covers x and
    y from 0 to 1.

    Source: ultralytics' `merge_multi_segment` joins the parts of COCO annotations in the same way.
    """
    return joined(contours(mask))


def parts(mask: np.ndarray) -> list[np.ndarray]:
    """A polygon (N, 2), x and y, for each connected part of a mask (H, W); holes are bridged to it as by `outline`."""
    from scipy import ndimage

    labels, n = ndimage.label(mask)
    boxes = ndimage.find_objects(labels)
    found = []
    for number in range(1, n + 1):
        rows, columns = boxes[number - 1]
        found.append(np.array([columns.start, rows.start]) + outline(labels[rows, columns] == number))
    return found


def contours(mask: np.ndarray) -> list[np.ndarray]:
    """The closed outlines of parts and holes (N, 2), x and y in pixels, the longest first; corners alone are kept.

    Holes run the other way round.
    """
    from skimage import measure

    size = (mask.shape[1], mask.shape[0])
    found = []
    for ring in measure.find_contours(np.pad(mask, 1).astype(float), 0.5):  # type: ignore[no-untyped-call]
        simple = measure.approximate_polygon(ring, TOLERANCE_PX)  # type: ignore[no-untyped-call]
        chosen = simple if len(simple) > 3 else ring
        found.append((chosen[:-1, ::-1] - 0.5).clip(0, size))
    return sorted(found, key=len, reverse=True)


def joined(rings: Sequence[np.ndarray]) -> np.ndarray:
    """One closed polygon (N, 2) of several: the first one, to which the nearest of the others is bridged in turn."""
    whole = rings[0]
    links = {i: _nearest(whole, ring) for i, ring in enumerate(rings[1:], start=1)}
    while links:
        nearest = min(links, key=lambda i: links[i][0])
        _, point, there = links.pop(nearest)
        here = int(np.flatnonzero((whole == point).all(1))[0])
        ring = rings[nearest]
        whole = np.concatenate([whole[: here + 1], ring[there:], ring[: there + 1], whole[here:]])
        for i, link in links.items():
            links[i] = min(link, _nearest(ring, rings[i]), key=lambda link: link[0])
    return whole


def _nearest(one: np.ndarray, other: np.ndarray) -> tuple[float, np.ndarray, int]:
    """The shortest distance between points of two rings, with the point of `one` and the place in `other`."""
    from scipy.spatial import cKDTree

    distances, places = cKDTree(one).query(other)
    there = int(distances.argmin())
    return float(distances[there]), one[places[there]], there
