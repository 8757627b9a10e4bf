"""A training on a table of entities: what the model stores of them, and series that are asked for by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import helpers
import series_files as files
from synthgen.fields import Label, Series, Text, Times, Timestamp
from synthgen.labelers.anomalies.labeler import Anomalies
from synthgen.labelers.denoising_error import DenoisingError
from synthgen.models import registry
from synthgen.models.series.entities import Entities, asked_of
from synthgen.parts.protocols import Slot
from synthgen.readers.series import reader
from synthgen.samplers.series import SeriesSampler
from synthgen.trainers.series import entities as trained
from synthgen.trainers.series.calendar import calendar_of
from synthgen.trainers.series.entities import entities_of, with_identity
from synthgen.trainers.series.trainer import SeriesTrainer

LEVELS = {"north": 10.0, "south": 100.0, "east": 1000.0, "west": 10_000.0}
REGIONS = {"north": 1.0, "south": 2.0, "east": 1.0, "west": 2.0}
"""The one static column: it does not tell a store from the other one of its region."""


def stores(path: Path, n_rows: int = 160) -> Path:
    """Daily sales of four stores, ten times as large from one to the next, which open a year after each other."""
    random = np.random.default_rng(0)
    names = np.repeat(list(LEVELS), n_rows)
    sales = np.concatenate([level * (1 + 0.1 * random.normal(size=n_rows)) for level in LEVELS.values()])
    first = [np.datetime64(f"{2020 + i}-01-01", "s") for i in range(len(LEVELS))]
    days = np.concatenate([start + np.arange(n_rows) * np.timedelta64(86_400, "s") for start in first])
    columns = {"store": names, "day": days, "region": [REGIONS[name] for name in names], "sales": sales.round(2)}
    pq.write_table(pa.table(columns), path)
    return path


DATA = {"entity": "store", "time": "day", "static": ["region"], "channels": ["sales"], "length": 8}


def trainer(path: Path, **settings: Any) -> SeriesTrainer:
    data = {"path": str(path), "validation": 0.1, **DATA}
    small = {"preset": "tiny", "batch_size": 32, "warmup_steps": 20, "learning_rate": 3e-3, "ema_decay": 0.98}
    return SeriesTrainer(SeriesTrainer.Config.model_validate({"data": data, "steps": 1, **small, **settings}))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a model of the four stores that was trained long enough to tell them apart."""

    def make(folder: Path) -> None:
        path = stores(folder / "stores.parquet")
        trainer(path, steps=500, checkpoint_every=500).train(folder / "model", 0, device="cpu", quiet=True)

    return helpers.once(tmp_path_factory, "stores", make) / "model"


def sampler(model: Path, condition: dict[str, Any] | None = None, **settings: Any) -> SeriesSampler:
    made = SeriesSampler(SeriesSampler.Config.model_validate({"model": str(model), "steps": 10, **settings}))
    assert made.bind(condition or {}) == []
    made.setup("cpu")
    return made


def slots(n: int, **condition: Any) -> list[Slot]:
    return [Slot(i, condition, "train") for i in range(n)]


def levels(drawn: Any) -> dict[str, float]:
    """Of each entity that occurs, the median of its values over its level."""
    found: dict[str, list[np.ndarray]] = {}
    for name, series in zip(drawn["entity"], drawn["series"], strict=True):
        found.setdefault(name, []).append(series)
    return {name: float(np.median(np.stack(series))) / LEVELS[name] for name, series in found.items()}


@pytest.mark.slow
def test_series_asked_for_by_name_are_like_those_of_that_entity(model: Path) -> None:
    for name in LEVELS:
        made = sampler(model, entity=name)
        assert made.fields["entity"] == Text()
        assert made.fields["static"] == Series(1, ("region",), ("1",), "float32")
        drawn = made.sample(slots(16), list(range(16)))
        assert drawn["entity"] == [name] * 16
        assert levels(drawn)[name] == pytest.approx(1, abs=0.35)
        assert {float(row[0, 0]) for row in drawn["static"]} == {REGIONS[name]}
        years = {str(start)[:4] for start in drawn["start_time"]}
        assert years == {str(2020 + list(LEVELS).index(name))}


