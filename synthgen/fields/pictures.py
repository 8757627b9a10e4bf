"""Fields that are images: images, and maps with a number for each pixel; their codecs."""

from __future__ import annotations

import dataclasses
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np

from synthgen.errors import DataError
from synthgen.fields.field import Field
from synthgen.fields.names import numbered, quoted
from synthgen.fields.shown import Outlines, Picture, Regions, Shades, Shown

ImageFormat = Literal["png", "jpeg", "webp"]
Unsigned = type[np.unsignedinteger[Any]]
FORMATS = ("PNG", "JPEG", "WEBP")
IMAGE_SUFFIX: Mapping[str, str] = {"png": "png", "jpeg": "jpg", "webp": "webp"}


class _Picture(Field):
    """What all images have in common: files of images in a tar, and in a table bytes that HF datasets decode."""

    __slots__ = ()
    croissant_type: ClassVar[str] = "sc:ImageObject"

    def recorded(self, value: Any) -> None:
        return None

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "Image"}

    def to_cells(self, stored: Sequence[bytes], keys: Sequence[str]) -> Any:
        import pyarrow as pa

        paths = [f"{key}.{self.suffix}" for key in keys]
        return pa.StructArray.from_arrays(
            [pa.array(stored, pa.binary()), pa.array(paths, pa.string())], type=None, fields=list(self.arrow())
        )

    def from_cells(self, cells: Any) -> list[bytes]:
        found: list[bytes] = cells.field("bytes").to_pylist()
        return found


@dataclass(frozen=True, slots=True)
class Image(_Picture):
    """An image: uint8 array of shape (height, width, channels), 1 channel grey or 3 RGB.

    PNG and lossless WebP give the same pixels back; JPEG is written at quality 95. WebP has no
    grey: other readers see three equal channels.
    """

    height: int
    width: int
    channels: int
    format: ImageFormat = "png"
    type: ClassVar[str] = "image"
    transformed: ClassVar[bool] = True

    @property
    def suffix(self) -> str:
        return IMAGE_SUFFIX[self.format]

    @property
    def raw_bytes(self) -> int:
        """Size without compression."""
        return self.height * self.width * self.channels

    def check(self, name: str, value: Any) -> None:
        want = (self.height, self.width, self.channels)
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.shape != want:
            got = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
            raise DataError(f"field `{name}`: must be a uint8 array of shape {want} (got {got})")

    def encode(self, value: np.ndarray) -> bytes:
        from PIL import Image as Pillow

        picture = Pillow.fromarray(value[:, :, 0] if self.channels == 1 else value)
        out = io.BytesIO()
        if self.format == "png":
            picture.save(out, "PNG", compress_level=1)
        elif self.format == "jpeg":
            picture.save(out, "JPEG", quality=95)
        else:
            picture.save(out, "WEBP", lossless=True, quality=50)
        return out.getvalue()

    def decode(self, stored: bytes) -> np.ndarray:
        array = _decoded(stored, "L" if self.channels == 1 else "RGB")
        return array[:, :, None] if self.channels == 1 else array

    def with_image_format(self, image_format: str) -> Self:
        return dataclasses.replace(self, format=cast(ImageFormat, image_format))

    def text(self, quote: Callable[[str], str]) -> str:
        colours = {1: "grey", 3: "RGB"}.get(self.channels, f"{self.channels} channels")
        return f"image, {self.height} x {self.width}, {colours}, {self.format}"

    @property
    def shown(self) -> Shown:
        return Picture()


@dataclass(frozen=True, slots=True)
class _Map(_Picture):
    """A number for each pixel: array (height, width), stored as a PNG, without loss."""

    dtype: ClassVar[Unsigned] = np.uint16
    height: int
    width: int

    @property
    def suffix(self) -> str:
        return "png"

    @property
    def raw_bytes(self) -> int:
        """Size without compression."""
        return self.height * self.width * np.dtype(self.dtype).itemsize

    def check(self, name: str, value: Any) -> None:
        want = (self.height, self.width)
        if not isinstance(value, np.ndarray) or value.dtype != self.dtype or value.shape != want:
            got = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
            raise DataError(f"field `{name}`: must be a {np.dtype(self.dtype).name} array of shape {want} (got {got})")

    def encode(self, value: np.ndarray) -> bytes:
        return _png(value)

    def decode(self, stored: bytes) -> np.ndarray:
        return _decoded(stored).astype(self.dtype)


@dataclass(frozen=True, slots=True)
class InstanceMap(_Map):
    """Which object each pixel belongs to: uint16 array (height, width), 0 background, stored as a 16-bit PNG."""

    type: ClassVar[str] = "instances"

    def text(self, quote: Callable[[str], str]) -> str:
        return (
            f"object numbers, {self.height} x {self.width}, 16-bit PNG, 0 background; read it with `synthgen.load`, "
            '`datasets`, or from the raw bytes, because webdataset\'s `.decode("pil")` cuts it to 8 bits'
        )

    @property
    def shown(self) -> Shown:
        return Outlines()


