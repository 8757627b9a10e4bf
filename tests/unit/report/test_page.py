"""`synthgen report`: the page of a dataset, and the series that it compares."""

from __future__ import annotations

import base64
import html
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import helpers
import synthgen
import tiny
from synthgen.dataset import ledger
from synthgen.dataset.store import Store
from synthgen.measures.series import values
from synthgen.readers import origin
from synthgen.report import compared, page, real_data
from synthgen.stages import evaluation


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered series; look, do not touch."""
    folder = tmp_path_factory.mktemp("waves")
    return helpers.run(helpers.write(folder, tiny.waves()), folder / "out").out


def written(cli, folder: Path, out: Path, *more: object) -> str:
    answer = cli("report", folder, "-o", out, *more)
    assert answer.code == 0, answer.err
    return out.read_text()


def rows(page: str) -> list[list[str]]:
    """Cells of every row of every table, without marks."""
    found = re.findall(r"<tr>(.*?)</tr>", page, flags=re.DOTALL)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, flags=re.DOTALL) for row in found]
    return [[html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in cells]


def pictures(page: str, kind: str) -> list[bytes]:
    return [base64.b64decode(text) for text in re.findall(rf'src="data:image/{kind};base64,([^"]+)"', page)]


def test_counts_and_rejections_are_those_of_the_manifest(cli, finished: Path, tmp_path: Path) -> None:
    page = written(cli, finished, tmp_path / "r.html")
    manifest, shown = helpers.manifest(finished), rows(page)
    assert ["samples", "40"] in shown
    (rejected,) = manifest["rejected"].values()
    share = f"{100 * rejected / manifest['tries']:.1f} %"
    assert ["brightness >= 0.3", str(rejected), share] in shown
    for name in ("dark", "bright"):
        label = synthgen.load(finished).classes.index(name)
        by_split = [sum(s["label"] == label for s in synthgen.load(finished, split=part)) for part in ("train", "val")]
        assert [name, str(manifest["classes"][name]), *map(str, by_split)] in shown


def test_samples_are_in_the_page(cli, finished: Path, tmp_path: Path) -> None:
    page = written(cli, finished, tmp_path / "r.html")
    stored = {sample["image"].tobytes() for sample in synthgen.load(finished)}
    tiles = [np.asarray(Image.open(io.BytesIO(png))) for png in pictures(page, "png")]
    assert len(tiles) == 20 and all(tile.tobytes() in stored for tile in tiles)
    assert len(pictures(page, "svg\\+xml")) == 1, "one score, one histogram"


def test_the_page_needs_nothing_from_elsewhere(cli, waves: Path, tmp_path: Path) -> None:
    page = written(cli, waves, tmp_path / "r.html")
    assert {link[:5] for link in re.findall(r'(?:src|href)="([^"]*)"', page)} == {"data:"}
    for word in ("<script", "@import", "url(", "<link"):
        assert word not in page
    assert 'name="viewport"' in page


def test_equal_data_give_equal_pages(cli, waves: Path, tmp_path: Path) -> None:
    first, second = (written(cli, waves, tmp_path / f"{name}.html") for name in "ab")
    assert first == second


def test_by_default_it_lies_in_the_folder_and_verify_is_content(cli, dataset: Path) -> None:
    assert cli("report", dataset).code == 0
    assert (dataset / "reports" / "report.html").is_file()
    assert cli("verify", dataset).code == 0
    assert len(synthgen.load(dataset)) == 40


def test_an_incomplete_dataset_says_so(cli, dataset: Path, tmp_path: Path) -> None:
    next((dataset / "data" / "train").glob("shard-00001.*")).unlink()
    assert cli("verify", dataset).code == 1
    answer = cli("report", dataset, "-o", tmp_path / "r.html")
    assert answer.code == 0 and "note      the dataset is incomplete" in answer.out
    page = (tmp_path / "r.html").read_text()
    assert "<b>Incomplete:</b>" in page
    manifest = helpers.manifest(dataset)
    for name, n in [*manifest["classes"].items(), *((f"split {k}", n) for k, n in manifest["splits"].items())]:
        assert [name, str(n)] in rows(page)


def test_a_dataset_without_samples_has_a_page(cli, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(tries=1, keep=["brightness >= 9"]))
    helpers.run(recipe, tmp_path / "out")
    page = written(cli, tmp_path / "out", tmp_path / "r.html")
    assert ["samples", "0 of 40"] in rows(page) and "<h2>Samples</h2>" not in page
    assert ["brightness >= 9", "40", "100.0 %"] in rows(page)


def test_a_dataset_that_was_never_sealed_is_refused(cli, dataset: Path) -> None:
    (dataset / "manifest.json").unlink()
    answer = cli("report", dataset)
    assert answer.code == 1 and "was never sealed" in answer.err and "synthgen run" in answer.err


def test_words_of_a_recipe_are_no_markup(cli, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(description="<b>3 < 4 & more</b>"))
    helpers.run(recipe, tmp_path / "out")
    page = written(cli, tmp_path / "out", tmp_path / "r.html")
    assert "&lt;b&gt;3 &lt; 4 &amp; more&lt;/b&gt;" in page


def test_models_and_their_licences_are_named(cli, waves: Path, tmp_path: Path) -> None:
    shown = rows(written(cli, waves, tmp_path / "r.html"))
    for source in helpers.manifest(waves)["sources"]:
        licence = source["licence"] or "not stated"
        assert [source["kind"], source["name"], licence, source["sha256"][:16]] in shown


def test_evaluations_beside_the_data_are_shown(cli, dataset: Path, tmp_path: Path) -> None:
    digest = helpers.manifest(dataset)["digest"]
    scores = {"synthetic": {"accuracy": {"mean": 85.65, "deviation": 0.12}}}
    store = Store(dataset)
    evaluation.keep(store, {}, {"dataset": digest, "scores": scores})
    page = written(cli, dataset, tmp_path / "r.html")
    assert ["synthetic", "85.65 ± 0.12"] in rows(page) and "another dataset" not in page
    evaluation.keep(store, {}, {"dataset": "0" * 64, "scores": scores})
    assert "another dataset" in written(cli, dataset, tmp_path / "r.html")


def test_series_stand_beside_real_ones(cli, waves: Path, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, tiny.series_recipe(), "real.yaml")
    page = written(cli, waves, tmp_path / "r.html", "--real", recipe)
    found = re.findall(r"<h3>(\w+: \d+ generated), \d+ real</h3>", page)
    assert found == ["calm: 6 generated", "wild: 4 generated"]
    charts = pictures(page, "svg\\+xml")
    assert len(charts) == 2 * 2 * 4 and len(set(charts)) == len(charts)


def test_real_data_are_for_series(cli, finished: Path, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, tiny.series_recipe(), "real.yaml")
    answer = cli("report", finished, "--real", recipe)
    assert answer.code == 2 and "--real: compares series" in answer.err


def test_real_data_must_be_alike(cli, waves: Path, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, tiny.series_recipe(length=16), "real.yaml")
    answer = cli("report", waves, "--real", recipe)
    assert answer.code == 1 and "both must be alike" in answer.err


def test_real_windows_are_of_the_class(waves: Path, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, tiny.series_recipe(), "real.yaml")
    found = compared.compare(ledger.read(waves), real_data.named(str(recipe)))
    assert [group.name for group in found.groups] == ["calm", "wild"]
    assert found.interval == 1.0 and found.time_unit == "h"
    for station, group in enumerate(found.groups):
        rain = tiny.sensor_values(240, station)[:, 1].round(3)
        assert group.real is not None and set(group.real[:, :, 1].ravel().round(3).tolist()) <= set(rain.tolist())
        mine = [s["series"] for s in synthgen.load(waves) if s["label"] == station]
        assert np.array_equal(np.sort(group.generated, axis=0), np.sort(np.stack(mine), axis=0))


@pytest.fixture
def evaluated(waves: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Series that were evaluated, and the table of the real ones, which may be changed."""
    folder = Path(shutil.copytree(waves, tmp_path / "evaluated"))
    table = Path(shutil.copy(tiny.series_data()["path"], tmp_path / "real.csv"))
    data = tiny.series_recipe(path=str(table))["trainer"]["data"]
    random = np.random.default_rng(0)
    channels = [channel.name for channel in compared.compare(ledger.read(folder), None).channels]
    generated, real = random.normal(size=(40, 17, 2)), random.normal(size=(80, 17, 2))
    generated[..., 1] *= 0.5
    found = {
        "dataset": helpers.manifest(folder)["digest"],
        "kind": "series",
        "values": values.measure(generated, real, channels, 4),
    }
    evaluation.keep(Store(folder), {"data": data, "data_sha256": origin.sha256(data)}, found)
    return folder, table