@pytest.mark.slow
def test_entities_are_chosen_by_the_seed_and_by_their_windows(model: Path) -> None:
    made = sampler(model)
    drawn = made.sample(slots(40), list(range(40)))
    assert set(drawn["entity"]) == set(LEVELS)
    assert all(ratio == pytest.approx(1, abs=0.35) for ratio in levels(drawn).values())
    again = made.sample(slots(40), list(range(40)))
    for name, values in drawn.items():
        assert all(np.array_equal(a, b) for a, b in zip(values, again[name], strict=True)), name
    some = sampler(model, entity=["north", "west"]).sample(slots(20), list(range(20)))
    assert set(some["entity"]) == {"north", "west"}


@pytest.mark.slow
def test_the_source_of_a_condition_says_whose_a_series_is(model: Path) -> None:
    given = {"time": Times(8, "d"), "static": Series(1, ("region",), ("1",)), "source": Text()}
    made = sampler(model, {**given, "start_time": Timestamp()})
    assert "entity" not in made.fields

    def drawn(source: str, region: float) -> np.ndarray:
        condition = {
            "time": np.arange(8.0),
            "static": np.full((1, 1), region, np.float32),
            "source": source,
            "start_time": np.datetime64("2021-02-03", "us"),
        }
        return np.stack(made.sample(slots(16, **condition), list(range(16)))["series"])

    assert np.median(drawn("south", 2.0)) == pytest.approx(100, rel=0.35)
    assert np.median(drawn("west", 2.0)) == pytest.approx(10_000, rel=0.35)
    unknown = drawn("a new one", 2.0)
    assert np.isfinite(unknown).all()
    assert unknown.std() > 1000, "of a store that is not known, both of its region are likely"


@pytest.mark.slow
def test_a_pipeline_may_be_called_without_saying_whose_series_it_generates(model: Path) -> None:
    made = registry.load_pipeline(model, "cpu", torch.float32)
    made.set_progress_bar_config(disable=True)
    latents, region = torch.randn(1, *made.noise_shape), np.ones((1, 1), np.float32)
    of_nobody = np.concatenate([region, np.full((1, 4), np.nan, np.float32)], axis=1)
    drawn = [
        made([0], covariates=np.zeros((1, 8, len(made.config.covariates))), static=static, latents=latents,
             generator=torch.Generator().manual_seed(0)).series
        for static in (region, of_nobody)
    ]  # fmt: skip
    assert np.array_equal(*drawn)
    with pytest.raises(ValueError, match="the model needs static: region, entity=north"):
        made([0], covariates=np.zeros((1, 8, len(made.config.covariates))))


@pytest.mark.slow
def test_scores_depend_on_whose_a_series_is(model: Path) -> None:
    """Sales of ten a day are usual in the one store and not in the other one of its region."""
    made = DenoisingError(DenoisingError.Config.model_validate({"model": str(model)}))
    static, series = Series(1, ("region",), ("1",)), Series(8, ("sales",), ("1",))
    assert (
        made.bind(
            {"series": series, "time": Times(8, "d"), "static": static, "entity": Text(), "start_time": Timestamp()}
        )
        == []
    )
    made.setup("cpu")
    names = ["north", "east", "nobody"]
    columns = {
        "series": [np.linspace(9, 11, 8, dtype=np.float32)[:, None]] * 3,
        "time": [np.arange(8.0)] * 3,
        "static": [np.ones((1, 1), np.float32)] * 3,
        "entity": names,
        "start_time": [np.datetime64("2020-02-01", "us")] * 3,
    }
    scores = dict(
        zip(names, (float(np.mean(s)) for s in made.annotate(columns, [5, 5, 5])["anomaly_score"]), strict=True)
    )
    assert scores["north"] < 0.8 * scores["east"] and np.isfinite(scores["nobody"])


