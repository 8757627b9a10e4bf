"""How texts of diffusion are denoised, as the pipelines of diffusers call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Steps:
    """How texts are denoised.

    Attributes:
        scheduler: class of diffusers; options: its settings, by their names there.
        n_new: tokens at most; steps: for each block.
        call: further arguments of the pipeline's call.
    """

    scheduler: str
    n_new: int
    steps: int
    options: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
