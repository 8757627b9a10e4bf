"""The scorer that makes one number of a series."""

from __future__ import annotations

import numpy as np
import pytest

import helpers
from synthgen.errors import DataError
from synthgen.fields import Number, Series
from synthgen.scorers.peak import Peak

SERIES = {"anomaly_score": Series(4, ("anomaly_score",), ("1",)), "level": Series(4, ("a", "b"), ("mm", "mm"))}


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


def test_it_is_the_highest_or_a_quantile_of_what_is_there() -> None:
    columns = {"anomaly_score": [column(1, np.nan, 3, 2), column(0, 0, 0.5, np.nan)]}
    part, median = Peak(Peak.Config()), Peak(Peak.Config(quantile=0.5, name="middle"))
    for each in (part, median):
        assert each.bind(SERIES) == []
    assert part.annotate(columns, [1, 2]) == {"anomaly_score_peak": [3.0, 0.5]}
    assert median.annotate(columns, [1, 2]) == {"middle": [2.0, 0.0]}


def test_its_unit_is_the_series() -> None:
    part = Peak(Peak.Config(field="level"))
    assert part.bind(SERIES) == [] and part.fields == {"level_peak": Number("mm")}


def test_what_it_cannot_use_is_told() -> None:
    assert helpers.bind_messages(Peak(Peak.Config()), {}) == [
        "needs the series `anomaly_score`, such as the scores of `use: denoising-error`"
    ]
    with pytest.raises(DataError, match="has no value"):
        Peak(Peak.Config()).annotate({"anomaly_score": [column(np.nan, np.nan)]}, [1])
