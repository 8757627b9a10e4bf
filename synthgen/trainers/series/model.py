"""The untrained network of a series training, and the pipeline around a trained one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from synthgen.models.series.denoiser import SeriesDenoiser
from synthgen.models.series.entities import Entities
from synthgen.models.series.pipeline import SeriesPipeline
from synthgen.models.series.scaler import SeriesScaler
from synthgen.readers.series.reader import Windows
from synthgen.trainers.series.calendar import calendar_of
from synthgen.trainers.series.entities import shares

PRESETS: Mapping[str, Mapping[str, int]] = {
    "tiny": {"width": 64, "n_blocks": 3, "n_heads": 4},
    "mini": {"width": 96, "n_blocks": 4, "n_heads": 4},
    "small": {"width": 128, "n_blocks": 4, "n_heads": 4},
    "base": {"width": 256, "n_blocks": 8, "n_heads": 8},
}
MOST_VALUES = {"tiny": 16, "mini": 128, "small": 10**9}
"""Values in a token, up to which `preset: auto` is one of these."""

LONGEST, N_TOKENS = 64, 32
"""Windows up to so many steps have a token a step with `patch: auto`; longer ones have about so many tokens."""


@dataclass(frozen=True, slots=True)
class Size:
    """What `preset` and `patch` of a training come to: a name in PRESETS, and steps in a token."""

    preset: str
    patch: int

    @classmethod
    def of(cls, config: Any, n_scaled: int, length: int) -> Size:
        """Of windows of `length` steps and so many scaled channels: wider networks where a token carries more."""
        patch = config.patch
        if patch == "auto":
            patch = 1 if length <= LONGEST else -(-length // N_TOKENS)
        preset = config.preset
        if preset == "auto":
            preset = next(name for name, most in MOST_VALUES.items() if n_scaled * patch <= most)
        return cls(preset, patch)


def network(config: Any, scaler: SeriesScaler, windows: Windows, entities: Entities | None) -> SeriesDenoiser:
    """The untrained network for such windows, which say whose they are if it knows `entities`."""
    size = Size.of(config, scaler.n_scaled, windows.length)
    made: SeriesDenoiser = SeriesDenoiser(
        scaler.n_scaled,
        len(windows.covariate_names),
        len(windows.static_names),
        len(windows.classes) or 1,
        patch=size.patch,
        interval=windows.median_step,
        wide=True,
        dropout=config.dropout,
        level_shifts=config.level_shift > 0,
        **PRESETS[size.preset],
    )
    covariates, of_entities = windows.row_covariates[windows.covered], shares(entities)
    n_static = len(windows.static_names) - len(of_entities)
    static = windows.entity_static[:, :n_static][windows.entities]
    made.set_units(torch.from_numpy(covariates), torch.from_numpy(static), torch.from_numpy(of_entities))
    return made


def pipeline(
    config: Any,
    model: SeriesDenoiser,
    scaler: SeriesScaler,
    scheduler: Any,
    windows: Windows,
    entities: Entities | None,
) -> SeriesPipeline:
    """The pipeline around averaged weights; `windows` are those that it was trained on."""
    calendar = calendar_of(config.data, windows)
    made = SeriesPipeline(
        model,
        scaler,
        scheduler,
        dict(enumerate(windows.classes or ("series",))),
        [channel.name for channel in windows.channels],
        [channel.unit for channel in windows.channels],
        windows.length,
        windows.time_unit,
        windows.covariate_names,
        windows.static_names,
        # windows around events begin at one place of a series only, and could not go on from another
        config.observed_mask.start > 0 and config.data.events is None,
        calendar=calendar.stored() if calendar else None,
        entities=entities.stored() if entities else None,
    )
    made.set_progress_bar_config(disable=True)
    return made
