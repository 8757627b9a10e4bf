"""What a worker raises: whose fault it is, and so whether the shard, the run or nobody is blamed."""

from __future__ import annotations

from typing import Any

import pytest

from synthgen.errors import DataError, PartLostError, StoreError, UnreachableError
from synthgen.generate.executors.outcome import Failure, outcome_of


class Raising:
    """A worker whose shards all raise."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def render(self, shard: int, listen: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "cause", "message"),
    [
        (ValueError("no"), "code", "ValueError: no"),
        (DataError("bad data"), "code", "bad data"),
        (PartLostError("actors die"), "system", "actors die"),
        (UnreachableError("the store does not answer"), "system", "the store does not answer"),
        (StoreError("the disk is full"), "fatal", "the disk is full"),
    ],
)
def test_the_cause_of_a_failure(error: Exception, cause: str, message: str) -> None:
    """A worker that does not reach the store, as behind a cut cable, ends no run: others may reach it."""
    found = outcome_of(Raising(error), 7, lambda *_: None)  # type: ignore[arg-type]
    assert isinstance(found, Failure)
    assert (found.shard, found.cause, found.message) == (7, cause, message) and "raise self.error" in found.details
