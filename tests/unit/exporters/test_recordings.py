"""Recordings of real series: names of their columns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from synthgen.exporters.recordings import Recordings
from synthgen.fields import Series, StepLabels


def test_names_of_columns_are_unique() -> None:
    """A channel may be called as the entity, the time or a field is."""
    kind = Series(4, ("entity", "confidence", "state", "x"), ("", "", "", ""))
    sure = Series(4, ("confidence",), ("",))
    fields = {"series": kind, "confidence": sure, "state": StepLabels(4, ("on", "off"))}
    rows: Any = SimpleNamespace(kind=kind, fields=fields, field="series", time_unit="step")
    found = [column.name for column in Recordings(rows).columns]
    assert found == [
        *("entity", "time", "series.entity", "confidence", "state", "x"),
        *("field.confidence", "field.state"),
    ]
