"""`use: near-duplicate`: how near the nearest image of a folder is, real or training images for instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen import testing
from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Image, Number, Schema
from synthgen.models import embeddings, hub
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.readers.images import decoding, folder
from synthgen.readers.images.pixel_range import RangeSetting
from synthgen.readers.problems import SkipBroken

PICTURES_AT_ONCE = 16


class NearDuplicate:
    """Adds, for `name: copy`, `copy_bits` and, with a model, `copy_similarity`.

    bits: in how many of 64 bits the perceptual hashes of a sample and of the nearest image in the folder differ; 0
    to about 4 are copies, unrelated images differ in about 32. similarity: the largest cosine similarity of
    embeddings, -1 to 1, which also finds copies that were mirrored, cut or coloured again. The folder is read once, in
    setup, and its images are cut in the middle and scaled to the size of the samples.

    Duplicates among the samples depend on other samples and are no scorer's matter: `synthgen duplicates` finds them in
    a finished dataset.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: near-duplicate`."""

        folder: str = Setting(description="The images that samples must not repeat, subfolders included.")
        folder_licence: str = Setting(default="unknown", description="Licence of these images, for the card.")
        range: RangeSetting = "auto"
        skip_broken: SkipBroken = False
        model: str | None = Setting(
            default=None,
            description="A DINOv2, CLIP or SigLIP in the format of transformers, or owner/name@commit of the hub, such "
            "as a commit of facebook/dinov2-small; by default only hashes are compared.",
        )
        licence: str | None = Setting(
            default=None, description="The model's licence, for the plan and the card; by default what its card says."
        )
        name: FieldName = Setting(default="copy", description="Start of the names of the scores.")

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        model = settings.get("model")
        return {**settings, "model": testing.make(embeddings.small_kind(str(model)))} if model else dict(settings)

    def __init__(self, config: Config) -> None:
        self.config = config
        self._folder = folder.listed(config.folder, config.range, config.skip_broken)
        self.reference: hub.Reference | None = None
        self.fields: Mapping[str, Number] = {f"{config.name}_bits": Number("bits")}
        if config.model is not None:
            settings = hub.ModelSettings(model=config.model, licence=config.licence)
            self.reference = hub.reference(settings, *embeddings.PICTURE_TYPES)
            self.fields = {**self.fields, f"{config.name}_similarity": Number()}
        self._image = Image(1, 1, 1)
        self._hashes: np.ndarray = np.zeros(0, dtype=np.uint64)
        self._vectors: np.ndarray = np.zeros((0, 0))
        self._embedder: Any = None

    def identity(self) -> dict[str, Any]:
        settings = self.config.model_dump(mode="json", include={"name", "range"})
        return settings | {source.kind: source.sha256 for source in self.sources}

    @property
    def sources(self) -> list[Source]:
        return [
            self._folder.source(self.config.folder_licence),
            *([self.reference.source] if self.reference else []),
        ]

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        self._image = image
        return []

    def setup(self, device: str) -> None:
        from synthgen.vision.perceptual_hash import perceptual_hash

        if self.reference:
            self._embedder = embeddings.Embedder(self.reference, device, texts=False)
        hashes: list[int] = []
        vectors: list[np.ndarray] = []
        waiting: list[np.ndarray] = []
        for i in range(len(self._folder.files)):
            picture = decoding.fit(self._folder.picture(i, self._image.channels), self._image.height, self._image.width)
            hashes.append(perceptual_hash(picture))
            waiting.append(picture)
            if len(waiting) == PICTURES_AT_ONCE:
                vectors, waiting = [*vectors, *self._embedded(waiting)], []
        vectors += self._embedded(waiting)
        self._hashes = np.array(hashes, dtype=np.uint64)
        self._vectors = np.array(vectors, dtype=np.float32)

    def _embedded(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One vector an image; none without a model."""
        return list(self._embedder.pictures(images)) if self._embedder and images else []

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        from synthgen.vision.perceptual_hash import distances, perceptual_hash

        hashes = [perceptual_hash(image) for image in columns["image"]]
        added = {f"{self.config.name}_bits": [float(distances(self._hashes, one).min()) for one in hashes]}
        if self._embedder:
            vectors = self._embedder.pictures(columns["image"]).astype(np.float32)
            added[f"{self.config.name}_similarity"] = [float((self._vectors @ vector).max()) for vector in vectors]
        return added
