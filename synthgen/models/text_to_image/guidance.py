"""Guidance of a batch whose samples are guided differently, for pipelines that take one number."""

from __future__ import annotations

from typing import Any


class Scales(float):
    """The largest scale as a float; in a product with a batch (N, ...) each sample has its own.

    Classifier-free pipelines compare the scale with 1 and multiply a difference of predictions by
    it, and nothing else, so that one call serves a batch of several scales. `largest` is that of
    the whole set that scales are drawn from: it must not depend on what stands in the batch.
    """

    values: tuple[float, ...]

    def __new__(cls, values: tuple[float, ...], largest: float) -> Scales:
        made = super().__new__(cls, largest)
        made.values = values
        return made

    def __mul__(self, other: Any) -> Any:
        import torch

        if not isinstance(other, torch.Tensor):
            return float(self) * other
        scales = torch.tensor(self.values, dtype=other.dtype, device=other.device)
        return scales.view(-1, *[1] * (other.ndim - 1)) * other

    __rmul__ = __mul__
