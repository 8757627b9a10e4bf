"""Settings that every training shares, and the table in which a model card shows settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from synthgen.base.settings import Settings

IN_PIXELS = ("crop", "shift_px")
Row = str | tuple[str, str]

UnlabelledShare = Annotated[
    float,
    Field(
        gt=0,
        lt=1,
        exclude_if=lambda value: value == 0.5,
        description="Part of a batch without labels, where `data.unlabelled` names more data.",
    ),
]
"""The setting `unlabelled_share`; 0.5 is the default."""


class LoopConfig(Settings):
    """Settings that every gradient-trained model shares."""

    steps: int = Field(default=5000, ge=1, description="Optimiser steps.")
    batch_size: int = Field(default=64, ge=1, description="Images a step.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Peak learning rate of AdamW.")
    final_rate: float = Field(default=0.02, ge=0, le=1, description="Share of the peak rate at the last step (cosine).")
    warmup_steps: int = Field(default=300, ge=0, description="Steps of linear rise to the peak rate.")
    weight_decay: float = Field(default=0.01, ge=0, description="Decoupled weight decay.")
    max_grad_norm: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    ema_decay: float = Field(
        default=0.999, ge=0, lt=1, description="Decay of the averaged weights, which are what is kept."
    )
    checkpoint_every: int = Field(default=500, ge=1, description="Steps between checkpoints.")
    gradient_accumulation_steps: int = Field(
        default=1,
        ge=1,
        exclude_if=lambda value: value == 1,
        description="Parts that a batch is computed in, to save memory.",
    )


def table(config: Any, *rows: Row) -> dict[str, Any]:
    """Settings by the names that a card shows; lists are joined, lengths in pixels end with `px`.

    Args:
        rows: names of settings (`learning_rate`, `network.channels`), or pairs (name in the table, setting).
    """
    found: dict[str, Any] = {}
    for row in rows:
        shown, setting = (
            (row.split(".")[-1].removesuffix("_px").replace("_", " "), row) if isinstance(row, str) else row
        )
        value = config
        for name in setting.split("."):
            value = getattr(value, name)
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        found[shown] = f"{value} px" if setting in IN_PIXELS else value
    return found