def test_real_windows_of_the_last_evaluation_are_shown_and_said(cli, evaluated: tuple[Path, Path]) -> None:
    folder, table = evaluated
    before = len(pictures((page.render(ledger.read(folder), with_real=False)).html, "png"))
    answer = cli("report", folder)
    assert f"note      the page shows 8 real windows of {table}; --no-real leaves them out" in answer.out
    text = (folder / "reports" / "report.html").read_text()
    assert len(pictures(text, "png")) == before + 8
    assert re.findall(r"<h3>([^<]+)</h3>\s*<div class=\"tiles\">", text) == [
        *("calm", "calm: real windows", "wild", "wild: real windows")
    ]
    assert "8 real windows stand beside them" in text and "have changed" not in text
    assert "10 of 10, chosen at random" in text, "real windows are not counted as samples"


def test_real_windows_are_left_out_if_asked(cli, evaluated: tuple[Path, Path], tmp_path: Path) -> None:
    text = written(cli, evaluated[0], tmp_path / "r.html", "--no-real")
    assert ": real windows" not in text and "Real data:" not in text and "Generated series" in text
    assert not re.search(r"\d real</h3>", text)
    answer = cli("report", evaluated[0], "--no-real", "--real", "x.yaml")
    assert answer.code == 2 and "--no-real: leaves out what --real asks for" in answer.err


