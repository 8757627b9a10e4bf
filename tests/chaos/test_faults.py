"""Random faults, by schedules that a seed repeats: whatever happens, the next run ends with the same bytes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import bucket
import faults

ROUNDS = 5
"""Schedules of each kind; `python tests/faults.py --schedules 500` plays many more."""


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[faults.Chaos]:
    with bucket.serve() as server:
        yield faults.Chaos(tmp_path_factory.mktemp("chaos"), server)


@pytest.mark.slow
@pytest.mark.parametrize("kind", faults.KINDS)
def test_faults_change_no_byte(chaos: faults.Chaos, kind: str) -> None:
    struck = [chaos.play(seed, kind) for seed in range(ROUNDS)]
    assert any(struck), "no schedule met its fault"
