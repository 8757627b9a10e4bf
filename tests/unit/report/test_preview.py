"""Images of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

import helpers
import tiny
from synthgen.fields import Field, Image, SegmentationMap, Series, StepClasses, StepLabels, Times, Timestamp
from synthgen.report import curves, preview, shown_series


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
    both = [0, 1]
    assert np.array_equal(preview.pictures([sample], scored, both), preview.pictures([sample], schema, both))
    other = {**sample, "anomalous": sample["series"]}
    assert not np.array_equal(preview.pictures([other], schema, both), preview.pictures([sample], schema, both))


def test_classes_of_steps_colour_all_curves() -> None:
    random = np.random.default_rng(0)
    schema: dict[str, Field] = {
        "series": Series(40, ("x", "y"), ("V", "V")),
        "time": Times(40, "s"),
        "state": StepLabels(40, ("idle", "busy")),
        "confidence": Series(40, ("confidence",), ("1",)),
    }
    sample: dict[str, Any] = {
        "series": random.normal(size=(40, 2)).astype(np.float32),
        "time": np.arange(40.0),
        "state": np.zeros(40, np.uint8),
        "confidence": np.ones((40, 1), np.float32),
    }
    busy = {**sample, "state": np.repeat(np.array([0, 2], np.uint8), 20)}
    for channels in ([0, 1], [0], [1]):
        plain, marked = (preview.pictures([one], schema, channels)[0] for one in (sample, busy))
        changed = np.flatnonzero((plain != marked).any(axis=(0, 2)))
        assert len(changed) and changed.min() > plain.shape[1] * 0.4


def test_the_legend_of_a_preview_counts_the_maps_that_it_shows() -> None:
    classes = ("sky", "road", "car")
    schema: dict[str, Field] = {"image": Image(40, 60, 3), "segmentation": SegmentationMap(40, 60, classes, classes)}
    maps = [np.full((40, 60), 2, np.uint8), np.full((40, 60), 1, np.uint8)]
    maps[1][:30] = 2
    image = np.zeros((40, 60, 3), np.uint8)
    samples = [{"image": image, "segmentation": ids} for ids in maps]
    tiles = preview.tiles_of(samples, [("", "", False)] * 2, schema, [])
    assert [tile.n_panels for tile in tiles] == [3, 3]
    assert [word for word, _ in preview.legend(schema, {"": tiles})] == ["road", "sky"]


def test_every_channel_of_a_dataset_can_be_chosen(cli, tmp_path: Path) -> None:
    folder = helpers.run(helpers.write(tmp_path, tiny.waves()), tmp_path / "out").out
    sheets = {}
    for name in ("", "wave", "rain"):
        out = tmp_path / f"{name}.png"
        assert cli("preview", folder, "-o", out, "--samples", 1, *(["--channel", name] if name else [])).code == 0
        sheets[name] = np.asarray(Pillow.open(out))
    assert sheets["wave"].shape == sheets["rain"].shape and (sheets["wave"] != sheets["rain"]).any()
    assert sheets[""].shape[0] - sheets["rain"].shape[0] == curves.PANEL
    answer = cli("preview", folder, "-o", tmp_path / "x.png", "--channel", "raim")
    assert answer.code == 2 and "--channel: unknown channel `raim`; did you mean `rain`?" in answer.err


def test_series_with_a_start_have_its_moment_on_their_axis() -> None:
    schema: dict[str, Field] = {
        "series": Series(24, ("load",), ("kW",)),
        "time": Times(24, "h"),
        "start_time": Timestamp(True),
    }
    sample = {"time": np.arange(24.0), "start_time": np.datetime64("2017-03-06T06:00", "us")}
    assert shown_series.axis_of(sample, schema, 24).words() == ("2017-03-06 06:00", "UTC", "2017-03-07 05:00")
    assert shown_series.axis_of({"time": np.arange(24.0)}, schema, 24).words() == ("0", "time (h)", "23")
    assert shown_series.axis_of({}, schema, 24).words() == ("0", "time (step)", "23")
