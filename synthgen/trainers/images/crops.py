"""Random crops of images with objects: image and layout cut, mirrored and turned together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from synthgen.fields import IGNORE
from synthgen.models.images.layout_to_image import HIDDEN
from synthgen.readers.masks.types import Example, Examples
from synthgen.trainers.images.diffusion import Batch
from synthgen.vision.layouts import filled

N_VIEWS = 4
MOST_TILES = 3


class Crops:
    """Crops for training, as images with layout channels.

    Args:
        examples: what is trained on.
        held_out_examples: what validation sees, `N_VIEWS` fixed crops of each image.
        shape: height and width of a crop in pixels; smaller images are continued by mirroring.
        gamma: pixels v in 0..255 become (v / 255)^gamma.
        turn: mirror and quarter-turn at random; only if directions mean nothing.
        mirror: mirror left and right at random.
        layout_dropout: share of layouts that are hidden, which guidance needs.
        draw_layouts: the layout's channels are what is generated, instead of what is conditioned on.
    """

    def __init__(
        self,
        examples: Examples,
        held_out_examples: Examples,
        shape: tuple[int, int],
        gamma: float,
        turn: bool,
        layout_dropout: float,
        draw_layouts: bool = False,
        mirror: bool = False,
    ) -> None:
        self.examples, self.held_out_examples = examples, held_out_examples
        self.shape, self.gamma, self.turn, self.layout_dropout = shape, gamma, turn, layout_dropout
        self.draw_layouts, self.mirror = draw_layouts, mirror

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, rows: torch.Tensor, random: torch.Generator) -> Batch:
        return self._batch([self.examples.items[i] for i in rows.tolist()], random)

    def hide(self, batch: Batch, random: torch.Generator) -> Batch:
        hidden = torch.rand(len(batch.x), generator=random) < self.layout_dropout
        if self.draw_layouts:  # there, the class is all that can be hidden
            return Batch(batch.x, torch.where(hidden, len(self.examples.classes), batch.labels))
        assert batch.layout is not None
        hidden = hidden[:, None, None, None]
        known = None if batch.known is None else batch.known | hidden  # without a layout, anything may be anywhere
        return Batch(batch.x, batch.labels, torch.where(hidden, HIDDEN, batch.layout), known)

    def held_out(self) -> Sequence[Batch]:
        random = torch.Generator().manual_seed(0)
        items = [item for item in self.held_out_examples.items for _ in range(N_VIEWS)]
        return [self._batch(items[i : i + 16], random) for i in range(0, len(items), 16)]

    def _batch(self, items: Sequence[Example], random: torch.Generator) -> Batch:
        views = [self.view(item, random) for item in items]
        if self.draw_layouts:
            views = [without_unknown(view) for view in views]
        channels = torch.from_numpy(np.stack([view.encoded(len(self.examples.objects)) for view in views]))
        labels = torch.tensor([item.label for item in items])
        if self.draw_layouts:
            return Batch(channels, labels)
        masks = [view.known for view in views if view.known is not None]
        known = torch.from_numpy(np.stack(masks))[:, None] if masks else None
        return Batch(self.pixels(views), labels, channels, known)

    def view(self, item: Example, random: torch.Generator) -> Example:
        """A random crop, turned and mirrored as the settings say."""
        return crop(item, self.shape, random, self.turn, self.mirror)

    def pixels(self, views: Sequence[Example]) -> torch.Tensor:
        """The images of crops as the network sees them, float32 (N, C, H, W) in [-1, 1]."""
        pixels = torch.from_numpy(np.stack([view.image for view in views])).permute(0, 3, 1, 2).float()
        return pixels.div(255).pow(self.gamma).mul(2).sub(1)


def crop(item: Example, shape: tuple[int, int], random: torch.Generator, turn: bool, mirror: bool = False) -> Example:
    """A random part of (height, width), smaller images mirrored on.

    Boxes move with the image; they are not cut off at its edges, nor mirrored on.

    Args:
        turn: mirror and quarter-turn it at random; the part is a square then.
        mirror: mirror left and right at random, if it is not turned.
    """
    top, left = (
        int(torch.randint(0, max(n - side, 0) + 1, (), generator=random))
        for n, side in zip(item.image.shape[:2], shape, strict=True)
    )
    turns, flip = torch.randint(0, 4, (2,), generator=random).tolist() if turn else (0, 0)
    if mirror and not turn:
        flip = int(torch.randint(0, 2, (), generator=random))
    return part(item, top, left, shape, flip % 2, turns)


def without_unknown(item: Example) -> Example:
    """The example with what is nearest in place of unknown pixels: no channel stands for them.

    A model of layouts must not learn to leave holes, of which `layouts.decode` makes noise or background. A model of
    images needs no such thing: where all channels are -1, it learns what unknown pixels look like in real images,
    whose maps are what it is given later.
    """
    return item if item.layout is None else replace(item, layout=filled(item.layout, IGNORE))


def tiles(item: Example, shape: tuple[int, int]) -> list[Example]:
    """Parts of (height, width) side by side, evenly spread, at most `MOST_TILES` in a row; one of smaller images."""
    starts = []
    for n, side in zip(item.image.shape[:2], shape, strict=True):
        starts.append(np.linspace(0, max(n - side, 0), max(1, min(MOST_TILES, n // side))).round().astype(int).tolist())
    return [part(item, top, left, shape) for top in starts[0] for left in starts[1]]


def part(item: Example, top: int, left: int, shape: tuple[int, int], flip: int = 0, turns: int = 0) -> Example:
    """The part of (height, width) at a place, then mirrored and turned by quarters; smaller images are mirrored on."""

    def cut(array: np.ndarray) -> np.ndarray:
        window = array[top : top + shape[0], left : left + shape[1]]
        missing = [(0, shape[0] - window.shape[0]), (0, shape[1] - window.shape[1]), *[(0, 0)] * (array.ndim - 2)]
        window = np.pad(window, missing, mode="symmetric")
        return np.ascontiguousarray(np.rot90(window[:, ::-1] if flip else window, turns))

    view = item.map(cut)
    if item.boxes is None:
        return view
    boxes = item.boxes - np.array([left, top, left, top], dtype=np.float32)
    return replace(view, boxes=turned_boxes(boxes, shape[1], flip, turns), box_classes=item.box_classes)


def turned_boxes(boxes: np.ndarray, side: int, mirror: int, turns: int) -> np.ndarray:
    """Boxes (N, 4) of a part `side` wide once it is mirrored and, if a square, turned by quarters as by `np.rot90`."""
    left, top, right, bottom = boxes.T
    if mirror:
        left, right = side - right, side - left
    for _ in range(turns):
        left, top, right, bottom = top, side - right, bottom, side - left
    return np.stack([left, top, right, bottom], axis=1)


def deviation(crops: Crops, n: int = 256) -> float:
    """Standard deviation of what is drawn, over `n` random crops, which EDM's preconditioning is built on."""
    random = torch.Generator().manual_seed(0)
    rows = torch.randint(0, len(crops), (n,), generator=random)
    return round(float(crops.batch(rows, random).x.std()), 4)
