"""The Python API: what the commands do, as functions."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.base import disk
from synthgen.base.names import printable
from synthgen.errors import ModelError, UsageError
from synthgen.generate import driver
from synthgen.generate.driver import Observer, Result
from synthgen.generate.executors.choose import Choice, Wanted
from synthgen.generate.executors.worker import Job
from synthgen.generate.plan import Outlook, Plan, build_draft, look
from synthgen.parts.registry import Plugins
from synthgen.readers import origin
from synthgen.recipe import recipe
from synthgen.recipe.recipe import DatasetRecipe, Draft, Given, ModelRecipe
from synthgen.recipe.sections import Evaluation
from synthgen.recipe.smoke import smoked
from synthgen.stages import evaluation as evaluations
from synthgen.stages import training as own_model
from synthgen.stages.training import OwnModel


@dataclass(frozen=True)
class Checked:
    """A recipe that was read and checked, as far as that is possible before its own model is trained.

    Attributes:
        outlook: what is known of it; its `parts` are None while its own model is not trained.
        own: the model that its `train` makes.
        evaluation: how the finished dataset is to be compared with `real`.
    """

    draft: Draft
    plugins: Plugins
    outlook: Outlook
    own: OwnModel | None = None
    evaluation: Evaluation | None = None
    real: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A recipe that was read, checked and planned."""

    plan: Plan
    plugins: Plugins
    default_out: Path
    notes: tuple[str, ...] = ()
    own: OwnModel | None = None
    evaluation: Evaluation | None = None
    real: Mapping[str, Any] | None = None


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
    if recipe.kind_of(recipe.load(path, overrides)) != "model":
        return None
    found, _ = recipe.read(path, overrides, Plugins(plugin_files))
    assert isinstance(found, ModelRecipe)
    return found


def check(
    path: Given,
    samples: int | None = None,
    overrides: Iterable[str] = (),
    plugin_files: Sequence[str] = (),
    smoke: bool = False,
) -> Checked:
    """Reads a dataset recipe and checks all that can be checked. Loads no weights, draws nothing, trains nothing.

    With `smoke`, the recipe is checked as it is, and then taken with small models in the place of real
    ones; those are made under `runs/.smoke`.

    Raises:
        RecipeError: every problem of the recipe at once.
        UsageError: no such file, or a recipe for a model.
    """
    plugins = Plugins(plugin_files)
    extra = [f"samples={samples}"] if samples is not None else []
    text = recipe.load(path, [*overrides, *extra])
    if recipe.kind_of(text) != "dataset":
        raise UsageError(f"{text.file}: is a recipe for a model; use `synthgen train {shlex.quote(text.file)}`")
    found = _checked(recipe.draft(text, plugins), plugins)
    if not smoke:
        return found
    content, notes = smoked(found.draft.recipe, plugins)
    again = Draft(text, DatasetRecipe.model_validate(content), untrained=found.draft.untrained)
    return dataclasses.replace(_checked(again, plugins), notes=tuple(notes))


def _checked(draft: Draft, plugins: Plugins) -> Checked:
    own, in_data = own_model.find(draft, plugins)
    draft = dataclasses.replace(draft, problems=(*draft.problems, *in_data, *evaluations.problems(draft)))
    asked = draft.recipe
    assert isinstance(asked, DatasetRecipe)
    if own and not own.done and not in_data:
        own_model.check_fit(draft, own, plugins)
    outlook = look(own_model.resolved(draft, own.folder) if own and own.done else draft, plugins)
    return Checked(draft, plugins, outlook, own, asked.evaluate, origin.real_data(asked))


def columns(found: Checked) -> Mapping[str, str]:
    """What the columns of a dataset's table are used as, in words; empty where no part reads one."""
    parts = [found.own.trainer] if found.own else []
    return _columns_of([*parts, *([found.outlook.parts.condition] if found.outlook.parts else [])])


def model_columns(model: ModelRecipe, plugin_files: Sequence[str] = ()) -> Mapping[str, str]:
    """As `columns`, of the recipe of a model.

    Raises:
        DataError: the table cannot be read.
    """
    cls: Any = Plugins(plugin_files).find("trainers", model.trainer.use)
    return _columns_of([cls(cls.Config.model_validate(model.trainer.settings))])


def _columns_of(parts: Sequence[Any]) -> Mapping[str, str]:
    describe = next((part.columns for part in parts if hasattr(part, "columns")), None)
    return describe() if describe else {}


