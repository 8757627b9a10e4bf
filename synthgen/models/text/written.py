"""What the text pipeline makes, and how it is asked to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from diffusers.utils import BaseOutput

from synthgen.models.text.segments import Record


@dataclass
class TextOutput(BaseOutput):
    """Generated records.

    Attributes:
        records: all segments with their contents; those that were given are as they were.
        log_likelihoods: mean natural logarithm of the probabilities, at temperature 1, of the tokens that were drawn,
            float64 (N,), each at the step that drew it; 0 where nothing was drawn.
        lowest: the lowest of these means among the parts that were written one after another, float64 (N,).
    """

    records: list[Record]
    log_likelihoods: np.ndarray
    lowest: np.ndarray


@dataclass(frozen=True, slots=True)
class Ways:
    """How masks are taken away: see `TextPipeline.__call__`, and the scheduler's `temperature` and `order_noise`."""

    n_steps: int
    guidance: float
    temperature: float | None
    order_noise: float | None
    no_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A record, or a part of one with its context, all of whose segments have contents.

    Attributes:
        log_likelihood: of all tokens that were drawn; n_drawn: how many those are.
        likelihood: the logarithm of that of tokens and lengths together.
    """

    record: Record
    log_likelihood: float
    n_drawn: int
    likelihood: float
