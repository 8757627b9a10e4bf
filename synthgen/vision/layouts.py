"""Layouts: which pixel belongs to which object of which class, and the channels that networks see of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from synthgen.fields import IGNORE

CORE = 0.5
EDGE = -0.5
MIN_AREA_PX = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """What is where in one image: objects, and regions of classes that are no objects (stuff).

    `instances`: uint16 (H, W), the object's number, 0 where there is none. `segmentation`: uint8
    (H, W), 0 background, else the class number from 1; 255 is unknown.
    """

    instances: np.ndarray
    segmentation: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.instances.shape
        return height, width

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there but background and what is unknown."""
        return not ((self.segmentation > 0) & (self.segmentation != IGNORE)).any()

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> Layout:
        """The layout with both maps cut or turned by `change`."""
        return Layout(change(self.instances), change(self.segmentation))


def encode(layout: Layout, n_classes: int) -> np.ndarray:
    """Channels of a layout, float32 (n_classes, H, W): -1 off the class, 0 to 1 inside its objects, 1 inside regions.

    Inside an object, the value is the distance to the object's edge over the object's largest one, so that
    it falls to nearly 0 between objects that touch. The jump from -1 to 0 is the exact outline. Where a class has no
    objects, as stuff has none, its channel is flat.
    """
    ids, edges = layout.instances, inner_edges(layout.instances)
    distance = ndimage.distance_transform_edt((ids > 0) & ~edges).astype(np.float32)
    largest = np.maximum(ndimage.maximum(distance, ids, np.arange(int(ids.max()) + 1)), 1.0).astype(np.float32)
    cone = distance / largest[ids]
    of_class = layout.segmentation[None] == np.arange(1, n_classes + 1, dtype=np.uint8)[:, None, None]
    inside = np.where(ids > 0, cone, np.float32(1))
    return np.where(of_class, inside, np.float32(-1))


def decode(
    channels: np.ndarray, min_area_px: int = MIN_AREA_PX, stuff: Collection[int] = (), covered: bool = False
) -> Layout:
    """The layout that channels (n_classes, H, W) of a network show; the inverse of `encode` up to blur.

    Pixels above -0.5 belong to the class whose channel is highest. Each connected core above 0.5
    becomes an object, which grows by watershed to the valley or outline; background without a core is
    an object if it stands alone. Objects under `min_area_px` are dropped. Numbers run from 1
    without gaps, in reading order of the cores.

    Args:
        stuff: ids of the classes without objects.
        covered: every pixel belongs to a class; there is no background.
    """
    best = channels.argmax(0)
    value = np.take_along_axis(channels, best[None], 0)[0]
    segmentation = np.where(covered | (value > EDGE), best + 1, 0).astype(np.uint8)
    instances = np.zeros(value.shape, dtype=np.int32)
    n = 0
    for cls in sorted(set(range(1, len(channels) + 1)) - set(stuff)):
        background = segmentation == cls
        seeds, n_seeds = ndimage.label(background & (value > CORE))
        lonely, _ = ndimage.label(background)
        with_core = np.unique(lonely[seeds > 0])
        rest, n_rest = ndimage.label(background & ~np.isin(lonely, with_core))
        seeds = np.where(rest > 0, rest + n_seeds, seeds)
        grown = watershed(-value, seeds, mask=background)  # type: ignore[no-untyped-call]
        instances = np.where(grown > 0, grown + n, instances)
        n += n_seeds + n_rest
    found = renumbered(Layout(instances, segmentation), min_area_px)
    return filled(found) if covered else found


def filled(layout: Layout, gap: int = 0) -> Layout:
    """The layout with what is nearest in place of `gap`, as far as there is anything: of background, or of unknown."""
    empty = layout.segmentation == gap
    if empty.all() or not empty.any():
        return layout
    y, x = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
    return layout.map(lambda array: array[y, x])


def renumbered(layout: Layout, min_area_px: int = 1) -> Layout:
    """Objects numbered from 1 without gaps, in the order of their numbers; those under `min_area_px` are removed."""
    areas = np.bincount(layout.instances.ravel())
    kept = areas >= min_area_px
    kept[0] = False
    numbers = np.zeros(len(areas), dtype=np.uint16)
    numbers[kept] = np.arange(1, kept.sum() + 1)
    instances = numbers[layout.instances]
    gone = (layout.instances > 0) & (instances == 0)  # stuff has no number, and stays
    return Layout(instances, np.where(gone, 0, layout.segmentation).astype(np.uint8))


