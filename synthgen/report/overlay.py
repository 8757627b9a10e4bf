"""Overlays: objects drawn over images, as outlines in colours of their own or as boxes in those of classes; maps."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from typing import Any

import numpy as np

from synthgen.fields import IGNORE, Schema, first_shown
from synthgen.fields.shown import Frames, Outlines, Regions, Shades
from synthgen.vision.palette import palette

SHOWN_PX = 192
GAP_PX = 2
MAX_BOX_LUMA = 110
MIN_LINE_LUMA, DARKER = 150, 4
UNKNOWN, HATCH, HATCH_PX = (64, 64, 64), (104, 104, 104), 3
"""Pixels of unknown class are hatched in these greys."""
LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in brightness. Source: ITU-R BT.601."""


def with_objects(picture: np.ndarray, shown: Mapping[str, Any], schema: Schema) -> np.ndarray:
    """The image, and beside it its objects, the classes of its regions and its depth, uint8 RGB; as it is without any.

    Of several maps and boxes the first is shown: the one by construction. Objects of an image with regions are outlined
    in the map of regions; if the image is small, a panel more has both over each other. What is near is bright. Without
    regions the contrast is stretched, because microscopes' images are often too dark to see anything. Small images
    are enlarged by a whole factor, so that outlines are thin.

    Args:
        image: uint8 (H, W, 1 or 3).
        shown: what the fields of the sample show, by name.
    """
    instances, boxes, depth = (shown.get(first_shown(schema, way)[0]) for way in (Outlines, Frames, Shades))
    name, regions = first_shown(schema, Regions)
    ids = shown.get(name)
    factor = max(1, SHOWN_PX // max(picture.shape[:2]))
    plain = enlarged(stretched(picture) if ids is None else np.broadcast_to(picture, (*picture.shape[:2], 3)), factor)
    panels = [plain]
    if regions is not None and ids is not None:
        panels.append(coloured(enlarged(ids, factor), regions))
        if factor > 1:
            panels.append((panels[-1] // 2 + plain // 2).astype(np.uint8))
        if instances is not None:
            for panel in panels[1:]:
                draw_edges(panel, enlarged(instances, factor))
    elif instances is not None:
        panels.append(plain.copy())
        draw_outlines(panels[-1], enlarged(instances, factor))
    if boxes is not None and instances is None:
        panels.append(plain.copy())
        draw_boxes(panels[-1], boxes, factor)
    if depth is not None:
        panels.append(enlarged(np.repeat(depth[..., None], 3, axis=2), factor))
    if len(panels) == 1:
        return picture
    gap = np.full((plain.shape[0], GAP_PX, 3), 255, dtype=np.uint8)
    return np.concatenate([plain, *(part for panel in panels[1:] for part in (gap, panel))], axis=1)


def stretched(picture: np.ndarray) -> np.ndarray:
    """uint8 RGB (H, W, 3), the darkest value at 0 and the brightest (99.8 %) at 255."""
    x = picture.astype(np.float32)
    low, high = float(x.min()), float(np.quantile(x, 0.998))
    x = (x - low) / max(high - low, 1.0) * 255
    pixels: np.ndarray = np.round(x.clip(0, 255)).astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def enlarged(array: np.ndarray, factor: int) -> np.ndarray:
    """Every pixel as a square of `factor`."""
    return array.repeat(factor, axis=0).repeat(factor, axis=1)


def coloured(ids: np.ndarray, regions: Regions) -> np.ndarray:
    """Class ids (H, W) in the colours of their classes, uint8 RGB (H, W, 3); what is unknown is hatched."""
    picture: np.ndarray = region_colours(regions)[ids]
    rows, columns = np.ogrid[: ids.shape[0], : ids.shape[1]]
    picture[(ids == IGNORE) & ((rows + columns) // HATCH_PX % 2 == 1)] = HATCH
    return picture


def draw_edges(picture: np.ndarray, instances: np.ndarray) -> None:
    """Draws the edge of every object of (H, W) into a map in colours (H, W, 3): white, or black on bright ones."""
    edge = _edge(instances)
    picture[edge] = np.where(picture[edge] @ LUMA < MIN_LINE_LUMA, 255, 0)[:, None]


def draw_outlines(picture: np.ndarray, instances: np.ndarray) -> None:
    """Draws the edge of every object of (H, W) into an image (H, W, 3), in the object's colour.

    The innermost pixels of an object are dark and those behind them bright, so that one of the two
    lines is seen on any background. Objects that are too thin for two lines have the bright one.
    """
    edge = _edge(instances)
    inner = np.where(edge, 0, instances)
    behind = _edge(inner) & _beside(edge)
    plain = colours(int(instances.max()) + 1)
    luma = plain @ LUMA
    white = np.maximum(0, (MIN_LINE_LUMA - luma) / (255 - luma))[:, None]
    table = (plain + white * (255 - plain.astype(np.float64))).astype(np.uint8)
    whole = np.isin(instances, np.unique(instances[behind]))
    picture[edge] = np.where(whole[edge][:, None], table[instances[edge]] // DARKER, table[instances[edge]])
    picture[behind] = table[instances[behind]]


def _edge(instances: np.ndarray) -> np.ndarray:
    """bool (H, W): pixels of objects beside pixels of another number."""
    edge = np.zeros(instances.shape, dtype=bool)
    edge[1:] |= instances[1:] != instances[:-1]
    edge[:-1] |= instances[1:] != instances[:-1]
    edge[:, 1:] |= instances[:, 1:] != instances[:, :-1]
    edge[:, :-1] |= instances[:, 1:] != instances[:, :-1]
    return edge & (instances > 0)


def _beside(mask: np.ndarray) -> np.ndarray:
    """bool (H, W): pixels with one of `mask` above, below, left or right."""
    beside = np.zeros_like(mask)
    beside[1:] |= mask[:-1]
    beside[:-1] |= mask[1:]
    beside[:, 1:] |= mask[:, :-1]
    beside[:, :-1] |= mask[:, 1:]
    return beside


def draw_boxes(picture: np.ndarray, boxes: np.ndarray, factor: int) -> None:
    """Draws boxes (N, 5), in pixels before enlarging, into an image, in the colours of their classes."""
    table = box_colours(int(boxes[:, 4].max()) + 1 if len(boxes) else 1)
    height, width = picture.shape[:2]
    for left, top, right, bottom, cls in boxes:
        x0, x1 = (int(np.clip(round(float(x) * factor), 0, width - 1)) for x in (left, right))
        y0, y1 = (int(np.clip(round(float(y) * factor), 0, height - 1)) for y in (top, bottom))
        for inset in range(max(1, min(factor, (x1 - x0) // 2, (y1 - y0) // 2))):
            ys, xs = [y0 + inset, y1 - inset], [x0 + inset, x1 - inset]
            picture[ys, xs[0] : xs[1] + 1] = table[int(cls)]
            picture[ys[0] : ys[1] + 1, xs] = table[int(cls)]


def legend(schema: Schema, pixels: Mapping[int, int] | None = None) -> list[tuple[str, tuple[int, int, int]]]:
    """Names of the regions' classes, then those of the objects' with the colours of their boxes.

    Boxes have none if they are not shown or all of one class.

    Args:
        pixels: how many pixels of regions each class id has; those with none are left out, the most frequent are first.
    """
    _, outlines = first_shown(schema, Outlines)
    _, boxes = first_shown(schema, Frames)
    _, regions = first_shown(schema, Regions)
    found = []
    if regions is not None and pixels:
        names = {0: "background", **dict(enumerate(regions.classes, start=1)), IGNORE: "unknown"}
        used = sorted((cls for cls, n in pixels.items() if n), key=lambda cls: (cls == IGNORE, -pixels[cls], cls))
        found = [(names[cls], _rgb(region_colours(regions)[cls])) for cls in used]
    if outlines or boxes is None or len(boxes.classes) < 2:
        return found
    table = box_colours(len(boxes.classes) + 1)
    boxed = [(name, _rgb(table[cls])) for cls, name in enumerate(boxes.classes, start=1)]
    return found + [(f"box of {name}", colour) if regions else (name, colour) for name, colour in boxed]


def _rgb(row: np.ndarray) -> tuple[int, int, int]:
    return int(row[0]), int(row[1]), int(row[2])


def region_colours(regions: Regions) -> np.ndarray:
    """Colours of the class ids 0 to 255, uint8 (256, 3): those of the field, else of Pascal VOC; 255 is dark grey."""
    table = np.array(palette(regions.colours), dtype=np.uint8)
    table[IGNORE] = UNKNOWN
    return table


def box_colours(n: int) -> np.ndarray:
    """Colours of the class ids 0 to `n` - 1, uint8 (n, 3).

    Bright ones are darkened, because boxes lie on the background around objects, which in images
    with classes of objects is bright more often than not.
    """
    bright = colours(n)
    luma = bright @ LUMA
    table: np.ndarray = (bright * np.minimum(1, MAX_BOX_LUMA / luma)[:, None]).astype(np.uint8)
    return table


def colours(n: int) -> np.ndarray:
    """`n` bright colours, uint8 (n, 3), neighbours far apart in hue (steps of the golden ratio)."""
    rows = [colorsys.hsv_to_rgb((0.618034 * i) % 1, 0.85, 1.0) for i in range(n)]
    return np.round(np.array(rows).reshape(-1, 3) * 255).astype(np.uint8)
