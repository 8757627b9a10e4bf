"""Random faults, by schedules that a seed repeats: whatever happens, the next run ends with the same bytes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import faults

ROUNDS = 6
"""Schedules of each kind; `python tests/faults.py --schedules 500` plays many more."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", faults.KINDS)
def test_faults_change_no_byte(tmp_path: Path, kind: str) -> None:
    chaos = faults.Chaos(tmp_path)
    struck = Counter(chaos.play(seed, kind) for seed in range(ROUNDS))
    assert struck[True] > ROUNDS // 2, "most schedules never met their fault"
