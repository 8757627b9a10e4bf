"""`use: denoising-error`: how unlikely every step of a series is to a diffusion model of such series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field as Setting

from synthgen import seeds as streams
from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Schema, Series
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.models.series.columns import ModelColumns
from synthgen.parts.problem import Problem


class DenoisingError(FolderPart):
    """Writes a score of every step, higher where a series is less like the model's data; one channel, no unit.

    Noise is put on the series and the model takes it off again: the score is what its estimate is off by, relative to
    the noise and at most to the channel's deviation, the mean over noise levels and the root mean square over the
    channels that were observed. Low levels find rough and stuck values, high ones values that do not fit their
    surroundings. A step without any value has NaN. Scores of one model compare with each other, those of two do not.

    A model that wants a class, covariates or static numbers takes them from the condition, as the sampler does.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "SeriesPipeline"
    trainer: ClassVar[str] = "series"

    class Config(Settings):
        """Settings of `use: denoising-error`."""

        model: str = Setting(description="A starter such as starter/ecg, or the folder of a model of normal series.")
        field: str = Setting(default="series", description="The series that is scored.")
        time: str = Setting(default="time", description="The times of its steps.")
        name: FieldName = Setting(default="anomaly_score", description="Name of the scores by step.")
        sigma: tuple[Annotated[float, Setting(ge=0.002, le=80)], ...] = Setting(
            default=(0.1, 0.3, 1.0, 20.0),
            min_length=1,
            description="Noise levels, where 1 is about the standard deviation of a channel.",
        )
        repeats: int = Setting(
            default=1, ge=1, description="Pairs of noise a level; more make scores smoother and cost as much more."
        )
        mask: Literal["blocks", "none"] = Setting(
            default="blocks",
            description="blocks: every second block gets the noise and the others are known, then the other way "
            "round; none: all steps get it at once, which costs half.",
        )
        block: int = Setting(default=16, ge=1, description="Steps of a block.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        scaler = folders.component_config(self.folder, "scaler")
        self._n_scaled = int(scaler["n_channels"]) + len(scaler["gated"]) + len(scaler.get("held", []))
        self._given = ModelColumns(self.index, config.model, config.field, config.time)
        self._pipeline: Any = None
        self._set_fields()

    def _set_fields(self) -> None:
        self.fields = {self.config.name: Series(self._given.length, (self.config.name,), ("1",))}

    def bind(self, columns: Schema) -> list[Problem]:
        problems = self._given.bind(columns, with_class=True)
        self._set_fields()
        return problems

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        self._pipeline = registry.load_pipeline(self.folder, device, torch.float32)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        import torch

        from synthgen.models.series.denoising_error import deviations, hidden_in_turns

        config, given, device = self.config, self._given, self._pipeline.device
        noise = streams.normals(seeds, (config.repeats, given.length, self._n_scaled))
        with torch.inference_mode():
            off = deviations(
                self._pipeline,
                given.series(columns, device),
                hidden_in_turns(given.length, config.block if config.mask == "blocks" else None).to(device),
                config.sigma,
                torch.from_numpy(noise).to(device),
                given.labels(columns, device),
                given.times(columns, device),
                given.beside(columns, device),
            )
            scores = off.square().nanmean(-1, keepdim=True).sqrt().cpu().numpy()
        return {config.name: list(scores)}
