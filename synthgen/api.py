"""The Python API: what the commands do, as functions."""

from __future__ import annotations

import dataclasses
import inspect
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from synthgen.base import disk, fetched
from synthgen.base.names import printable
from synthgen.base.places import place_of
from synthgen.dataset.storage import Storage
from synthgen.dataset.store import storage_at
from synthgen.errors import UsageError
from synthgen.generate import driver
from synthgen.generate.driver import Observer, Result
from synthgen.generate.executors.choose import Choice, Wanted
from synthgen.generate.executors.worker import Job
from synthgen.parts.registry import Plugins
from synthgen.readers.data_facts import DataFacts, facts_of
from synthgen.recipe import reading
from synthgen.recipe.recipe import Given, ModelRecipe
from synthgen.recipe.smoke import smoked
from synthgen.stages import evaluation as evaluations
from synthgen.stages import training as own_model
from synthgen.stages.resolve import ResolvedRecipe, resolve
from synthgen.stages.training import OwnModel

Train = Callable[[OwnModel], None]


class Silent:
    """An observer that prints nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def read_model(path: Given, overrides: Iterable[str] = (), plugin_files: Sequence[str] = ()) -> ModelRecipe | None:
    """The recipe in a file if it is one for a model, else None.

    Raises:
        RecipeError: every problem of a model's recipe at once.
        UsageError: no such file.
    """
    text = reading.load_text(path, overrides)
    if reading.kind_of(text) != "model":
        return None
    found = reading.validate(text, Plugins(plugin_files))
    assert isinstance(found, ModelRecipe)
    return found


def model_facts(model: ModelRecipe, plugin_files: Sequence[str] = ()) -> DataFacts:
    """How the table that a model is trained on is read, in words; empty where its trainer reads none.

    Raises:
        DataError: the table cannot be read.
    """
    cls: Any = Plugins(plugin_files).find("trainers", model.trainer.use)
    return facts_of([cls(cls.Config.model_validate(model.trainer.settings))])


def prepare(
    path: Given,
    samples: int | None = None,
    overrides: Iterable[str] = (),
    plugin_files: Sequence[str] = (),
    smoke: bool = False,
    train: Train | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> ResolvedRecipe:
    """Reads and checks a dataset recipe, as `resolve` does, and plans it.

    Args:
        train: called with the recipe's own model, if it has one that is not trained yet.
        note: called with each line on how real data are read, before anything is trained.

    Raises:
        RecipeError: every problem of the recipe at once.
        UsageError: no such file, or a recipe for a model.
        ModelError: its own model is not trained, and `train` is not given.
    """
    found = resolve(path, samples, overrides, plugin_files, smoke)
    notes = [*found.notes]
    for line in found.data_facts.lines:
        note(printable(line))
    if found.own and found.own.done:
        notes.append(f"model: {found.own.folder} {found.own.state}, and used as it is")
    elif found.own and train:
        train(found.own)
        found = found.trained()
    data = [source for source in found.plan.parts.sources() if source.kind == "data"]
    of_data = dict.fromkeys(note for source in data for note in source.details.get("notes", ()))
    return dataclasses.replace(found, notes=(*notes, *of_data))


def training(
    device: str = "auto", quiet: bool = True, note: Callable[[str], None] = lambda text: None, command: str = ""
) -> Train:
    """What `prepare` trains a recipe's own model with. `command` is shown if it is interrupted."""
    return lambda own: own_model.train(own, device, quiet, note, command)


def run(
    path: Given,
    out: str | Path | None = None,
    *,
    samples: int | None = None,
    overrides: Iterable[str] = (),
    plugin_files: Sequence[str] = (),
    smoke: bool = False,
    executor: Wanted = "auto",
    workers: int | None = None,
    address: str | None = None,
    device: str = "auto",
    observer: Observer | None = None,
) -> Result:
    """Renders the dataset of a recipe, or what is missing of it, and seals it: `synthgen run`.

    A model that the recipe trains itself is trained before, unless it is there already, and a complete dataset is
    compared with the real data if the recipe has a section `evaluate`.

    Args:
        path: the recipe's file, or what it would hold: a dict, or a `DatasetRecipe`.
        out: output folder, or an address such as `s3://bucket/prefix`; by default `runs/<name>-<digest>`.
        samples: overrides the recipe's size; a finished dataset grows to it.
        overrides: `key=value` texts, as for `--set`.
        smoke: small models with random weights and few samples, to try a recipe out.
        device: auto, cpu, cuda or cuda:N.

    Raises:
        SynthgenError: what went wrong, for the user. A dataset that is short is no error here:
            look at `Result.complete`.
    """
    observer = observer or Silent()
    train = training(device, True, observer.note)
    prepared = prepare(path, samples, overrides, plugin_files, smoke, train, observer.note)
    for note in prepared.notes:
        observer.note(note)
    choice = Choice(executor, workers, address)
    storage = storage_at(place_of(out) if out else prepared.default_out)
    return run_prepared(prepared, storage, choice, device, observer)


def run_prepared(
    prepared: ResolvedRecipe,
    out: Storage,
    choice: Choice,
    device: str = "auto",
    observer: Observer | None = None,
    resume_command: str = "",
) -> Result:
    """`run` for a recipe that was prepared before: renders, seals, evaluates."""
    choice.check_device(device)
    plan = prepared.plan
    job = Job(
        recipe=plan.recipe.model_dump(mode="json") | {"samples": plan.n_samples},
        digest=plan.digest,
        device=device,
        plugin_files=prepared.plugins.files,
        folder=str(Path.cwd()),
    )
    observer = observer or Silent()
    result = driver.run(plan, out, choice.start, job, observer, resume_command)
    asked, real = prepared.recipe.evaluate, prepared.real
    if asked is None or real is None:
        return result
    if not result.complete:
        observer.note("not compared with the real data, because the dataset is incomplete")
        return result
    found = evaluations.evaluate(out, result.manifest, real, asked, observer.note, resume_command)
    return dataclasses.replace(result, evaluation=found)


def train(
    path: Given,
    out: str | Path | None = None,
    *,
    overrides: Iterable[str] = (),
    plugin_files: Sequence[str] = (),
    smoke: bool = False,
    device: str = "auto",
    quiet: bool = True,
    finish: bool = False,
) -> Path:
    """Trains the model of a recipe, or goes on with its training: `synthgen train`. Returns the model's folder.

    With `smoke`, a trainer that starts from somebody's weights starts from small random ones, for a few steps. With
    `finish`, the model is made of the last checkpoint, without another step; the training can be gone on with later.

    Raises:
        SynthgenError: what went wrong, for the user.
    """
    fetched.forget()
    plugins = Plugins(plugin_files)
    text = reading.load_text(path, overrides)
    if reading.kind_of(text) != "model":
        raise UsageError(f"{text.file}: is a recipe for a dataset; use `synthgen run {shlex.quote(text.file)}`")
    found = reading.validate(text, plugins)
    assert isinstance(found, ModelRecipe)
    if smoke:
        found = ModelRecipe.model_validate(smoked(found, plugins)[0])
    cls: Any = plugins.find("trainers", found.trainer.use)
    trainer = cls(cls.Config.model_validate(found.trainer.settings))
    target = Path(out) if out else Path("models") / found.name
    with disk.refusals(target), disk.named_paths():
        ending = {"finish": True} if finish else {}
        if finish and "finish" not in inspect.signature(trainer.train).parameters:
            raise UsageError(f"--finish: the trainer `{found.trainer.use}` cannot make a model before its last step")
        done: Path = trainer.train(target, found.seed, device=device, quiet=quiet, **ending)
    return done
