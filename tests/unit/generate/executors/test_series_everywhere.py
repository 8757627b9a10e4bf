"""Series of every kind that a recipe can ask for: the same bytes on Ray, whole or grown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import helpers
import synthgen
import tiny

LITTLE = {"use": "series", "steps": 3, "batch_size": 4, "warmup_steps": 1}


def faults() -> dict[str, Any]:
    """Faults whose cuts are generated again, and series scored by their strangest step."""
    model = tiny.series()
    return {
        "condition": {"use": "classes", "quotas": {"calm": 7, "wild": 5}},
        "sampler": {"use": "series", "model": model, "steps": 2},
        "labelers": [
            "class-label",
            {"use": "denoising-error", "model": model},
            {
                "use": "anomalies",
                "kinds": {"frequency": 1, "stuck": 1},
                "length": [0.2, 0.4],
                "model": model,
                "seam": 3,
            },
        ],
        "scorers": ["peak"],
    }


def longer() -> dict[str, Any]:
    """Longer than the model's windows."""
    model = tiny.series()
    return {
        "condition": {"use": "classes", "quotas": {"calm": 7, "wild": 5}},
        "sampler": {"use": "series", "model": model, "steps": 2, "length": 41, "overlap": 0.5},
        "labelers": ["class-label"],
    }


def completed() -> dict[str, Any]:
    """Gaps of the user's own series, by a model of it that the recipe trains."""
    return {
        "data": tiny.gaps_data(),
        "train": LITTLE,
        "condition": {"use": "real-series", "generate": "missing", "repeats": 2},
        "sampler": {"use": "series", "model": "trained", "steps": 2},
        "labelers": [{"use": "denoising-error", "model": "trained"}],
    }


def varied() -> dict[str, Any]:
    """The user's own windows, generated again."""
    return {
        "data": tiny.gaps_data(),
        "train": LITTLE,
        "condition": {"use": "real-series", "generate": "variants", "repeats": 2},
        "sampler": {"use": "series", "model": "trained", "steps": 4, "strength": 0.5},
        "labelers": [{"use": "denoising-error", "model": "trained"}],
    }


def scored() -> dict[str, Any]:
    """The user's own windows as they are, with anomaly scores."""
    return {
        "data": tiny.gaps_data(),
        "train": LITTLE,
        "condition": {"use": "real-series", "generate": "nothing"},
        "sampler": {"use": "series", "model": "trained"},
        "labelers": [{"use": "denoising-error", "model": "trained"}],
    }


RECIPES: dict[str, Callable[[], dict[str, Any]]] = {
    "faults": faults,
    "longer": longer,
    "completed": completed,
    "varied": varied,
    "scored": scored,
}


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("name", RECIPES)
def test_one_process_and_two_actors_write_the_same_bytes(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    base = {"kind": "dataset", "name": name, "samples": 12, "shard_size": 4, "batch_size": 3}
    path = helpers.write(tmp_path, base | RECIPES[name]() | {"output": {"writers": ["webdataset", "parquet"]}})
    dataset = helpers.check_actors_write_the_same(path, tmp_path, cluster)
    samples = list(synthgen.load(dataset))
    assert len({sample["series"].tobytes() for sample in samples}) == 12, "equal series are easily equal elsewhere"
    scores = [sample["anomaly_score"] for sample in samples if "anomaly_score" in sample]
    assert len(scores) == (0 if name == "longer" else 12) and all(np.isfinite(score).any() for score in scores)
