"""A recipe that trains its own model: once, exactly, and with every mistake told before the first step."""

from __future__ import annotations

import json
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

import helpers
import series_files
import tiny
from synthgen import api
from synthgen.errors import Interrupted, ModelError, RecipeError
from synthgen.generate.driver import Result
from synthgen.models import folders
from synthgen.readers.series import table
from synthgen.stages.resolve import resolve
from synthgen.trainers.series import task

LITTLE = {"seeds": 1, "steps": 2, "effort": 0.001, "split": "all"}


class Notes(api.Silent):
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def content(**changes: Any) -> dict[str, Any]:
    """24 series of two classes by a model of the sensors' table; a key that is None is left out."""
    recipe: dict[str, Any] = {
        "kind": "dataset",
        "name": "weather",
        "data": tiny.series_data(test=0.3, licence="cc0-1.0", source="Sensors of a test"),
        "train": {"use": "series", "steps": 6, "batch_size": 4, "checkpoint_every": 3, "warmup_steps": 1},
        "condition": {"use": "classes", "quotas": {"calm": 12, "wild": 12}},
        "sampler": {"use": "series", "model": "trained", "steps": 2},
        "labelers": ["class-label"],
        "shard_size": 8,
        "batch_size": 8,
        "output": {"writers": ["parquet"]},
    }
    return {key: value for key, value in (recipe | changes).items() if value is not None}


def run(folder: Path, *overrides: str, notes: Notes | None = None, **changes: Any) -> Result:
    path = helpers.write(folder, content(**changes), "weather.yaml")
    return api.run(path, overrides=overrides, executor="local", workers=1, device="cpu", observer=notes)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def models(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "models").iterdir())


def test_it_trains_draws_and_evaluates_and_does_none_of_it_twice(here: Path) -> None:
    first, second = Notes(), Notes()
    result = run(here, evaluate=LITTLE, notes=first)
    assert result.complete and result.manifest["classes"] == {"calm": 12, "wild": 12}
    (name,) = models(here)
    folder = here / "models" / name
    assert re.fullmatch(r"weather-[0-9a-f]{8}", name)
    assert result.manifest["identity"]["sampler"]["model"] == folders.weights_sha256(folder)
    assert any(text.startswith(f"training models/{name}: series, 6 steps") for text in first.texts)
    card = (result.out / "README.md").read_text()
    assert f"{name}, trained on Sensors of a test | cc0-1.0" in card
    report = result.out / "reports" / "evaluation.json"
    assert json.loads(report.read_text())["found"] == result.evaluation
    assert result.evaluation is not None and result.evaluation["n_synthetic"] == 24
    assert set(result.evaluation["usefulness"]["scores"]) == {"synthetic", "real", "both"}
    written = {path: path.stat().st_mtime_ns for path in [report, *folder.rglob("*.safetensors")]}
    again = run(here, evaluate=LITTLE, notes=second)
    assert (again.out, again.n_rendered, again.evaluation) == (result.out, 0, result.evaluation)
    assert f"model: models/{name} is trained already, and used as it is" in second.texts
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_bytes_do_not_depend_on_whether_the_model_was_trained_before(here: Path) -> None:
    path = helpers.write(here, content(), "weather.yaml")
    options: dict[str, Any] = {"executor": "local", "workers": 1, "device": "cpu"}
    just_trained = api.run(path, here / "a", **options)
    assert helpers.in_fork(lambda: api.run(path, here / "b", **options)) == 0
    assert helpers.snapshot(just_trained.out) == helpers.snapshot(here / "b")
    resolved = api.run(here / "a" / "recipe.yaml", here / "a", **options)
    assert resolved.n_rendered == 0, "the recipe beside the data names the trained model and needs no training"


def test_what_decides_the_training_decides_its_folder(here: Path) -> None:
    def folder(**changes: Any) -> str:
        own = resolve(helpers.write(here, content(**changes), "weather.yaml")).own
        assert own is not None
        return own.folder.name

    table = Path(tiny.sensors()).read_text()
    (here / "other.csv").write_text(table.replace("\n", "\n", 1)[:-1].rpartition("\n")[0] + "\n")
    kept = folder()
    assert folder(evaluate=LITTLE) == folder(sampler={"use": "series", "model": "trained", "steps": 3}) == kept
    assert folder(condition={"use": "classes", "quotas": {"calm": 5}}) == kept
    defaults = {**content()["train"], "learning_rate": 1e-3}
    assert folder(train=defaults) == kept, "a default that is written down is no other setting"
    others = [
        folder(seed=1),
        folder(train={**content()["train"], "steps": 7}),
        folder(data=content()["data"] | {"stride": 5}),
        folder(data=content()["data"] | {"path": str(here / "other.csv")}),
    ]
    assert len({kept, *others}) == 5
    assert not (here / "models").exists(), "looking trains nothing"


