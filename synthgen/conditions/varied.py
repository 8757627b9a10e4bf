"""What conditions share that stand on real images and let other things vary besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field as Setting

from synthgen.base.settings import Settings
from synthgen.conditions import axes
from synthgen.conditions.axes import Axes, AxisValues
from synthgen.fields import Label


class Vary(Settings):
    """Settings of conditions with axes besides; a sampler's `prompt` says them: "a {label}, {weather}"."""

    vary: AxisValues = Setting(
        default={}, description="Axes that vary from sample to sample, for prompts: a list of values, or with weights."
    )


class Varied:
    """The axes of `vary`, as fields and as values of a slot."""

    def __init__(self, config: Vary, taken: Sequence[str], seed: int) -> None:
        axes.check(config.vary, "balanced", [], taken)
        self._axes = Axes(config.vary, seed=seed) if config.vary else None
        self.fields: Mapping[str, Label] = self._axes.fields if self._axes else {}

    def at(self, index: int) -> dict[str, Any]:
        return dict(self._axes.at(index)) if self._axes else {}
