"""Every executor lets the observer hear of batches while a shard is being rendered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import helpers
from synthgen import api
from synthgen.generate.executors.worker import ShardProgress, ShardReport


class Events(api.Silent):
    """What an observer hears of, in order."""

    def __init__(self) -> None:
        self.all: list[ShardProgress | ShardReport] = []

    def batch_done(self, progress: ShardProgress) -> None:
        self.all.append(progress)

    def shard_done(self, report: ShardReport) -> None:
        self.all.append(report)


def events(folder: Path, **options: Any) -> list[ShardProgress | ShardReport]:
    """Of a shard of 40 whose batches take longer than a progress is kept back for."""
    seen = Events()
    sampler = {"use": "smooth", "size": 4, "seconds": 0.21}
    recipe = helpers.write(folder, helpers.toy(sampler=sampler, shard_size=40, scorers=None, keep=None))
    assert helpers.run(recipe, folder / "out", observer=seen, **options).complete
    return seen.all


def test_in_this_process_every_batch_is_heard_of(tmp_path: Path) -> None:
    *batches, report = events(tmp_path)
    assert isinstance(report, ShardReport)
    assert [(each.accepted, each.tries) for each in batches] == [(n, n) for n in range(4, 41, 4)]


def test_what_was_rejected_is_counted(tmp_path: Path) -> None:
    seen = Events()
    helpers.run(helpers.write(tmp_path, helpers.toy(batch_size=10)), tmp_path / "out", observer=seen)
    first = seen.all[0]
    assert isinstance(first, ShardProgress)
    assert first.tries == 10 == first.accepted + first.rejected["brightness >= 0.3"]


@pytest.mark.parametrize(
    "options", [{"workers": 2}, pytest.param({"executor": "ray"}, marks=[pytest.mark.ray, pytest.mark.slow])]
)
def test_elsewhere_some_are_heard_of_before_the_shard_is_done(tmp_path: Path, options: dict[str, Any]) -> None:
    """Two processes; on Ray, actors are asked once a second."""
    seen = Events()
    sampler = {"use": "smooth", "size": 4, "seconds": 0.21}
    condition = {"use": "classes", "quotas": {"dark": 40, "bright": 40}}
    recipe = helpers.toy(sampler=sampler, shard_size=40, condition=condition, scorers=None, keep=None)
    helpers.run(helpers.write(tmp_path, recipe), tmp_path / "out", observer=seen, **options)
    first = next(each for each in seen.all if isinstance(each, ShardReport))
    before = seen.all[: seen.all.index(first)]
    heard = [each.accepted for each in before if each.shard == first.shard]
    assert heard and all(0 < n <= 40 for n in heard)
