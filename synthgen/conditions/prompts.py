"""`use: prompts`: a sentence with named gaps (axes), filled with values so often as asked."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field as Setting
from pydantic import model_validator

from synthgen.base.settings import Settings
from synthgen.conditions import axes
from synthgen.conditions.axes import Axes, AxisValues, Combine, Quota
from synthgen.fields import Field, Label, Text
from synthgen.parts.plain import PlainPart
from synthgen.parts.registry import unknown


class Prompts(PlainPart):
    """Sentences made from a template; each axis is a field of its own, so that every sample says what it shows."""

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: prompts`."""

        template: str = Setting(description='The sentence, axes in braces: "a photo of a {animal} {place}".')
        axes: AxisValues = Setting(
            min_length=1, description="Values of each axis: a list, or values with whole weights."
        )
        label: str | None = Setting(default=None, description="The axis that is the class, `label`, of a sample.")
        combine: Combine = Setting(
            default="balanced", description="Every combination in turn, or each axis shuffled on its own."
        )
        quotas: list[Quota] = Setting(
            default=[], description="Exact counts of combinations, rare ones for instance; by default all alike."
        )
        seed: int = Setting(default=0, description="How the values are shuffled.")

        @model_validator(mode="after")
        def _consistent(self) -> Prompts.Config:
            axes.check(self.axes, self.combine, self.quotas, ("label", "prompt"))
            try:
                gaps = {name for _, name, _, _ in string.Formatter().parse(self.template) if name is not None}
            except ValueError as error:
                raise ValueError(f"`template` cannot be read: {error}; write {{{{ for a brace") from None
            for name in sorted(gaps - set(self.axes)):
                raise ValueError(f"`template`: {unknown(name, self.axes, 'axis')}")
            for name in sorted(set(self.axes) - gaps):
                raise ValueError(f"axis `{name}` is not in the template; write {{{name}}} where it belongs")
            if self.label is not None and self.label not in self.axes:
                raise ValueError(f"`label`: {unknown(self.label, self.axes, 'axis')}")
            return self

    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config
        self._axes = Axes(config.axes, config.combine, config.quotas, config.seed)
        self.samples = self._axes.samples
        fields: dict[str, Field] = {"label": Label(tuple(config.axes[config.label]))} if config.label else {}
        self.fields: Mapping[str, Field] = {**fields, "prompt": Text(), **self._axes.fields}

    def condition(self, index: int) -> tuple[dict[str, Any], None]:
        ids = self._axes.at(index)
        label = {"label": ids[self.config.label]} if self.config.label else {}
        return {**label, "prompt": self.config.template.format(**self._axes.names(ids)), **ids}, None
