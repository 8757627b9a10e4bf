"""Embeddings of images and texts by CLIP, SigLIP and DINOv2 through transformers: vectors of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthgen.errors import DataError
from synthgen.models import hub
from synthgen.models.finite import finite

TEXT_TYPES = ("clip", "siglip", "siglip2")
"""Model types that embed images and texts into the same space."""
PICTURE_TYPES = (*TEXT_TYPES, "dinov2")


class Embedder:
    """A loaded model that turns images, and texts if it reads any, into float64 vectors of length 1.

    Images are embedded together, texts one by one and each once: then a vector depends on how many
    images stand beside its own, and on nothing else.
    """

    def __init__(self, reference: hub.Reference, device: str, texts: bool = True) -> None:
        processor = "AutoProcessor" if texts else "AutoImageProcessor"
        self._model, self._processor = hub.load(reference, "AutoModel", processor, device=device)
        hub.check_type(reference, self._model, *(TEXT_TYPES if texts else PICTURE_TYPES))
        self._texts: dict[str, np.ndarray] = {}

    @property
    def independent(self) -> bool:
        """Whether the model was trained with a sigmoid a text (SigLIP), not with a softmax over texts (CLIP)."""
        return hasattr(self._model, "logit_bias")

    def pictures(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors (N, D) of images, uint8 (H, W, 1 or 3) each."""
        import torch

        with torch.inference_mode():
            inputs = self._processor(images=coloured(images), return_tensors="pt").to(self._model.device)
            found = getattr(self._model, "get_image_features", self._model)(**inputs).pooler_output
        return unit(found.float().cpu().numpy())

    def text(self, text: str) -> np.ndarray:
        """The vector (D,) of a text.

        Raises:
            DataError: the model would read only its start.
        """
        import torch

        if text not in self._texts:
            limit = int(self._model.config.text_config.max_position_embeddings)
            check_length(self._processor.tokenizer, text, limit)
            tokens = self._processor(text=[text], padding="max_length", max_length=limit, return_tensors="pt")
            with torch.inference_mode():
                found = self._model.get_text_features(**tokens.to(self._model.device)).pooler_output
            self._texts[text] = unit(found.float().cpu().numpy())[0]
        return self._texts[text]

    def probabilities(self, pictures: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """How surely each text fits each image, (N, T), as the model was trained to say it.

        CLIP's add up to 1 over the texts; those of SigLIP are independent.

        Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", section
        3.1.2; Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", section 3.2.
        """
        logits = cosines(pictures, texts) * float(self._model.logit_scale.detach().double().exp())
        if self.independent:
            return 1 / (1 + np.exp(-(logits + float(self._model.logit_bias.detach().double()))))
        logits = np.exp(logits - logits.max(1, keepdims=True))
        return logits / logits.sum(1, keepdims=True)


def coloured(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Images as networks of transformers see them: uint8 (H, W, 3), grey ones with three equal channels."""
    return [np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image for image in images]


def unit(vectors: np.ndarray) -> np.ndarray:
    """float64 vectors (N, D) of length 1.

    Raises:
        NonFiniteError: one is not finite.
        DataError: one is zero: no similarity can be computed.
    """
    found = finite(vectors.astype(np.float64), "numbers of embeddings")
    lengths = np.sqrt((found**2).sum(1, keepdims=True))
    if not (lengths > 0).all():
        raise DataError("a model gave an image or a text no direction: its embedding is zero")
    return found / lengths


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarities (N, M) of vectors of length 1, (N, D) and (M, D).

    Each row is computed by itself: matrix products round by their shape.
    """
    return np.stack([(b * row).sum(1) for row in a]) if len(a) else np.zeros((0, len(b)))


def check_length(tokenizer: Any, text: str, limit: int) -> None:
    """Raises DataError if a text has more tokens than the `limit` that its model reads."""
    n_tokens = len(tokenizer(text)["input_ids"])
    if n_tokens > limit:
        raise DataError(f"the model reads {limit} tokens and this text has {n_tokens}: {text}")


def small_kind(model: str) -> str:
    """The kind of small model (`synthgen.testing`) that stands in for a model of this name."""
    name = model.lower()
    return next((kind for kind in ("siglip", "dinov2") if kind in name), "clip")