def test_real_data_that_changed_or_went_are_said(cli, evaluated: tuple[Path, Path], tmp_path: Path) -> None:
    folder, table = evaluated
    *others, last = table.read_text().splitlines()
    table.write_text("\n".join([*others, f"{last.rpartition(',')[0]},0.125"]) + "\n")
    assert "real data have changed since" in written(cli, folder, tmp_path / "r.html")
    table.unlink()
    text = written(cli, folder, tmp_path / "r.html")
    assert f"real windows of the last evaluation cannot be shown: {table}: no such file" in html.unescape(text)
    assert ": real windows" not in text and " generated</h3>" in text


def test_no_value_of_the_real_data_is_stored_by_an_evaluation(evaluated: tuple[Path, Path]) -> None:
    known = evaluation.read(Store(evaluated[0]))
    assert known is not None and set(known.asked) == {"data", "data_sha256"}


def test_channels_are_listed_the_worst_first_and_lead_to_their_charts(
    cli, evaluated: tuple[Path, Path], tmp_path: Path
) -> None:
    text = written(cli, evaluated[0], tmp_path / "r.html", "--no-real")
    names = [channel.name for channel in compared.compare(ledger.read(evaluated[0]), None).channels]
    listed = [row for row in rows(text) if row[:1] and row[0] in names]
    assert [row[0] for row in listed] == [names[1], names[0]]
    assert float(listed[0][1]) == pytest.approx(0.5, abs=0.1)
    assert [row[2].endswith(" *") for row in listed] == [True, False]
    links = re.findall(r'href="#([^"]+)"', text)
    assert links == ["channel-1", "channel-0"] and all(f'<figure id="{link}">' in text for link in links)
    assert "in 1 of 2 channels" in text and "values: channels" not in text


def test_channels_of_a_page_can_be_chosen(cli, waves: Path, tmp_path: Path) -> None:
    every, one = (written(cli, waves, tmp_path / "r.html", *words) for words in ((), ("--channel", "rain")))
    assert len(pictures(one, "svg\\+xml")) * 2 == len(pictures(every, "svg\\+xml"))
    assert "1 of 2 channels are shown" in one and "channels are shown" not in every
    answer = cli("report", waves, "--channel", "snow")
    assert answer.code == 2 and "--channel: unknown channel `snow`" in answer.err


@pytest.mark.parametrize(
    ("times", "interval"),
    [([[0, 0.5, 1.0], [3, 3.5, 4.0]], 0.5), ([[0, 1, 2], [0, 1, 3]], None), ([[0], [0]], None)],
)
def test_intervals_hold_for_all_or_for_none(times: list[list[float]], interval: float | None) -> None:
    assert compared.regular([np.array(one, dtype=np.float64) for one in times]) == interval


def test_every_index_is_read_once(cli, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Counted(pq.ParquetFile):
        def __init__(self, source: object, *arguments: object, **options: object) -> None:
            opened.append(str(getattr(source, "name", source)))
            super().__init__(source, *arguments, **options)

    monkeypatch.setattr(pq, "ParquetFile", Counted)
    written(cli, finished, tmp_path / "r.html")
    indexes = [path for path in opened if "/index/" in path]
    assert sorted(indexes) == sorted(map(str, (finished / "index").iterdir()))


def test_a_page_that_cannot_be_written(cli, finished: Path, tmp_path: Path) -> None:
    answer = cli("report", finished, "-o", tmp_path / "no" / "r.html")
    assert answer.code == 1 and "name another file with -o" in answer.err


def test_a_copy_without_records_has_a_page(cli, finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    for private in ("commits", ".synthgen", "log"):
        shutil.rmtree(copy / private, ignore_errors=True)
    assert ["samples", "40"] in rows(written(cli, copy, tmp_path / "r.html"))