@pytest.mark.slow
def test_a_stopped_training_goes_on_to_the_same_model(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(here)
    (name,) = models(here)
    (here / "models").rename(here / "whole")
    n_steps, loss = 0, task.SeriesTask.losses

    def with_a_signal(self: Any, batch: Any) -> torch.Tensor:
        nonlocal n_steps
        n_steps += 1
        if n_steps == 4:
            signal.raise_signal(signal.SIGINT)
        return loss(self, batch)

    monkeypatch.setattr(task.SeriesTask, "losses", with_a_signal)
    path = here / "weather.yaml"
    with pytest.raises(Interrupted, match=r"step 4, which is kept. Go on with: synthgen run it\n") as stopped:
        api.prepare(path, train=api.training("cpu", command="synthgen run it"))
    assert stopped.value.exit_code == 130
    own = resolve(path).own
    assert own is not None and (own.steps_done, own.done) == (4, False)
    assert str(stopped.value).endswith(f"with: {own.command} --finish")
    notes = Notes()
    again = api.run(path, executor="local", workers=1, device="cpu", observer=notes)
    assert n_steps == 6 and any("(going on from step 4)" in text for text in notes.texts)
    assert models(here) == [name]
    assert again.manifest["digest"] == whole.manifest["digest"]


@pytest.mark.slow
def test_a_training_that_was_ended_is_used_and_says_how_it_goes_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = helpers.write(here, content(), "weather.yaml")
    loss = task.SeriesTask.losses
    seen: list[None] = []

    def with_a_signal(self: Any, batch: Any) -> torch.Tensor:
        seen.append(None)
        if len(seen) == 4:
            signal.raise_signal(signal.SIGINT)
        return loss(self, batch)

    monkeypatch.setattr(task.SeriesTask, "losses", with_a_signal)
    with pytest.raises(Interrupted):
        api.prepare(path, train=api.training("cpu"))
    own = resolve(path).own
    assert own is not None
    _, _, recipe, _, folder = own.command.split()
    api.train(recipe, folder, device="cpu", finish=True)
    notes = Notes()
    api.run(path, executor="local", workers=1, device="cpu", observer=notes)
    said = f"model: {folder} was ended at step 4 of 6 (`{own.command}` trains it to the end), and used as it is"
    assert said in notes.texts and len(seen) == 4
    api.train(recipe, folder, device="cpu")
    assert len(seen) == 6 and own.ended is None and own.state == "is trained already"


def test_without_leave_nothing_is_trained(here: Path) -> None:
    path = helpers.write(here, content(), "weather.yaml")
    with pytest.raises(ModelError, match=r"models/weather-\w{8} is not trained yet; `synthgen run` trains it"):
        api.prepare(path)
    assert not (here / "models").exists()


def problems(folder: Path, **changes: Any) -> list[str]:
    path = helpers.write(folder, content(**changes), "weather.yaml")
    with pytest.raises(RecipeError) as found:
        resolve(path)
    return [line.replace(f"{folder}/", "") for line in found.value.problems]


def test_all_mistakes_are_told_at_once_where_they_were_written(here: Path) -> None:
    data = content()["data"] | {"lenght": 3}
    found = problems(
        here,
        data=data,
        train={"use": "series", "stepps": 1},
        sampler={"use": "series", "model": "trained", "steps": 0},
        evaluate={"seeds": 0},
        keep=["beauty > 1"],
    )
    text = (here / "weather.yaml").read_text().splitlines()
    places = [re.match(r"weather\.yaml:(\d+): ([\w.]+): ", line) for line in found]
    named = [place[2] for place in places if place]
    assert sorted(named) == ["data.lenght", "evaluate.seeds", "keep.0", "sampler.steps", "train.stepps"], found
    for place in places:
        assert place and (place[2].rpartition(".")[2] in text[int(place[1]) - 1] or place[2] == "keep.0")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"train": None}, "sampler.model: `trained` is the model that `train` makes"),
        ({"sampler": {"use": "series", "model": tiny.series}}, "train: makes a model that no part uses"),
        ({"data": None}, "train.data: is required"),
        ({"data": 5}, "data: must be a mapping"),
        ({"train": {"use": "sirius"}}, "train.use: unknown trainer `sirius`"),
        ({"train": {"use": "series", "data": tiny.series_data}}, "train.data: is given here and as `data`"),
        ({"train": None, "sampler": {"use": "series", "model": tiny.series}}, "data: no part of this recipe takes"),
        ({"data": {"path": "nowhere.csv", "length": 8}}, "data.path: nowhere.csv: no such file"),
        (
            {"data": {"path": "nowhere.csv", "length": 8}, "condition": {"use": "real-series", "generate": "all"}},
            "data.path: nowhere.csv: no such file",
        ),
        ({"data": {"path": tiny.sensors, "length": 8, "time": "day"}}, "data.path: .*: unknown column `day`"),
        ({"data": {"path": tiny.sensors, "length": 8000}}, "data.path: .*; a window has 8000"),
        (
            {"condition": {"use": "classes", "quotas": {"calm": 12, "wold": 12}}},
            "sampler: model trained: unknown class `wold`; did you mean `wild`?",
        ),
        (
            {"sampler": {"use": "series", "model": "trained", "length": 4}},
            r"sampler\.length: model trained: its windows have 16 steps; .* \(got 4\)",
        ),
        ({"data": tiny.series_data, "evaluate": {}}, "data.test: `test` of the data holds nothing out"),
        (
            {"data": None, "train": None, "evaluate": {}, "sampler": {"use": "series", "model": tiny.series}},
            "evaluate: needs real data",
        ),
    ],
)
def test_each_mistake_is_told_before_anything_is_trained(here: Path, changes: dict[str, Any], told: str) -> None:
    def made(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: made(item) for key, item in value.items()}
        return value() if callable(value) else value

    found = problems(here, **{key: made(value) for key, value in changes.items()})
    assert len(found) == 1 and re.search(rf"weather\.yaml:\d+: {told}", found[0]), found
    assert not (here / "models").exists()


