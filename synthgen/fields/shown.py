"""Ways to show a value: a field names one, and previews and reports draw it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of its own: uint8 (H, W, 1) grey or (H, W, 3) RGB."""


@dataclass(frozen=True, slots=True)
class Outlines:
    """Objects, each outlined in a colour of its own on the sample's image: int (H, W), 0 background."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Objects as frames on the sample's image, in the colours of `classes`.

    float (N, 5): left, top, right and bottom in pixels, and the class id from 1.
    """

    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Regions:
    """The class of every pixel, in the colours of `classes`, beside the sample's image: uint8 (H, W), ids from 1.

    `colours` are `#rrggbb`, one per class; without any, those of Pascal VOC are taken.
    """

    classes: tuple[str, ...]
    colours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shades:
    """Brightness beside the sample's image: uint8 (H, W)."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Channels over time, a panel each: float (L, C), NaN where a value is missing."""

    channels: tuple[str, ...]
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """When each step of the sample's curves is: float (L,), rising, in `unit`."""

    unit: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, such as that from which the times of the sample's curves count: datetime64, of UTC if `zoned`."""

    zoned: bool


@dataclass(frozen=True, slots=True)
class Marks:
    """Stretches of the sample's curves in the colours of `classes`: int (L, C), 0 where nothing is marked.

    Without `channels`, int (L,), which is so for all curves.
    """

    channels: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """A text (str) under its field's name, where a sample has neither an image nor curves."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Texts side by side: a dict of them by their headings, such as languages."""


@dataclass(frozen=True, slots=True)
class Bubbles:
    """A dialogue: a list of dicts with `role` and `content`, one for each message."""


@dataclass(frozen=True, slots=True)
class Highlights:
    """Parts of the words in field `of`, in the colours of `classes`: a list of (start, end, class id from 0).

    They are sorted and in characters, `end` exclusive.
    """

    of: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remarks:
    """Short texts under every message of the dialogue in field `of`: a list of texts for each message."""

    of: str


Shown = (
    Picture
    | Outlines
    | Regions
    | Frames
    | Shades
    | Curves
    | TimeAxis
    | Moment
    | Marks
    | Words
    | Pairs
    | Bubbles
    | Highlights
    | Remarks
)
