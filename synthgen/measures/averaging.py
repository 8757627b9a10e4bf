"""A mean of weights over the end of a training: a trick for networks of every kind of data."""

from __future__ import annotations

from typing import Any

AVERAGED_OVER = 0.1
"""Share of the training that weights are averaged over."""


def averaged(model: Any, steps: int) -> Any:
    """A torch `AveragedModel`: a copy of `model` that follows its weights, an exponential mean over a tenth of `steps`.

    `update_parameters(model)` belongs after every step; the copy is its `module`.
    """
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    decay = max(0.0, 1 - 1 / max(1.0, AVERAGED_OVER * steps))
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)  # type: ignore[no-untyped-call]
