"""Keys of recipes that had another name before: what an old recipe should say."""

from __future__ import annotations

from collections.abc import Mapping

RENAMED: Mapping[str, str] = {
    "accumulate": "gradient_accumulation_steps",
    "against": "predicted",
    "balance": "class_balance",
    "draw": "generate",
    "draws": "repeats",
    "each": "repeats",
    "ema": "ema_decay",
    "grad_clip": "max_grad_norm",
    "intended": "reference",
    "judge": "evaluator",
    "known": "context_length",
    "noise_mean": "log_sigma_mean",
    "noise_std": "log_sigma_std",
    "picture_every": "sample_every",
    "shown": "observed_mask",
    "told": "missing_indicator",
    "unsure": "uncertain",
    "warmup": "warmup_steps",
}
