"""Images of samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthgen.fields import Field, Image, SegmentationMap, Series, StepClasses, Times
from synthgen.report import preview


def test_scores_behind_marked_series_do_not_take_their_place() -> None:
    """The image is of the series with anomalies, not of the normal one before it nor of a score after it."""
    random = np.random.default_rng(0)
    kind = Series(40, ("x", "y"), ("V", "V"))
    schema: dict[str, Field] = {
        "series": kind,
        "time": Times(40, "s"),
        "anomaly": StepClasses(40, ("x", "y"), ("spike",)),
        "anomalous": kind,
    }
    sample: dict[str, Any] = {
        "series": np.zeros((40, 2), np.float32),
        "time": np.arange(40.0),
        "anomaly": np.zeros((40, 2), np.uint8),
        "anomalous": random.normal(size=(40, 2)).astype(np.float32),
        "score": random.random((40, 1)).astype(np.float32),
    }
    scored = {**schema, "score": Series(40, ("score",), ("1",))}
    assert np.array_equal(preview.pictures([sample], scored), preview.pictures([sample], schema))
    other = {**sample, "anomalous": sample["series"]}
    assert not np.array_equal(preview.pictures([other], schema), preview.pictures([sample], schema))


def test_the_legend_of_a_preview_counts_the_maps_that_it_shows() -> None:
    classes = ("sky", "road", "car")
    schema: dict[str, Field] = {"image": Image(40, 60, 3), "segmentation": SegmentationMap(40, 60, classes, classes)}
    maps = [np.full((40, 60), 2, np.uint8), np.full((40, 60), 1, np.uint8)]
    maps[1][:30] = 2
    image = np.zeros((40, 60, 3), np.uint8)
    samples = [{"image": image, "segmentation": ids} for ids in maps]
    tiles = preview.tiles_of(samples, [("", "", False)] * 2, schema)
    assert [tile.n_panels for tile in tiles] == [3, 3]
    assert [word for word, _ in preview.legend(schema, {"": tiles})] == ["road", "sky"]
