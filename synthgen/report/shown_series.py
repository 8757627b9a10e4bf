"""Samples that are series as small images: which of their fields is drawn, which channels of it, and over what time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.errors import UsageError
from synthgen.fields import Schema, first_shown
from synthgen.fields.names import with_units
from synthgen.fields.shown import Curves, Marks, Moment, Picture, TimeAxis
from synthgen.parts.registry import unknown
from synthgen.report import curves
from synthgen.report.time_axis import Axis

START = "start_time"
"""The field that says when a series begins, where its sampler or condition knows."""


def is_shown_as_series(schema: Schema) -> bool:
    """Whether samples are shown as curves: they have some, and no image."""
    return bool(first_shown(schema, Curves)[1]) and not first_shown(schema, Picture)[1]


def curves_field(schema: Schema) -> str:
    """The field whose curves are drawn, empty if there is none: with marks, the last that they belong to."""
    marks = first_shown(schema, Marks)[1]
    if marks is None:
        return first_shown(schema, Curves)[0]
    drawn = [name for name, kind in schema.items() if isinstance(kind.shown, Curves)]
    fitting = [name for name in drawn if schema[name].shown.channels == marks.channels]  # type: ignore[union-attr]
    return fitting[-1] if fitting else drawn[0]


def choose_channels(schema: Schema, asked: Sequence[str]) -> list[int]:
    """Numbers of the channels that were asked for, in their order; of all if none was.

    Raises:
        UsageError: there is no such channel.
    """
    kind = schema[curves_field(schema)].shown if is_shown_as_series(schema) else None
    names = kind.channels if isinstance(kind, Curves) else ()
    for name in asked:
        if name not in names:
            raise UsageError(f"--channel: {unknown(name, names, 'channel')}")
    return [names.index(name) for name in asked] or list(range(len(names)))


def draw(shown: Sequence[Mapping[str, Any]], schema: Schema, channels: Sequence[int]) -> list[np.ndarray]:
    """Every sample, by what its fields show, as uint8 (H, W, 3), on one scale for all."""
    name, marks = curves_field(schema), first_shown(schema, Marks)[0]
    kind = schema[name].shown
    assert isinstance(kind, Curves)
    names = [with_units(kind.channels, kind.units)[i] for i in channels]
    values = [parts[name][:, channels] for parts in shown]
    marked = [_of_channels(parts[marks], channels) if marks in parts else None for parts in shown]
    limits = curves.ranges(values)
    return [
        curves.draw(one, axis_of(parts, schema, len(one)), limits, some, names)
        for one, parts, some in zip(values, shown, marked, strict=True)
    ]


def _of_channels(marked: np.ndarray, channels: Sequence[int]) -> np.ndarray:
    """Marks (L, C) of these channels; those (L,) of all are each channel's."""
    found: np.ndarray = marked[:, channels] if marked.ndim == 2 else np.repeat(marked[:, None], len(channels), 1)
    return found


def axis_of(parts: Mapping[str, Any], schema: Schema, n_steps: int) -> Axis:
    """When the steps of a sample are: by its times and the moment they count from, as far as it has them."""
    name, time = first_shown(schema, TimeAxis)
    if time is None or name not in parts:
        return Axis(np.arange(n_steps, dtype=np.float64))
    moment = schema[START].shown if START in schema and START in parts else None
    if not isinstance(moment, Moment):
        return Axis(parts[name], time.unit)
    return Axis(parts[name], time.unit, parts[START], moment.zoned)
