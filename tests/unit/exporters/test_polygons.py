"""Polygons: filled by two libraries, they are the masks that they were made of, with parts and holes."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco
from scipy import ndimage
from skimage.draw import polygon2mask

from synthgen.exporters import polygons

SIDE = 64


def filled_by_coco(found: list[np.ndarray]) -> np.ndarray:
    lists = [polygon.ravel().tolist() for polygon in found]
    decoded: np.ndarray = coco.decode(coco.merge(coco.frPyObjects(lists, SIDE, SIDE))).astype(bool)
    return decoded


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("seed", range(10))
def test_parts_and_holes_stay(seed: int) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE, SIDE)), 3)
    mask = ndimage.binary_opening(noise > np.quantile(noise, 0.6))
    mask[2:20, 2:20] = True
    mask[6:16, 6:16] = False
    mask[9:12, 9:12] = True  # a part in a hole
    assert ndimage.label(mask)[1] > 1
    whole = polygons.outline(mask)
    assert np.array_equal(polygon2mask(mask.shape, whole[:, ::-1] - 0.5), mask)
    assert overlap(filled_by_coco([whole]), mask) > 0.99
    parts = polygons.parts(mask)
    assert len(parts) == ndimage.label(mask)[1]
    assert overlap(filled_by_coco(parts), mask) > 0.99


def test_a_pixel_is_a_polygon() -> None:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[3, 5] = True
    found = polygons.outline(mask)
    assert len(found) >= 3
    assert np.allclose(found.mean(0), (5.5, 3.5))
