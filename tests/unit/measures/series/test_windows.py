"""What cannot be compared is said before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.errors import DataError
from synthgen.measures.series import windows

GOOD = np.zeros((4, 6, 2), dtype=np.float32)


@pytest.mark.parametrize(
    ("real", "synthetic", "said"),
    [
        (GOOD[0], GOOD, "real windows have the shape (6, 2)"),
        (GOOD, GOOD[:, :5], "real windows have 6 steps of 2 channels, synthetic ones 5 of 2"),
        (GOOD, np.full_like(GOOD, np.nan), "synthetic windows hold NaN"),
        (GOOD, GOOD[:1], "1 synthetic windows; this measure needs 2 or more"),
    ],
)
def test_what_cannot_be_compared(real: np.ndarray, synthetic: np.ndarray, said: str) -> None:
    with pytest.raises(DataError) as told:
        windows.check(real, synthetic)
    assert said in str(told.value)


def test_streams_depend_on_seed_and_purpose() -> None:
    draws = {windows.stream(seed, purpose).random() for seed in (0, 1) for purpose in ("a", "b")}
    assert len(draws) == 4
    assert windows.stream(1, "a").random() == windows.stream(1, "a").random()


def test_a_part_keeps_the_order_and_repeats_nothing() -> None:
    some = windows.some(np.arange(100), 30, windows.stream(0, "a"))
    assert len(some) == 30
    assert (np.diff(some) > 0).all()
    assert windows.some(some, 30, windows.stream(0, "a")) is some
