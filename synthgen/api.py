"""The Python API: what the commands do, as functions."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen import driver, recipe
from synthgen.driver import Observer, Result
from synthgen.errors import UsageError
from synthgen.executors.choose import Choice, Wanted
from synthgen.executors.worker import Job
from synthgen.plan import Plan, build, build_draft
from synthgen.plugins import Plugins
from synthgen.recipe import DatasetRecipe, ModelRecipe
from synthgen.smoke import smoked


@dataclass(frozen=True)
class Prepared:
    """A recipe that was read, checked and planned."""

    plan: Plan
    plugins: Plugins
    default_out: Path
    notes: tuple[str, ...] = ()


class Silent:
    """An observer that prints nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def read_model(path: str | Path, overrides: Iterable[str] = (), plugin_files: Sequence[str] = ()) -> ModelRecipe | None:
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


def prepare(
    path: str | Path,
    samples: int | None = None,
    overrides: Iterable[str] = (),
    plugin_files: Sequence[str] = (),
    smoke: bool = False,
) -> Prepared:
    """Reads a dataset recipe and plans it. Loads no weights, draws nothing, writes nothing.

    With `smoke`, the recipe is checked as it is, and planned with small models in the place of real
    ones; those are made under `runs/.smoke`.

    Raises:
        RecipeError: every problem of the recipe at once.
        UsageError: no such file, or a recipe for a model.
    """
    plugins = Plugins(plugin_files)
    extra = [f"samples={samples}"] if samples is not None else []
    text = recipe.load(path, [*overrides, *extra])
    if recipe.kind_of(text) != "dataset":
        raise UsageError(f"{path}: is a recipe for a model; use `synthgen train {shlex.quote(str(path))}`")
    plan = build_draft(recipe.draft(text, plugins), plugins)
    found = plan.recipe
    notes: list[str] = []
    if smoke:
        content, notes = smoked(found, plugins)
        found = DatasetRecipe.model_validate(content)
        plan = build(found, plugins)
    return Prepared(plan, plugins, Path("runs") / f"{found.name}-{plan.digest[:8]}", tuple(notes))


def run(
    path: str | Path,
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

    Args:
        out: output folder; by default `runs/<name>-<digest>`.
        samples: overrides the recipe's size; a finished dataset grows to it.
        overrides: `key=value` texts, as for `--set`.
        smoke: small models with random weights and few samples, to try a recipe out.
        device: auto, cpu, cuda or cuda:N.

    Raises:
        SynthgenError: what went wrong, for the user. A dataset that is short is no error here:
            look at `Result.complete`.
    """
    prepared = prepare(path, samples, overrides, plugin_files, smoke)
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
    """`run` for a recipe that was prepared before."""
    plan = prepared.plan
    job = Job(
        recipe=plan.recipe.model_dump(mode="json") | {"samples": plan.n_samples},
        out=str(out.resolve()),
        digest=plan.digest,
        device=device,
        plugin_files=prepared.plugins.files,
        folder=str(Path.cwd()),
    )
    return driver.run(plan, out, choice.start, job, observer or Silent(), resume_command)


def train(
    path: str | Path,
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
        raise UsageError(f"{path}: is a recipe for a dataset; use `synthgen run {shlex.quote(str(path))}`")
    found = recipe.validate(text, plugins)
    assert isinstance(found, ModelRecipe)
    if smoke:
        found = ModelRecipe.model_validate(smoked(found, plugins)[0])
    cls: Any = plugins.find("trainers", found.trainer.use)
    trainer = cls(cls.Config.model_validate(found.trainer.settings))
    target = Path(out) if out else Path("models") / found.name
    done: Path = trainer.train(target, found.seed, device=device, quiet=quiet)
    return done
