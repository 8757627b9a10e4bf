"""Images of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

import helpers
import synthgen
from synthgen.dataset import ledger
from synthgen.fields import Field, Image, SegmentationMap, Series, StepClasses, Times
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


def stamped(folder: Path) -> Path:
    """A dataset of windows of eight channels with real times, as they are in a table of hours."""
    random = np.random.default_rng(0)
    rows = ["time," + ",".join(f"z{i}" for i in range(8))]
    for hour in range(240):
        moment = np.datetime64("2017-03-05T06:00") + np.timedelta64(hour, "h")
        rows.append(f"{moment}," + ",".join(f"{value:.3f}" for value in random.normal(size=8)))
    (folder / "t.csv").write_text("\n".join(rows))
    data = {"path": str(folder / "t.csv"), "length": 24, "stride": 24, "units": {"z7": "kW"}}
    content = {
        "kind": "dataset",
        "name": "hours",
        "condition": {"use": "real-series", "generate": "nothing", "part": "all", "data": data},
    }
    return helpers.run(helpers.write(folder, content), folder / "out").out


def test_every_channel_of_a_dataset_can_be_chosen(cli, tmp_path: Path) -> None:
    folder = stamped(tmp_path)
    sizes = {}
    for name, words in (("all", ()), ("last", ("--channel", "z7")), ("two", ("--channel", "z7", "--channel", "z0"))):
        out = tmp_path / f"{name}.png"
        assert cli("preview", folder, "-o", out, "--samples", 1, *words).code == 0
        sizes[name] = np.asarray(Pillow.open(out)).shape[0]
    assert sizes["two"] - sizes["last"] == curves.PANEL
    assert sizes["all"] - sizes["last"] == curves.HEIGHT - curves.PANEL
    answer = cli("preview", folder, "-o", tmp_path / "x.png", "--channel", "z8")
    assert answer.code == 2 and "--channel: unknown channel `z8`; did you mean `z" in answer.err


def test_series_with_a_start_have_its_moment_on_their_axis(tmp_path: Path) -> None:
    book = ledger.read(stamped(tmp_path))
    [sample] = [s for s in synthgen.load(book.place) if s["start_time"] == np.datetime64("2017-03-06T06:00")]
    axis = shown_series.axis_of(sample, book.fields, 24)
    assert axis.words() == ("2017-03-06 06:00", "", "2017-03-07 05:00")
    without = {name: value for name, value in sample.items() if name != "start_time"}
    assert shown_series.axis_of(without, book.fields, 24).words() == ("0", "time (h)", "23")