def smoothed(layout: Layout, sigma_px: float) -> Layout:
    """Objects with rounder outlines and the same place and size: each is blurred, and where half of it is left, stays.

    What is no object is smoothed as `smoothed_regions` does, and continues under the objects.

    Args:
        sigma_px: standard deviation of the Gaussian blur. Objects much smaller than it vanish.
    """
    reach = math.ceil(3 * sigma_px)
    padded = np.pad(layout.instances, reach, mode="edge")
    most = np.full(padded.shape, 0.5, dtype=np.float32)
    instances = np.zeros_like(padded)
    for number, box in enumerate(ndimage.find_objects(padded), start=1):
        if box is None:
            continue
        window = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        blurred = ndimage.gaussian_filter((padded[window] == number).astype(np.float32), sigma_px, mode="nearest")
        nearer = blurred > most[window]
        most[window] = np.where(nearer, blurred, most[window])
        instances[window] = np.where(nearer, number, instances[window])
    instances = instances[reach:-reach, reach:-reach]
    classes = np.zeros(int(instances.max()) + 1, dtype=np.uint8)
    left = np.unique(instances[instances > 0])
    classes[left] = class_of_each(layout, left)
    apart = np.where(layout.instances > 0, IGNORE, layout.segmentation).astype(np.uint8)
    regions = smoothed_regions(apart, sigma_px) if apart[apart != IGNORE].any() else np.zeros_like(apart)
    return renumbered(Layout(instances, np.where(instances > 0, classes[instances], regions).astype(np.uint8)))


def smoothed_regions(segmentation: np.ndarray, sigma_px: float) -> np.ndarray:
    """A class map uint8 (H, W) with rounder regions: each pixel has the class that is most frequent around it.

    Unknown pixels (255) get a class, too, but where nothing around them is known.

    Args:
        sigma_px: standard deviation of the Gaussian that weights the surroundings.
    """
    most = np.zeros(segmentation.shape, dtype=np.float32)
    found = np.full(segmentation.shape, IGNORE, dtype=np.uint8)
    for cls in np.unique(segmentation[segmentation != IGNORE]):
        share = ndimage.gaussian_filter((segmentation == cls).astype(np.float32), sigma_px)
        found = np.where(share > most, cls, found)
        most = np.maximum(share, most)
    return found


def from_class_map(segmentation: np.ndarray, stuff: Collection[int] = ()) -> Layout:
    """A layout whose objects are the connected regions of each class of a class-id map uint8 (H, W), but of `stuff`."""
    instances = np.zeros(segmentation.shape, dtype=np.int32)
    n = 0
    for cls in np.unique(segmentation):
        if cls in (0, IGNORE) or cls in stuff:
            continue
        found, n_found = ndimage.label(segmentation == cls)
        instances = np.where(found > 0, found + n, instances)
        n += n_found
    return Layout(instances.astype(np.uint16), segmentation)


def from_boxes(boxes: np.ndarray, classes: np.ndarray, shape: tuple[int, int], n_classes: int) -> np.ndarray:
    """Channels of boxes, as `encode`'s: each box is a cone on the ellipse that it encloses.

    Args:
        boxes: float (N, 4), left, top, right, bottom in pixels; they may overlap and reach over the border.
        classes: class numbers from 1, (N,).

    Returns:
        float32 (n_classes, H, W), -1 off the ellipses, 0 at their outline, 1 at their centre.
    """
    height, width = shape
    channels = np.full((n_classes, height, width), -1, dtype=np.float32)
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    for (left, top, right, bottom), cls in zip(boxes, classes, strict=True):
        radius = np.hypot((x - (left + right) / 2) / (right - left), (y - (top + bottom) / 2) / (bottom - top)) * 2
        channels[cls - 1] = np.maximum(channels[cls - 1], np.where(radius <= 1, 1 - radius, -1))
    return channels


def inner_edges(instances: np.ndarray) -> np.ndarray:
    """Where an object touches another one (not background or the border), bool (H, W); both sides are marked."""
    edges = np.zeros(instances.shape, dtype=bool)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        a, b = instances[one], instances[other]
        touching = (a != b) & (a > 0) & (b > 0)
        edges[one] |= touching
        edges[other] |= touching
    return edges


def boxes_of(instances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes float32 (N, 4) left, top, right, bottom (exclusive) and object numbers (N,), ascending."""
    slices = ndimage.find_objects(instances.astype(np.int32))
    ids = [i + 1 for i, found in enumerate(slices) if found is not None]
    boxes = [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in slices if s is not None]
    return np.array(boxes, dtype=np.float32).reshape(-1, 4), np.array(ids, dtype=np.int64)


def class_of_each(layout: Layout, ids: np.ndarray) -> np.ndarray:
    """Class number of each object in `ids`: the most frequent one among its pixels; int64 (N,)."""
    found = np.zeros(len(ids), dtype=np.int64)
    slices = ndimage.find_objects(layout.instances.astype(np.int32))
    for i, number in enumerate(ids):
        window = slices[number - 1]
        inside = layout.segmentation[window][layout.instances[window] == number]
        found[i] = np.bincount(inside[inside != IGNORE], minlength=1).argmax()
    return found


def central_point(mask: np.ndarray) -> tuple[float, float]:
    """The pixel of a mask that is farthest from its edge, as x and y of its centre."""
    inside = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(inside.argmax()), mask.shape)
    return float(x) + 0.5, float(y) + 0.5
