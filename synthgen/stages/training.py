"""The model that a dataset's recipe trains for itself: its folder, whether it is there, and its training."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.base.disk import disk_error, named_paths, refusals
from synthgen.base.json_files import canonical
from synthgen.dataset.lock import driver_lock
from synthgen.errors import Interrupted, SynthgenError, TerminatedError
from synthgen.generate.binding import Binding
from synthgen.models import folders
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Trainer
from synthgen.parts.registry import Plugins
from synthgen.readers import origin
from synthgen.recipe.reading import Draft
from synthgen.recipe.recipe import DatasetRecipe, ModelRecipe
from synthgen.recipe.sections import TRAINED, placed, with_model

FORMAT = 1
WORK, ENDED, RECIPE = "training", "ended.json", "recipe.yaml"
"""Where trainers keep checkpoints, inside the model's folder; what says there that it was ended; its recipe."""


@dataclass(frozen=True)
class OwnModel:
    """What a recipe's `train` makes.

    `digest` is the sha256 of everything that decides the training: the trainer with its version and all settings,
    the bytes of the data and of models that it starts from, and the recipe's seed.
    """

    recipe: ModelRecipe
    trainer: Trainer
    digest: str
    data: str

    @property
    def folder(self) -> Path:
        """`models/<name>-<digest8>`: another setting, other data or another seed make another folder."""
        return Path("models") / f"{self.recipe.name}-{self.digest[:8]}"

    @property
    def done(self) -> bool:
        """Whether it is trained to the end: its index is what a training writes last."""
        return any((self.folder / name).is_file() for name in folders.INDEXES)

    @property
    def ended(self) -> int | None:
        """The step at which its training was ended, if that was before the last; else None."""
        try:
            return int(json.loads((self.folder / WORK / ENDED).read_text(encoding="utf-8"))["step"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def state(self) -> str:
        """What is said of it when it is there: `is trained already`, or where it was ended and how to go on."""
        if self.ended is None:
            return "is trained already"
        return f"was ended at step {self.ended} of {self.steps} (`{self.command}` trains it to the end)"

    @property
    def command(self) -> str:
        """What makes the same model without the dataset."""
        folder = shlex.quote(str(self.folder))
        return f"synthgen train {folder}/{WORK}/{RECIPE} -o {folder}"

    @property
    def steps(self) -> int | None:
        """Optimiser steps of the training, None if the trainer does not count them so."""
        found = self.trainer.identity().get("steps")
        return found if isinstance(found, int) else None

    @property
    def steps_done(self) -> int:
        """Steps of a training that was interrupted, 0 if there is none."""
        found = sorted((self.folder / WORK / "checkpoints").glob("step-*"))
        number = found[-1].name.removeprefix("step-") if found else ""
        return int(number) if number.isdecimal() else 0

    @property
    def can_finish(self) -> bool:
        """Whether a model can be made of what an interrupted training has learned."""
        return bool(self.steps_done) and "finish" in inspect.signature(self.trainer.train).parameters

    @property
    def summary(self) -> str:
        """The training in a few words: `series, 5000 steps on my.csv`."""
        steps = f", {self.steps} steps" if self.steps else ""
        return f"{self.recipe.trainer.use}{steps}" + (f" on {self.data}" if self.data else "")


def find(draft: Draft, plugins: Plugins) -> tuple[OwnModel | None, list[Problem]]:
    """The model of a recipe's `train`, and what is wrong with its data; None if there is no `train` or it is wrong.

    Looks into the data unless the model is trained already. Loads no weights, writes nothing.
    """
    recipe = draft.recipe
    assert isinstance(recipe, DatasetRecipe)
    if recipe.train is None or any(place[0] == "train" for place in draft.broken | draft.wrong):
        return None, []
    use, settings = recipe.train.use, recipe.train.settings
    cls: Any = plugins.find("trainers", use)
    config = cls.Config.model_validate(settings)
    trainer: Trainer = cls(config)
    data = getattr(config, "data", None)
    found = None
    try:
        with named_paths():
            digest = _digest(trainer, use, data, recipe.seed, plugins)
    except SynthgenError as error:
        place = ("data", origin.key_of(settings.get("data", {})))
        problems = [Problem(message, error.names, place) for message in error.messages]
    else:
        made = ModelRecipe(
            kind="model", name=recipe.name, description=recipe.description, seed=recipe.seed, trainer=recipe.train
        )
        found = OwnModel(made, trainer, digest, str(getattr(data, "path", "")))
        check: Callable[[], Sequence[Problem]] | None = getattr(trainer, "check", None)
        problems = list(check()) if check and not found.done else []
    return found, [placed(problem.below(("train",)), draft.sharing) for problem in problems]


def _digest(trainer: Trainer, use: str, data: Any, seed: int, plugins: Plugins) -> str:
    file = plugins.origin("trainers", use)
    identity = {
        "format": FORMAT,
        "seed": seed,
        "trainer": {"use": use, "version": trainer.version, **trainer.identity()},
        "sources": [[source.kind, source.sha256, source.details.get("revision")] for source in trainer.sources],
        "data_sha256": origin.sha256(data) if data is not None else "",
        **({"file_sha256": file} if file else {}),
    }
    return hashlib.sha256(canonical(identity).encode()).hexdigest()


def bind_to_sketch(draft: Draft, own: OwnModel, plugins: Plugins) -> Binding:
    """Binds the recipe's parts to its model as it is before the first step, if the trainer can write that.

    Raises:
        RecipeError: all problems of the recipe, those with the model included, such as a class that it will not know.
    """
    sketch: Callable[[Path], None] | None = getattr(own.trainer, "sketch", None)
    if sketch is None:
        return Binding(draft, plugins)
    with tempfile.TemporaryDirectory(prefix="synthgen-sketch-") as folder, folders.standing_in(TRAINED, Path(folder)):
        sketch(Path(folder))
        return Binding(dataclasses.replace(draft, untrained=frozenset()), plugins)


def resolved(draft: Draft, folder: Path) -> Draft:
    """The draft of the recipe that names the folder of its model, and has the sections no more."""
    asked = draft.recipe
    parts = [(role, place, spec.model_dump()) for role, place, spec in asked.parts()]
    content = with_model(asked.model_dump(mode="json"), parts, str(folder))
    return dataclasses.replace(draft, recipe=DatasetRecipe.model_validate(content), untrained=frozenset())


def train(own: OwnModel, device: str, quiet: bool, note: Callable[[str], None], command: str = "") -> None:
    """Trains the model, or goes on with its training from the last checkpoint.

    Args:
        note: called once, with what is trained and from which step.
        command: shown when the training is interrupted.

    Raises:
        StoreError: another synthgen trains it at the moment, or the disk refuses.
        Interrupted: on SIGINT or SIGTERM, after a checkpoint.
    """
    work = own.folder / WORK
    try:
        _describe(own, work)
        with driver_lock(work), refusals(own.folder):
            begun = f"going on from step {own.steps_done}" if own.steps_done else "once; later runs use it as it is"
            note(f"training {own.folder}: {own.summary} ({begun})")
            own.trainer.train(own.folder, own.recipe.seed, device=device, quiet=quiet)
    except (Interrupted, KeyboardInterrupt) as error:
        code = error.exit_code if isinstance(error, Interrupted) else 143 if isinstance(error, TerminatedError) else 130
        text = str(error) if isinstance(error, Interrupted) else "interrupted; the training goes on from where it was."
        ending = f"\nOr make a model of it as it is with: {own.command} --finish" if own.can_finish else ""
        raise Interrupted(f"{text} Go on with: {command}{ending}" if command else text, code) from None


def _describe(own: OwnModel, work: Path) -> None:
    """Writes the training as a recipe beside its checkpoints, of which `synthgen train` makes the same model."""
    import yaml

    content = yaml.safe_dump(own.recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    try:
        work.mkdir(parents=True, exist_ok=True)
        (work / RECIPE).write_text(content, encoding="utf-8")
    except OSError as error:
        raise disk_error(error, own.folder) from None