def bind(model: Path, condition: dict[str, Any], **settings: Any) -> list[str]:
    made = SeriesSampler(SeriesSampler.Config.model_validate({"model": str(model), **settings}))
    return helpers.bind_messages(made, condition)


@pytest.mark.slow
def test_entities_that_cannot_be_are_refused(model: Path) -> None:
    [problem] = bind(model, {}, entity=["north", "wets"])
    assert problem.startswith("entity: ")
    assert "unknown entity `wets`; did you mean `west`? Accepted: north, south, east, west" in problem
    given = {"time": Times(8, "d"), "static": Series(1, ("region",), ("1",)), "source": Text()}
    timed = {**given, "start_time": Timestamp()}
    [problem] = bind(model, timed, entity="north")
    assert problem.startswith("entity: the condition says whose its series are")
    [problem] = bind(model, {}, entity="north", at={"month": 12})
    assert problem.startswith("at: ") and "no training window of a class began then" in problem


@pytest.mark.slow
def test_the_folder_and_its_card_tell_of_the_entities(model: Path) -> None:
    index = json.loads((model / "model_index.json").read_text())
    found = Entities.of(index)
    assert found is not None and found.names == tuple(LEVELS) and found.known and not found.n_more
    assert found.static.ravel().tolist() == list(REGIONS.values())
    assert index["static"] == ["region", *(f"entity={name}" for name in LEVELS)]
    assert asked_of(index) == {"static": ("region",)}
    card = (model / "README.md").read_text()
    assert "It was trained on 4 entities and knows each by name (north, south, east, west)" in card


def windows(path: Path, **settings: Any) -> reader.Windows:
    data = files.data(path, **settings)
    return reader.windows(reader.read(data), data, "train")


def test_the_training_windows_of_each_entity_are_stored(tmp_path: Path) -> None:
    found = windows(stores(tmp_path / "t.parquet", 20), **DATA)
    config = trainer(tmp_path / "t.parquet").config
    made = entities_of(found, calendar_of(config.data, found))
    assert made is not None and made.known
    again = Entities.of({"entities": made.stored()})
    assert again is not None and again.members == made.members
    day = 86_400_000_000
    for number, member in enumerate(made.members):
        first = int(np.datetime64(f"{2020 + number}-01-01", "us").astype(np.int64))
        assert (member.entity, member.label, member.n_windows) == (number, 0, 13)
        assert list(member.starts) == [(first, day, 13)]


def test_windows_say_whose_they_are_behind_the_static_columns(tmp_path: Path) -> None:
    found = windows(stores(tmp_path / "t.parquet", 20), **DATA)
    made = with_identity(found, entities_of(found, None))
    assert made.static_names == ("region", *(f"entity={name}" for name in LEVELS))
    assert made.static[0].tolist() == [1, 1, 0, 0, 0] and made.static[-1].tolist() == [2, 0, 0, 0, 1]


def many(path: Path, n: int, n_rows: int, extra: str = "size") -> Path:
    """`n` entities with `n_rows` rows each, and a static column of their number."""
    rows = [f"e{i},{t},{np.sin(i + t):.4f},{i}" for i in range(n) for t in range(n_rows)]
    return files.csv(path, "\n".join([f"who,t,v,{extra}", *rows]) + "\n")


