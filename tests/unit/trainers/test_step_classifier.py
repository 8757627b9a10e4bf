"""Classes of steps by what a model of series sees: from a few labelled stretches to labels of whole tables."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import helpers
import synthgen
import tiny
from synthgen.errors import DataError, RecipeError
from synthgen.fields import StepLabels
from synthgen.models import registry
from synthgen.models.series.step_classifier import own
from synthgen.readers.series import reader
from synthgen.readers.series.reader import SeriesData
from synthgen.trainers.series.step_classifier import StepClassifierTrainer
from synthgen.trainers.series.trainer import SeriesTrainer

STATES = ("fast", "idle", "slow")
ROLES = {"time": "hour", "time_unit": "h", "channels": ["a", "b"], "length": 32}


def machine(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, 2) of a machine that runs slowly, fast or idly for 40 to 80 steps at a time, and which (n,)."""
    random = np.random.default_rng(seed)
    states = np.concatenate([np.full(random.integers(40, 80), i % 3) for i in range(n // 40 + 1)])[:n]
    period = np.array([4.0, 1.0, 12.0])[states]
    phase = np.cumsum(2 * np.pi / period)
    wave = np.stack([np.sin(phase), np.cos(phase)], 1)
    wave[states == 1] = random.normal(0, 0.7, (int((states == 1).sum()), 2))
    return (wave + random.normal(0, 0.1, wave.shape)).astype(np.float32), states


def table(path: Path, values: np.ndarray, states: np.ndarray | None = None, known: slice = slice(None)) -> str:
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["hour", "a", "b", *(["state"] if states is not None else [])])
        shown = set(range(len(values))[known])
        for i, (a, b) in enumerate(values.tolist()):
            last = [STATES[states[i]] if i in shown else ""] if states is not None else []
            rows.writerow([i, round(a, 4), round(b, 4), *last])
    return str(path)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of such a machine, trained on values alone."""
    folder = tmp_path_factory.mktemp("base")
    data = {**ROLES, "path": table(folder / "long.csv", machine(3000, 1)[0]), "validation": 0.1}
    values = {"data": data, "steps": 300, "batch_size": 32, "learning_rate": 2e-3, "ema_decay": 0.95}
    values |= {"warmup_steps": 20, "checkpoint_every": 1000, "sample_every": 1000, "patch": 2}
    SeriesTrainer(SeriesTrainer.Config.model_validate(values)).train(folder / "model", 0, device="cpu", quiet=True)
    return str(folder / "model")


def config(path: str, model: str, **data: Any) -> StepClassifierTrainer.Config:
    values = {"data": {**ROLES, "path": path, "step_label": "state", **data}, "base": model}
    return StepClassifierTrainer.Config.model_validate(values)


def test_few_labelled_stretches_label_a_table(base: str, tmp_path: Path) -> None:
    values, states = machine(600, 2)
    labelled = table(tmp_path / "few.csv", values, states, slice(0, 480))
    trainer = StepClassifierTrainer(config(labelled, base))
    assert trainer.check() == []
    facts = trainer.data_facts()
    assert facts.columns["classes of steps"] == "state" and facts.columns["channels"] == "a, b"
    assert facts.rows["classes of steps"].startswith("120 unknown, ") and "every 16 steps" in facts.rows["windows"]
    trainer.sketch(tmp_path / "sketch")
    trainer.train(tmp_path / "head", 0, device="cpu")
    card = (tmp_path / "head" / "README.md").read_text()
    assert "Scores on the labelled steps, in cross-validation" in card and "step_classes:\n- fast\n- idle" in card

    other, truth = machine(640, 3)
    recipe = {
        "kind": "dataset",
        "name": "states",
        "condition": {
            "use": "real-series",
            "data": {**ROLES, "path": table(tmp_path / "other.csv", other), "stride": 32},
            "part": "all",
            "generate": "nothing",
        },
        "sampler": {"use": "series", "model": base},
        "labelers": [{"use": "step-classes", "model": str(tmp_path / "head")}],
        "shard_size": 20,
        "batch_size": 20,
    }
    for model, least, most in (("head", 0.8, 1.0), ("sketch", 0.0, 0.6)):
        recipe["labelers"] = [{"use": "step-classes", "model": str(tmp_path / model)}]
        synthgen.run(helpers.write(tmp_path, recipe), tmp_path / f"out-{model}", workers=1, device="cpu")
        dataset = synthgen.load(tmp_path / f"out-{model}")
        assert dataset.fields["state"] == StepLabels(32, STATES)
        seen = np.concatenate([dataset[i]["state"] for i in range(len(dataset))])
        sure = np.concatenate([dataset[i]["confidence"][:, 0] for i in range(len(dataset))])
        assert least < (seen == truth + 1).mean() <= most
        assert ((sure > 1 / 3 - 1e-6) & (sure <= 1)).all()


def test_tables_without_labels_refine_a_head(base: str, tmp_path: Path) -> None:
    """Few labels, of which a head alone makes less than one that also sees a long table."""
    few = table(tmp_path / "few.csv", *machine(400, 2))
    values, states = machine(1280, 3)
    series = torch.from_numpy(values.reshape(-1, 32, 2))
    times, right = torch.arange(32.0).expand(len(series), 32), {}
    for name, more in (("alone", {}), ("refined", {"unlabelled": table(tmp_path / "long.csv", machine(3000, 1)[0])})):
        trainer = StepClassifierTrainer(config(few, base, **more))
        rows = trainer.data_facts().rows
        assert ("without labels" in rows) == bool(more)
        trainer.train(tmp_path / name, 0, device="cpu")
        made = registry.load_pipeline(tmp_path / name, "cpu", torch.float32)
        right[name] = (made.predict_proba(series, times, {}).argmax(-1).ravel() == states).mean()
    assert right["refined"] > max(0.75, right["alone"] - 0.02)
    assert "| steps without labels | " in (tmp_path / "refined" / "README.md").read_text()
    with pytest.raises(DataError, match=r"channels: a, and a, b in .*; both must have the same"):
        (tmp_path / "other.csv").write_text("hour,a\n" + "".join(f"{i},{i % 7}\n" for i in range(64)))
        data = {"unlabelled": str(tmp_path / "other.csv"), "channels": None}
        StepClassifierTrainer(config(few, base, **data)).data_facts()


def test_real_labels_go_with_their_steps(base: str, tmp_path: Path) -> None:
    """A condition hands the classes of a table's steps over, unknown ones as such."""
    values, states = machine(96, 4)
    path = table(tmp_path / "table.csv", values, states, slice(0, 80))
    recipe = {
        "kind": "dataset",
        "name": "real",
        "condition": {
            "use": "real-series",
            "data": {**ROLES, "path": path, "step_label": "state", "stride": 32},
            "part": "all",
            "generate": "nothing",
        },
        "sampler": {"use": "series", "model": base},
        "labelers": ["class-label"],
        "shard_size": 3,
    }
    synthgen.run(helpers.write(tmp_path, recipe), tmp_path / "out", workers=1, device="cpu")
    dataset = synthgen.load(tmp_path / "out")
    kind = dataset.fields["step_label"]
    assert isinstance(kind, StepLabels)
    found = np.concatenate([dataset[i]["step_label"] for i in range(3)])
    names = [("", *kind.classes)[i] for i in found]
    assert names == [STATES[state] if i < 80 else "" for i, state in enumerate(states)]


def test_cells_of_a_grid_are_what_most_of_their_rows_are(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    states = ["on", "on", "off", "off", "", "", "", "on", "", "off", "off", "on"]
    path.write_text("t,x,s\n" + "".join(f"{i},{i % 5},{state}\n" for i, state in enumerate(states)))
    data = SeriesData(path=str(path), time="t", step_label="s", step=3, length=2)
    found = reader.read(data)
    assert found.step_classes == ("off", "on") and [c.name for c in found.channels] == ["x"]
    labels = found.items[0].step_labels
    assert labels is not None and labels.tolist() == [2, 1, 2, 1]
    windows = reader.windows(found, data.model_copy(update={"validation": 0.0}), "train")
    assert windows.step_labels.tolist() == [[2, 1], [1, 2], [2, 1]]


def test_numbers_may_be_classes_and_are_no_channel(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,mode\n" + "".join(f"{i % 7},{i % 11}\n" for i in range(60)))
    found = reader.read(SeriesData(path=str(path), step_label="mode", length=4))
    assert found.step_classes == tuple(map(str, range(11)))
    assert [c.name for c in found.channels] == ["x"] and found.roles["classes of steps"] == "mode"
    with pytest.raises(DataError, match="step_label: unknown column `modes`; did you mean `mode`"):
        reader.read(SeriesData(path=str(path), step_label="modes", length=4))
    with pytest.raises(DataError, match="x: is named in `step_label` and in `channels`"):
        reader.read(SeriesData(path=str(path), step_label="x", channels=["x"], length=4))
    path.write_text("x,mode\n" + "".join(f"{i % 7},{i % 3 - 1}\n" for i in range(60)))
    unknown = reader.read(SeriesData(path=str(path), step_label="mode", length=4, missing=[-1]))
    assert unknown.step_classes == ("0", "1") and unknown.items[0].step_labels is not None
    assert unknown.items[0].step_labels.tolist()[:3] == [0, 1, 2], "-1 is no class, and means that nobody knows"
    path.write_text("x,mode\n" + "".join(f"{i % 7},{i}\n" for i in range(80)))
    with pytest.raises(DataError, match=r"mode: has 80 different values .*; classes of steps are 2 to 64"):
        reader.read(SeriesData(path=str(path), step_label="mode", length=4))


def test_what_a_head_cannot_be_made_of_is_said(base: str, tmp_path: Path) -> None:
    values, states = machine(200, 5)
    with pytest.raises(ValidationError, match=r"`data\.step_label` names the column of the classes of steps"):
        StepClassifierTrainer.Config.model_validate({"data": {**ROLES, "path": "x.csv"}, "base": base})
    with pytest.raises(ValidationError, match=r"`data\.validation`: all labelled steps are learned from"):
        config("x.csv", base, validation=0.2)
    with pytest.raises(ValidationError, match="`step_label` is a column of the form `table`"):
        SeriesData(path="x.csv", form="wide", step_label="s", length=4)
    states[:] = 0
    states[50:60] = 1
    [problem] = StepClassifierTrainer(config(table(tmp_path / "one.csv", values, states), base)).check()
    assert "state: `idle` is in 1 stretch of the table; two are needed" in str(problem)
    long = config(table(tmp_path / "two.csv", *machine(200, 5)), base, length=48)
    [problem] = StepClassifierTrainer(long).check()
    assert "knows series of 32 steps; 48 are too many, set `length: 32`" in str(problem)
    other = config(table(tmp_path / "two.csv", *machine(200, 5)), base, channels=["b", "a"])
    [problem] = StepClassifierTrainer(other).check()
    assert "channels: " in str(problem) and "knows a, b, and the table gives b, a" in str(problem)


def test_models_that_ask_for_more_get_it_in_training_and_as_labelers(tmp_path: Path) -> None:
    """Covariates and static numbers of a table reach the network alike on both ways."""
    path, random = tmp_path / "table.csv", np.random.default_rng(0)
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["station", "hour", "wave", "rain", "sun", "height", "state"])
        for station in range(3):
            for hour, (wave, rain) in enumerate(tiny.sensor_values(40, station).tolist()):
                state = "dry" if hour // 5 % 2 else "wet"
                rows.writerow([f"s{station}", hour, wave, rain, random.normal(), 100 * station, state])
    data = {"path": str(path), "entity": "station", "time": "hour", "time_unit": "h", "channels": ["wave", "rain"]}
    data |= {"covariates": ["sun"], "static": ["height"], "length": 10, "stride": 10, "step_label": "state"}
    values = {"data": data, "base": tiny.asking_series()}
    trainer = StepClassifierTrainer(StepClassifierTrainer.Config.model_validate(values))
    trainer.train(tmp_path / "head", 0, device="cpu")
    recipe = {
        "kind": "dataset",
        "name": "states",
        "condition": {"use": "real-series", "data": data, "part": "all", "generate": "nothing"},
        "sampler": {"use": "series", "model": tiny.asking_series()},
        "labelers": [{"use": "step-classes", "model": str(tmp_path / "head")}],
        "shard_size": 12,
    }
    synthgen.run(helpers.write(tmp_path, recipe), tmp_path / "out", workers=1, device="cpu")
    dataset = synthgen.load(tmp_path / "out")
    found = np.stack([dataset[i]["confidence"][:, 0] for i in range(len(dataset))])
    made = registry.load_pipeline(tmp_path / "head", "cpu", torch.float32)
    _, windows = trainer._windows()
    features = trainer._features(made, windows)
    features = torch.from_numpy(features if made.config.around else own(features))
    expected = (made.head(features) / made.config.temperature).softmax(-1).max(-1).values.detach().numpy()
    np.testing.assert_allclose(np.sort(found, 0), np.sort(expected, 0), atol=1e-4)
    recipe["condition"]["data"] = {**data, "covariates": []}
    with pytest.raises(RecipeError, match="needs the covariates sun"):
        synthgen.run(helpers.write(tmp_path, recipe), tmp_path / "other", workers=1, device="cpu")


def test_a_table_is_labelled_in_one_command(
    base: str, cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`label` reads another table as the head's was read; each step is in one window at least."""
    monkeypatch.chdir(tmp_path)
    few = config(table(tmp_path / "few.csv", *machine(550, 6)), base, span=[50, 549])
    StepClassifierTrainer(few).train(tmp_path / "head", 0, device="cpu")
    values, states = machine(100, 7)
    table(tmp_path / "new.csv", values)
    answer = cli("label", "new.csv", "--model", "head", "--device", "cpu")
    assert answer.code == 0, answer.err
    recipe = (tmp_path / "new-labels.yaml").read_text()
    assert "use: real-series" in recipe and 'channels: ["a", "b"]' in recipe and "length: 32" in recipe
    [out] = (tmp_path / "runs").iterdir()
    dataset = synthgen.load(out)
    assert len(dataset) == 4 and set(dataset.fields) >= {"series", "time", "state", "confidence", "source", "start"}
    right = [(dataset[i]["state"] == states[int(dataset[i]["start"]) :][:32] + 1).mean() for i in range(len(dataset))]
    assert np.mean(right) > 0.8
    assert sorted(int(dataset[i]["start"]) for i in range(4)) == [0, 32, 64, 68]
    assert "diffusion" not in (out / "README.md").read_text().split("## ")[0]
    assert cli("export", out, "--to", "csv", "-o", "csv").code == 0
    rows = list(csv.DictReader((tmp_path / "csv" / "recordings.csv").open(newline="")))
    assert [float(row["time"]) for row in rows] == list(range(100)) and {row["state"] for row in rows} <= set(STATES)
    assert np.mean([row["state"] == STATES[state] for row, state in zip(rows, states, strict=True)]) > 0.8
    (tmp_path / "less.csv").write_text("hour,a\n" + "".join(f"{i},{i % 7}\n" for i in range(64)))
    answer = cli("label", "less.csv", "--model", "head")
    assert answer.code == 2 and "channels: unknown column `b`" in answer.err
    answer = cli("label", "new.csv", "--model", "head", "--size", "8")
    assert answer.code == 2 and "--size: head labels series; leave it out" in answer.err
    answer = cli("label", "new.csv", "--model", "starter/nuclei-filter", "--size", "64")
    assert answer.code == 2 and "labels images; name a folder of them" in answer.err
    answer = cli("label", "new.csv", "--model", base)
    assert answer.code == 1 and "holds a SeriesPipeline; of these, data can be labelled by: " in answer.err
