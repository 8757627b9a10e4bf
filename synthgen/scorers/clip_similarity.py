"""`use: clip-similarity`: how well an image fits a text, by CLIP or SigLIP through transformers."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field as Setting
from pydantic import field_validator

from synthgen import testing
from synthgen.base.settings import FieldName
from synthgen.errors import DataError
from synthgen.fields import Columns, Field, Image, Label, Number, Schema, Text
from synthgen.models import embeddings
from synthgen.models.hub import ModelSettings
from synthgen.models.parts import HubPart
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class ClipSimilarity(HubPart):
    """Adds the cosine similarity, -1 to 1, of the image's and the text's embeddings.

    The text is what the condition asks for. Numbers of different models cannot be compared: those of CLIP lie near 0.3
    where image and text fit, those of SigLIP near 0.1.
    """

    version: ClassVar[int] = 1
    types: ClassVar[tuple[str, ...]] = embeddings.TEXT_TYPES

    class Config(ModelSettings):
        """Settings of `use: clip-similarity`."""

        model: str = Setting(
            description="A CLIP or SigLIP in the format of transformers, or owner/name@commit of the hub, such as a "
            "commit of openai/clip-vit-base-patch32."
        )
        text: str | None = Setting(
            default=None,
            description='The text, with fields of the condition in braces: "a photo of a {label}"; by default the '
            "condition's prompt.",
        )
        name: FieldName = Setting(default="clip_similarity", description="Name of the score.")

        @field_validator("text")
        @classmethod
        def _readable(cls, text: str | None) -> str | None:
            try:
                _gaps(text or "")
            except ValueError as error:
                raise ValueError(f"cannot be read: {error}; write {{{{ for a brace") from None
            return text

    config: Config

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "model": testing.make(embeddings.small_kind(str(settings.get("model"))))}

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.fields: Mapping[str, Number] = {config.name: Number()}
        self._kinds: dict[str, Field] = {}
        self._embedder: Any = None

    def bind(self, columns: Schema) -> list[Problem]:
        if not isinstance(columns.get("image"), Image):
            return [Problem("needs an `image` field", ("image",))]
        words = {
            name.removeprefix("condition."): kind
            for name, kind in columns.items()
            if name.startswith("condition.") and isinstance(kind, Text | Label)
        }
        if self.config.text is None:
            if not isinstance(words.get("prompt"), Text):
                message = 'needs a condition with prompts, such as `use: prompts`, or `text: "a photo of a {label}"`'
                return [Problem(message, ("condition.prompt", "text"))]
            self._kinds = {"prompt": words["prompt"]}
            return []
        gaps = _gaps(self.config.text)
        self._kinds = {name: words[name] for name in gaps if name in words}
        return [
            Problem(unknown(name, words, "field of the condition"), (f"condition.{name}",), ("text",))
            for name in gaps
            if name not in words
        ]

    def setup(self, device: str) -> None:
        self._embedder = embeddings.Embedder(self.reference, device)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        pictures = self._embedder.pictures(columns["image"])
        texts = [self._embedder.text(self._text(columns, i)) for i in range(len(pictures))]
        return {self.config.name: [float((a * b).sum()) for a, b in zip(pictures, texts, strict=True)]}

    def _text(self, columns: Columns, i: int) -> str:
        values = {name: columns[f"condition.{name}"][i] for name in self._kinds}
        named = {
            name: kind.classes[values[name]] if isinstance(kind, Label) else values[name]
            for name, kind in self._kinds.items()
        }
        text = str(named["prompt"] if self.config.text is None else self.config.text.format(**named))
        if not text.strip():
            raise DataError("the condition gives an empty text; no similarity to it can be computed")
        return text


def _gaps(text: str) -> list[str]:
    """Names in braces, sorted. Raises ValueError if the braces do not match."""
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name is not None})
