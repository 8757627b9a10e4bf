"""`use: images`: every slot shows a real image, to be generated again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field as Setting

from synthgen.base.sizes import Size, shape_of
from synthgen.conditions.axes import shuffled
from synthgen.conditions.lazy import Lazy
from synthgen.conditions.quotas import Quotas
from synthgen.conditions.varied import Varied, Vary
from synthgen.errors import DataError
from synthgen.fields import Field, Image, Label, Text
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown
from synthgen.readers.images import gallery
from synthgen.readers.images.pixel_range import RangeSetting
from synthgen.readers.problems import SkipBroken


class Images:
    """Images of a folder, in a shuffled order that begins again when it is used up; read when they are needed.

    Slots that show the same image stay in one split.
    """

    version: ClassVar[int] = 2

    class Config(Vary):
        """Settings of `use: images`."""

        path: str = Setting(
            description="A folder of images, or of folders of images, which are the classes, but for `unlabelled`; "
            "of one with train/ in it, the images there. sklearn:photos are two photos that come with scikit-learn."
        )
        size: Size = Setting(
            description="Side, or `[width, height]`: images are scaled until they cover it, and cut in the middle."
        )
        quotas: dict[str, Annotated[int, Setting(ge=1)]] | None = Setting(
            default=None, description="Samples of each class; by default every image as often."
        )
        repeats: int = Setting(default=1, ge=1, description="Samples from every image, without quotas.")
        seed: int = Setting(default=0, description="The order of the images.")
        licence: str = Setting(default="unknown", description="Licence of the images, for the card.")
        source: str = Setting(default="", description="Where the images come from, for the card.")
        range: RangeSetting = "auto"
        skip_broken: SkipBroken = False

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "size": [32, 32]}

    def __init__(self, config: Config) -> None:
        self.config = config
        self._gallery = gallery.listed(config.path, config.range, config.skip_broken)
        classes = self._gallery.classes
        for name in config.quotas or ():
            if name not in classes:
                raise DataError(f"quotas: {unknown(name, classes, 'class')}")
        self._quotas = Quotas(config.quotas) if config.quotas else None
        rows = range(len(self._gallery))
        self._rows = {name: [i for i in rows if self._gallery.labels[i] == n] for n, name in enumerate(classes)}
        self.samples = self._quotas.total if self._quotas else config.repeats * len(rows)
        self._names = self._quotas.names if self._quotas else classes
        self._varied = Varied(config, ("label", "image", "source", "prompt"), config.seed)
        own: dict[str, Field] = {
            "label": Label(self._names),
            "image": Image(*shape_of(config.size), 3),
            "source": Text(),
        }
        self.fields: Mapping[str, Field] = {**own, **self._varied.fields}

    def identity(self) -> dict[str, Any]:
        settings = self.config.model_dump(
            mode="json", exclude={"path", "licence", "source", "quotas", "repeats", "skip_broken"}
        )
        proportions = self._quotas.proportions if self._quotas else None
        return settings | {
            "classes": list(self._names),
            "proportions": proportions,
            "data_sha256": self._gallery.pictures.sha256(),
        }

    @property
    def sources(self) -> list[Source]:
        return [self._gallery.source(self.config.licence, self.config.source)]

    def class_counts(self, n: int) -> list[int] | None:
        return self._quotas.counts(n) if self._quotas else None

    def condition(self, index: int) -> tuple[Mapping[str, Any], str]:
        if self._quotas is None:
            place = self._in_turn("all", index, len(self._gallery))
            label = self._names.index(self._gallery.classes[self._gallery.labels[place]])
        else:
            label = self._quotas.at(index)
            rows = self._rows[self._quotas.names[label]]
            place = rows[self._in_turn(self._quotas.names[label], self._quotas.rank(index), len(rows))]
        values = {"label": label, "source": self._gallery.pictures.name(place), **self._varied.at(index)}
        picture = Lazy(values, ("image",), lambda: {"image": self._gallery.picture(place, *shape_of(self.config.size))})
        return picture, self._gallery.pictures.name(place)

    def _in_turn(self, group: str, rank: int, n: int) -> int:
        turn, place = divmod(rank, n)
        return int(shuffled(self.config.seed, f"images:{group}", turn, n)[place])