@pytest.mark.parametrize(("n", "n_rows"), [(80, 16), (12, 6)])
def test_many_entities_or_few_windows_are_known_by_their_static_columns(tmp_path: Path, n: int, n_rows: int) -> None:
    path = many(tmp_path / "t.csv", n, n_rows)
    roles = {"entity": "who", "time": "t", "channels": ["v"], "length": 5}
    found = windows(path, **roles, static=["size"])
    made = entities_of(found, None)
    assert made is not None and not made.known and made.columns == () and len(made.names) == n
    assert with_identity(found, made) is found
    data = {"path": str(path), **roles, "static": ["size"], "validation": 0}
    out = trainer(path, data=data).train(tmp_path / "m", 0, quiet=True)
    assert "knows them by their static columns only" in (out / "README.md").read_text()
    drawn = sampler(out, entity="e3").sample(slots(2), [0, 1])
    assert drawn["entity"] == ["e3", "e3"] and [row.item() for row in drawn["static"]] == [3, 3]
    assert entities_of(windows(path, **roles), None) is None, "a name alone would say nothing"


def test_of_too_many_entities_a_part_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "MAX_STORED", 10)
    path = many(tmp_path / "t.csv", 80, 6)
    made = entities_of(windows(path, entity="who", time="t", channels=["v"], length=5, static=["size"]), None)
    assert made is not None and len(made.names) == 10 and made.n_more == 70
    assert made.static[:, 0].tolist() == [float(name[1:]) for name in made.names]
    assert len(made.members) == 10 and {member.entity for member in made.members} == set(range(10))


def test_identity_none_stores_nothing_and_needs_the_static_columns(tmp_path: Path) -> None:
    out = trainer(stores(tmp_path / "t.parquet", 40), identity="none").train(tmp_path / "m", 0, quiet=True)
    index = json.loads((out / "model_index.json").read_text())
    assert "entities" not in index and index["static"] == ["region"]
    assert bind(out, {}) == [f"model {out}: needs the static region, as `use: real-series` gives them"]
    assert any("entity: " in text and "knows no entities" in text for text in bind(out, {}, entity="north"))


def test_a_table_without_entities_stores_none(tmp_path: Path) -> None:
    rows = "\n".join(["t,v", *(f"{t},{np.sin(t):.4f}" for t in range(60))])
    path = files.csv(tmp_path / "t.csv", rows + "\n")
    trainer(path, data={"path": str(path), "time": "t", "length": 8}).sketch(tmp_path / "m")
    assert "entities" not in json.loads((tmp_path / "m" / "model_index.json").read_text())


def test_entities_are_of_the_class_that_is_asked_for(tmp_path: Path) -> None:
    rows = [
        f"{who},{t},{np.sin(t):.4f},{kind}" for who, kind in (("a", "x"), ("b", "y"), ("c", "y")) for t in range(40)
    ]
    path = files.csv(tmp_path / "t.csv", "\n".join(["who,t,v,kind", *rows]) + "\n")
    data = {"path": str(path), "entity": "who", "time": "t", "label": "kind", "channels": ["v"], "length": 8}
    trainer(path, data=data).sketch(tmp_path / "m")
    made = sampler(tmp_path / "m", {"label": Label(("y", "x"))}, steps=1)
    assert set(made.sample(slots(20, label=0), list(range(20)))["entity"]) == {"b", "c"}
    assert set(made.sample(slots(5, label=1), list(range(5)))["entity"]) == {"a"}
    drawn = made.sample(slots(3, label=0), [0, 1, 2])
    faults = Anomalies(Anomalies.Config.model_validate({"model": str(tmp_path / "m"), "count": [1, 1], "steps": 1}))
    assert faults.bind({"condition.label": Label(("y", "x")), **made.fields}) == []
    faults.setup("cpu")
    assert len(faults.annotate({"condition.label": [0] * 3, **drawn}, [0, 1, 2])["anomalous"]) == 3
    [problem] = bind(tmp_path / "m", {"label": Label(("y",))}, entity="a")
    assert problem.startswith("entity: ") and "class `y`: unknown entity `a`; accepted: b, c" in problem


def test_what_is_known_is_said_before_a_training(tmp_path: Path) -> None:
    lines = trainer(stores(tmp_path / "t.parquet", 40)).data_facts().lines
    assert "identity: north, south, east, west: known by name" in lines[0]
