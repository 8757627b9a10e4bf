"""`use: masked-images`: every slot shows a part of a real image with its objects, mirrored and turned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from synthgen.conditions.real_layouts import ContentSettings, LayoutSettings, RealLayouts, Window
from synthgen.fields import Field, Image
from synthgen.readers.masks.types import Example


class MaskedImages(RealLayouts):
    """The layouts of `real-layouts` with the images that they belong to, as `image`."""

    version: ClassVar[int] = 1

    class Config(ContentSettings):
        """Settings of `use: masked-images`."""

    def __init__(self, config: LayoutSettings) -> None:
        super().__init__(config)
        self.made = ("image", *self.made)
        self.fields: Mapping[str, Field] = {**self.fields, "image": Image(*config.shape, 3)}

    def shown(self, item: Example, window: Window) -> Mapping[str, Any]:
        return {"image": window.cut(item.image), **super().shown(item, window)}
