"""`use: step-classes`: what is going on at each step of a series, by what a diffusion model of series sees in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Field, Schema, Series, StepLabels
from synthgen.models.parts import FolderPart
from synthgen.models.series.columns import ModelColumns
from synthgen.parts.problem import Problem


class StepClasses(FolderPart):
    """Writes the likeliest class of each step of a series, and its probability, 0 to 1.

    The model is a head on activations of a frozen model of series, which a few labelled stretches are enough for: see
    `trainer.use: step-classifier`. It labels real series (`use: real-series` with `generate: nothing`) as well as
    generated ones.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "StepClassifier"
    trainer: ClassVar[str] = "step-classifier"

    class Config(Settings):
        """Settings of `use: step-classes`."""

        model: str = Setting(description="The folder of a trained head with its model of series.")
        field: str = Setting(default="series", description="The series that is looked at.")
        time: str = Setting(default="time", description="The times of its steps.")
        name: FieldName = Setting(default="state", description="Name of the classes by step.")
        confidence: FieldName = Setting(default="confidence", description="Name of their probabilities by step.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._given = ModelColumns(self.index["of"], config.model, config.field, config.time)
        self._classifier: Any = None
        self._set_fields()

    def _set_fields(self) -> None:
        length, config = self._given.length, self.config
        fields: dict[str, Field] = {
            config.name: StepLabels(length, tuple(self.index["step_classes"])),
            config.confidence: Series(length, (config.confidence,), ("1",)),
        }
        self.fields: Mapping[str, Field] = fields

    def bind(self, columns: Schema) -> list[Problem]:
        problems = self._given.bind(columns, with_class=False)
        self._set_fields()
        return problems

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        self._classifier = registry.load_pipeline(self.folder, device, torch.float32)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        given, device = self._given, self._classifier.device
        found = self._classifier.predict_proba(
            given.series(columns, device), given.times(columns, device), given.beside(columns, device)
        )
        return {
            self.config.name: list((found.argmax(-1) + 1).astype(np.uint8)),
            self.config.confidence: list(found.max(-1, keepdims=True)),
        }
