"""Sections of a dataset recipe that serve several parts: `data`, `train` with `model: trained`, and `evaluate`."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.errors import PluginError
from synthgen.parts.problem import Location, Problem
from synthgen.parts.registry import Plugins

TRAINED = "trained"
"""What a part says as its `model` to use the one that the recipe's `train` makes."""

Raw = tuple[str, Location, Mapping[str, Any]]
"""A part as it was written: its role, its place, and a mapping with `use` and its settings."""


Several = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
Steps = Annotated[int, Field(ge=1)] | Several
"""A number of training steps, or several to choose from."""

Trick = Literal["cutout", "mixup", "averaged", "oversampled", "adjusted", "copy-paste", "jitter"]
"""A way of training on the same images, which generated ones have to be better than."""


class Resources(Settings):
    """What one worker takes of a machine. It decides how many run and where, and nothing of the dataset."""

    cpus: float = Field(default=1.0, gt=0, le=1024, description="Cores of one worker.")
    gpus: float | None = Field(
        default=None,
        ge=0,
        le=64,
        description="GPUs of one worker; below 1, several share one; 0 is the CPU. By default 1 where there are any.",
    )
    memory_gb: float = Field(default=0.0, ge=0, description="Main memory of one worker, in 10^9 bytes; 0 counts none.")
    accelerator: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="Ray: the kind of GPU by Ray's name, such as A100 or L4.",
    )

    @pydantic.field_validator("gpus")
    @classmethod
    def _whole(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            raise ValueError(f"must be a whole number, or below 1 (got {gpus:g})")
        return gpus


class Pool(Resources):
    """Actors of a part's own on a Ray cluster, each with its model, and what one takes. Nothing of the dataset."""

    actors: int = Field(default=1, ge=1, le=10_000, description="How many.")


class Evaluation(Settings):
    """How a finished dataset is compared with the real data; the same as the options of `synthgen evaluate`."""

    seeds: int = Field(default=3, ge=1, description="Repeats of every training, and of every metric that has chance.")
    steps: Steps | None = Field(
        default=None,
        description="Training steps of each; by default 2000, for masks and series 600. Images by class and with "
        "masks: of several, such as [500, 2000, 10000], each network has the number that is best on real validation "
        "images. Translation pairs: a translator is trained with so many, by default none.",
    )
    tricks: list[Trick] = Field(
        default=[],
        exclude_if=lambda value: not value,
        description="Images and series: ways of training that are tried beside the plain one, for every network and "
        "number of steps; each has the one that is best on real validation data. Averaged takes a mean of weights. "
        "Images by class: cutout hides a square, mixup blends pairs; for rare classes, oversampled repeats their "
        "images, and adjusted takes shares of classes off the logits. With masks, boxes and class maps: jitter varies "
        "size and colours; with masks, copy-paste puts objects of one image into another. Series: jitter adds noise "
        "and stretches values.",
    )
    effort: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Series: share of the published iterations that metrics are trained for. With less than 1 they "
        "are faster, and not comparable with published numbers.",
    )
    split: str = Field(default="train", description="Split of the dataset that is measured; `all` for all.")
    evaluator: str | None = Field(
        default=None, description="Images: a classifier or segmenter that took no part in making the data."
    )
    segmentation: str = Field(default="segmentation", description="Masks: the class map to train on.")
    measures: dict[str, dict[str, Any]] = Field(
        default={},
        exclude_if=lambda value: not value,
        description="Settings of single measures by name, such as those that only a measure of a plug-in has.",
    )


def share_data(content: dict[str, Any], parts: Sequence[Raw], plugins: Plugins) -> tuple[list[Location], list[Problem]]:
    """Gives the recipe's `data` to every part that has such a setting.

    Args:
        content: the recipe; changed in place.

    Returns:
        the parts that got them, and problems.
    """
    data = content.get("data")
    if data is None:
        return [], []
    places: list[Location] = []
    problems: list[Problem] = []
    known = content.get("train") is not None or not untrained(parts)  # else the part that would take them is missing
    for role, place, part in parts:
        try:
            takes = "data" in plugins.find(role, part["use"]).Config.model_fields  # type: ignore[attr-defined]
        except PluginError:
            known = False
            continue
        if takes and "data" in part:
            message = "is given here and as `data` of the whole recipe; leave out one of them"
            problems.append(Problem(message, place=(*place, "data")))
        if takes:
            put(content, place, {"data": data, **part})
            places.append(place)
    if not places and known:
        message = "no part of this recipe takes real data; `train` does, or a condition such as `use: real-series`"
        problems.append(Problem(message, place=("data",)))
    twice = {found.place[:-1] for found in problems}
    return [place for place in places if place not in twice], problems


def placed(problem: Problem, sharing: Iterable[Location]) -> Problem:
    """The problem where its setting was written: what a part got from `data` stands there."""
    place = problem.place
    for part in sharing:
        if place[: len(part) + 1] == (*part, "data"):
            return replace(problem, place=place[len(part) :])
    return problem


def untrained(parts: Iterable[Raw]) -> list[Location]:
    """The parts that use the model which `train` makes."""
    return [place for role, place, part in parts if role != "trainers" and part.get("model") == TRAINED]


def check(content: Mapping[str, Any], parts: Iterable[Raw]) -> list[Problem]:
    """What is wrong with the sections as a whole."""
    problems: list[Problem] = []
    places, train = untrained(parts), content.get("train")
    if train is None:
        message = f"`{TRAINED}` is the model that `train` makes, and this recipe has no `train`"
        problems += [Problem(message, place=(*place, "model")) for place in places]
    elif not places:
        message = f"makes a model that no part uses; give `model: {TRAINED}` to the sampler, or leave it out"
        problems.append(Problem(message, place=("train",)))
    own_data = isinstance(train, Mapping) and train.get("data")
    if content.get("evaluate") is not None and content.get("data") is None and not own_data:
        problems.append(Problem("needs real data to compare with; give them as `data`", place=("evaluate",)))
    return problems


def with_model(content: Mapping[str, Any], parts: Iterable[Raw], folder: str) -> dict[str, Any]:
    """The recipe with the trained model's folder in the place of `trained`, and without the sections; a copy."""
    found = copy.deepcopy({key: value for key, value in content.items() if key not in ("data", "train", "evaluate")})
    for place in untrained(parts):
        put(found, (*place, "model"), folder)
    return found


def put(content: Any, place: Location, value: Any) -> None:
    """Sets what stands at `place` of nested mappings and lists."""
    for step in place[:-1]:
        content = content[step]
    content[place[-1]] = value