def test_real_series_are_completed_by_a_model_of_the_same_table(here: Path) -> None:
    rows = [f"{t},{'' if t % 9 == 4 else t % 7}" for t in range(120)]
    table = series_files.csv(here / "gaps.csv", "\n".join(["t,v", *rows]) + "\n")
    result = run(
        here,
        data={"path": str(table), "time": "t", "length": 8, "stride": 8},
        condition={"use": "real-series", "generate": "missing"},
        labelers=[],
        samples=6,
        evaluate=LITTLE,
    )
    assert result.complete and result.manifest["identity"]["condition"]["data"]["length"] == 8
    assert {source["kind"] for source in result.manifest["sources"]} == {"model", "data"}
    assert result.evaluation is not None and result.evaluation["n_synthetic"] == 6


def test_any_trainer_and_any_part_with_a_model(here: Path) -> None:
    result = run(
        here,
        "samples=4",
        data={"path": "sklearn:digits"},
        train={"use": "class-conditional", "steps": 2, "batch_size": 2, "network": {"channels": [8, 16]}},
        condition={"use": "classes", "quotas": {"3": 2, "8": 2}},
        sampler={"use": "class-conditional", "model": "trained", "steps": 1},
    )
    (name,) = models(here)
    assert result.complete and set(result.manifest["classes"]) == {"3", "8"}
    assert result.manifest["identity"]["sampler"]["model"] == folders.weights_sha256(here / "models" / name)


def test_a_smoke_run_trains_two_steps_of_its_own(here: Path) -> None:
    path = helpers.write(here, content(evaluate={}), "weather.yaml")
    result = api.run(path, smoke=True, executor="local", workers=1, device="cpu")
    assert result.complete and result.manifest["samples"] == 8 and result.manifest["smoke"] is True
    (name,) = models(here)
    assert name.startswith("weather-smoke-")
    assert result.evaluation is not None and result.evaluation["seeds"] == 1


def test_a_table_is_read_once_a_process(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, open_table = [], table.open_table

    def counted(path: str, *args: Any, **options: Any) -> table.Table:
        opened.append(Path(path).name)
        return open_table(path, *args, **options)

    monkeypatch.setattr(table, "open_table", counted)
    source = here / "own.csv"
    source.write_text(Path(tiny.sensors()).read_text())
    drawn_again = {"use": "real-series", "generate": "all"}
    changes = {"data": content()["data"] | {"path": str(source)}, "condition": drawn_again, "samples": 8}
    found = resolve(helpers.write(here, content(evaluate=LITTLE, **changes), "weather.yaml"))
    assert found.data_facts.columns and opened == ["own.csv"], (
        "checked against real data, a sketch, a condition: one reading"
    )
    condition = found.binding.condition
    result = run(here, evaluate=LITTLE, **changes)
    assert result.complete and result.evaluation is not None
    assert opened == ["own.csv"], "trained on, generated from, and compared with"
    assert found.trained().plan.parts.condition is condition, "a part that does not use the model is made once"
    source.write_text(source.read_text() + source.read_text().splitlines()[-1].replace(",", ",1", 1) + "\n")
    with suppress(RecipeError):
        resolve(here / "weather.yaml")
    assert opened == ["own.csv"] * 2, "a table that has changed is read again"