def prepare(
    path: Given,
    samples: int | None = None,
    overrides: Iterable[str] = (),
    plugin_files: Sequence[str] = (),
    smoke: bool = False,
    train: Train | None = None,
) -> Prepared:
    """Reads a dataset recipe and plans it, as `check` does.

    Args:
        train: called with the recipe's own model, if it has one that is not trained yet.

    Raises:
        RecipeError: every problem of the recipe at once.
        UsageError: no such file, or a recipe for a model.
        ModelError: its own model is not trained, and `train` is not given.
    """
    found = check(path, samples, overrides, plugin_files, smoke)
    own, used = found.own, columns(found)
    if used:
        said = printable("; ".join(f"{role}: {names}" for role, names in used.items()))
        found = dataclasses.replace(found, notes=(*found.notes, f"columns: {said}"))
    if own is None or own.done:
        note = (f"model: {own.folder} is trained already, and used as it is",) if own else ()
        return planned(dataclasses.replace(found, notes=(*found.notes, *note)))
    if train is None:
        raise ModelError(
            f"{found.draft.text.file}: its model {own.folder} is not trained yet; `synthgen run` trains it"
        )
    train(own)
    return planned(found)


def planned(found: Checked) -> Prepared:
    """The plan of a recipe that was checked, and whose own model is trained if it has one.

    Raises:
        RecipeError: what only the trained model can tell, such as a class that it does not know.
    """
    draft, own = found.draft, found.own
    plan = build_draft(draft if own is None else own_model.resolved(draft, own.folder), found.plugins)
    out = Path("runs") / f"{plan.recipe.name}-{plan.digest[:8]}"
    data = [source for source in plan.parts.sources() if source.kind == "data"]
    of_data = dict.fromkeys(note for source in data for note in source.details.get("notes", ()))
    return Prepared(plan, found.plugins, out, (*found.notes, *of_data), own, found.evaluation, found.real)


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
        out: output folder; by default `runs/<name>-<digest>`.
        samples: overrides the recipe's size; a finished dataset grows to it.
        overrides: `key=value` texts, as for `--set`.
        smoke: small models with random weights and few samples, to try a recipe out.
        device: auto, cpu, cuda or cuda:N.

    Raises:
        SynthgenError: what went wrong, for the user. A dataset that is short is no error here:
            look at `Result.complete`.
    """
    observer = observer or Silent()
    prepared = prepare(path, samples, overrides, plugin_files, smoke, training(device, True, observer.note))
    for note in prepared.notes:
        observer.note(note)
    choice = Choice(executor, workers, address)
    return run_prepared(prepared, Path(out) if out else prepared.default_out, choice, device, observer)


def run_prepared(
    prepared: Prepared,
    out: Path,
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
        out=str(out.resolve()),
        digest=plan.digest,
        device=device,
        plugin_files=prepared.plugins.files,
        folder=str(Path.cwd()),
    )
    observer = observer or Silent()
    result = driver.run(plan, out, choice.start, job, observer, resume_command)
    if prepared.evaluation is None or prepared.real is None:
        return result
    if not result.complete:
        observer.note("not compared with the real data, because the dataset is incomplete")
        return result
    found = evaluations.evaluate(
        out, result.manifest, prepared.real, prepared.evaluation, observer.note, resume_command
    )
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
) -> Path:
    """Trains the model of a recipe, or goes on with its training: `synthgen train`. Returns the model's folder.

    With `smoke`, a trainer that starts from somebody's weights starts from small random ones, for a few steps.

    Raises:
        SynthgenError: what went wrong, for the user.
    """
    plugins = Plugins(plugin_files)
    text = recipe.load(path, overrides)
    if recipe.kind_of(text) != "model":
        raise UsageError(f"{text.file}: is a recipe for a dataset; use `synthgen run {shlex.quote(text.file)}`")
    found = recipe.validate(text, plugins)
    assert isinstance(found, ModelRecipe)
    if smoke:
        found = ModelRecipe.model_validate(smoked(found, plugins)[0])
    cls: Any = plugins.find("trainers", found.trainer.use)
    trainer = cls(cls.Config.model_validate(found.trainer.settings))
    target = Path(out) if out else Path("models") / found.name
    with disk.refusals(target), disk.named_paths():
        done: Path = trainer.train(target, found.seed, device=device, quiet=quiet)
    return done