@dataclass(frozen=True, slots=True)
class DepthMap(_Map):
    """How near each pixel is: uint16 array (height, width), stored as a 16-bit PNG.

    65535 is the nearest pixel of the image and 0 the farthest, as depth maps of MiDaS, Depth Anything and ControlNet
    have it; values of different images cannot be compared.
    """

    type: ClassVar[str] = "depth"

    def text(self, quote: Callable[[str], str]) -> str:
        return f"depth, {self.height} x {self.width}, 16-bit PNG, 0 farthest to 65535 nearest of each image"

    def task(self, schema: Mapping[str, Field]) -> str:
        return "depth-estimation"

    @property
    def shown(self) -> Shown:
        return Shades()

    def show(self, value: np.ndarray) -> np.ndarray:
        return (value >> 8).astype(np.uint8)


IGNORE = 255
"""The class id of pixels whose class is not known; training and scores leave them out."""


@dataclass(frozen=True, slots=True)
class SegmentationMap(_Map):
    """The class of each pixel: uint8 array (height, width), stored as a PNG.

    0 is background, `classes` have the ids from 1 on in their order, 255 is unknown (ignore). `stuff` names the classes
    that are regions, such as sky and road; all others are things, which an instance map may tell apart. A map in which
    all classes are stuff is semantic. `colours`, if there are any, are those of `classes` as `#rrggbb`.
    """

    type: ClassVar[str] = "segmentation"
    dtype: ClassVar[Unsigned] = np.uint8
    classes: tuple[str, ...]
    stuff: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()

    @property
    def things(self) -> tuple[str, ...]:
        """The classes whose objects can be counted, in id order."""
        return tuple(name for name in self.classes if name not in self.stuff)

    def check(self, name: str, value: Any) -> None:
        _Map.check(self, name, value)  # not super(): a class with slots is made twice, and super() knows the first one
        odd = set(np.unique(value).tolist()) - set(range(len(self.classes) + 1)) - {IGNORE}
        if odd:
            raise DataError(f"field `{name}`: has the class ids {sorted(odd)}; 0 to {len(self.classes)} and 255 exist")

    def describe(self) -> dict[str, Any]:
        """`stuff` and `colours` are left out if there are none: older datasets do not state them."""
        found = _Map.describe(self)
        return {name: value for name, value in found.items() if value or name not in ("stuff", "colours")}

    def column_metadata(self) -> dict[str, str]:
        facts = {name: value for name, value in self.describe().items() if name in ("classes", "stuff", "colours")}
        return {name: json.dumps(value) for name, value in facts.items()}

    def text(self, quote: Callable[[str], str]) -> str:
        listed = numbered(["background", *map(quote, self.classes)])
        regions = f"; regions without objects: {quoted(self.stuff, quote)}" if self.stuff and self.things else ""
        kind = "class ids (semantic)" if self.classes and not self.things else "class ids"
        return f"{kind}, {self.height} x {self.width}, 8-bit PNG: {listed}, 255 unknown{regions}"

    def task(self, schema: Mapping[str, Field]) -> str:
        return "image-segmentation"

    @property
    def pixel_classes(self) -> tuple[str, ...]:
        return self.classes

    def class_rows(self) -> list[dict[str, str]]:
        """Of maps with stuff."""
        if not self.stuff:
            return []
        kinds = {True: "stuff", False: "thing"}
        rows = [
            {"id": str(i), "class": name, "kind": kinds[name in self.stuff]} for i, name in enumerate(self.classes, 1)
        ]
        colours = [{"colour": colour} for colour in self.colours] or [{}] * len(rows)
        return [row | colour for row, colour in zip(rows, colours, strict=True)]

    @property
    def region_classes(self) -> tuple[str, ...]:
        return self.classes if self.stuff else ()

    def pixels(self, stored: bytes) -> dict[str, int]:
        if not self.stuff:
            return {}
        counts = np.bincount(self.decode(stored).ravel(), minlength=IGNORE + 1)
        names = {0: "background", **dict(enumerate(self.classes, start=1)), IGNORE: "unknown"}
        found: Counter[str] = Counter()
        for cls, name in names.items():
            found[name] += int(counts[cls])  # a class may be called `background` or `unknown` itself
        return {name: n for name, n in found.items() if n}

    @property
    def shown(self) -> Shown | None:
        return Regions(self.classes, self.colours) if self.stuff else None


def _png(array: np.ndarray) -> bytes:
    from PIL import Image as Pillow

    out = io.BytesIO()
    Pillow.fromarray(array).save(out, "PNG", compress_level=6)
    return out.getvalue()


def _decoded(stored: bytes, mode: str | None = None) -> np.ndarray:
    """A stored image's pixels, a copy that may be written to.

    Raises:
        DataError: it is damaged.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(io.BytesIO(stored), formats=FORMATS) as picture:
            return np.array(picture.convert(mode) if mode else picture)
    except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to, SyntaxErrors included
        raise DataError(f"a stored image is damaged ({error}); `synthgen verify` names its file") from None
