"""Recipes as validated values: one model for datasets, one for models, and where their parts stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from synthgen.base.settings import Settings
from synthgen.fields import ImageFormat
from synthgen.parts.problem import Location
from synthgen.recipe.sections import Evaluation, Pool, Resources

FORMAT = 1
NAME = r"^[a-z0-9][a-z0-9_.-]*$"
MAX_NAME = 100
MAX_SAMPLES = 10**9
"""Keys of samples have nine digits, so that they sort as their numbers do."""


class PartSpec(BaseModel):
    """One part: `use` names it, the other keys are its own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)
    use: str = Field(description="Name of the part; `synthgen plugins` lists them.")

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class AnnotatorSpec(PartSpec):
    """A labeler or a scorer."""

    pool: Pool | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="On Ray: actors of its own, `{}` for one, instead of a place in every worker; not part of the "
        "dataset.",
    )


def spec_class(role: str) -> type[PartSpec]:
    """What a part of a role is in a recipe; its fields are the keys that are no settings of the part."""
    return AnnotatorSpec if role in ("labelers", "scorers") else PartSpec


def long_form(value: Any) -> Any:
    """A part without settings may be given as its name: `[webdataset]` for `[{use: webdataset}]`."""
    return (
        [{"use": entry} if isinstance(entry, str) else entry for entry in value] if isinstance(value, list) else value
    )


PartList = Annotated[list[PartSpec], pydantic.BeforeValidator(long_form)]
AnnotatorList = Annotated[list[AnnotatorSpec], pydantic.BeforeValidator(long_form)]
Places = Mapping[str, tuple[str, ...]]
"""Where in a recipe the parts of each role stand."""
PlacedPart = tuple[str, Location, PartSpec]
"""A part with its role and its place."""


def placed_parts(places: Places, value_at: Callable[[tuple[str, ...]], Any]) -> Iterator[tuple[str, Location, Any]]:
    """What stands at the places of all roles, one by one where it is a list."""
    for role, place in places.items():
        found = value_at(place)
        if isinstance(found, list):
            for i, entry in enumerate(found):
                yield role, (*place, i), entry
        elif found is not None:
            yield role, place, found


class Output(Settings):
    """How accepted samples are stored."""

    writers: PartList = Field(
        default=[PartSpec(use="webdataset")], min_length=1, description="File formats, one file a shard and split each."
    )
    image_format: ImageFormat = Field(default="png", description="Codec of images: png and webp keep every pixel.")

    @pydantic.field_validator("writers")
    @classmethod
    def _each_once(cls, writers: list[PartSpec]) -> list[PartSpec]:
        names = [spec.use for spec in writers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"`{name}` is given twice")
        return writers


class DatasetRecipe(Settings):
    """`kind: dataset`: what `synthgen run` produces."""

    PLACES: ClassVar[Places] = {
        "conditions": ("condition",),
        "samplers": ("sampler",),
        "labelers": ("labelers",),
        "scorers": ("scorers",),
        "writers": ("output", "writers"),
        "trainers": ("train",),
    }
    kind: Literal["dataset"]
    version: Literal[1] = Field(default=1, description="Version of the recipe language.")
    name: str = Field(pattern=NAME, max_length=MAX_NAME, description="Short name; part of the default output folder.")
    description: str = Field(default="", description="One or two sentences for the dataset card.")
    seed: int = Field(default=0, description="Every random number of the dataset follows from it.")
    samples: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="Size of the dataset; by default the sum of the quotas."
    )
    tries: int = Field(default=4, ge=1, le=1000, description="How often a slot is generated before it is given up.")
    shard_size: int = Field(
        default=100, ge=1, le=1_000_000, description="Slots in a shard, the unit of work and of resume."
    )
    batch_size: Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"] = Field(
        default=32,
        description="Samples generated together; decides bytes, so it is fixed. `auto` finds the fastest that fits by "
        "trial, once for each output folder.",
    )
    splits: dict[str, float] = Field(
        default={"train": 1.0},
        min_length=1,
        description="Share of each split, overall and in every class; the shares add up to 1.",
    )
    smoke: bool = Field(
        default=False, description="Set by `--smoke`: models have random weights, samples mean nothing."
    )
    data: dict[str, Any] | None = Field(
        default=None, description="Real data, for every part that has a setting `data`, and to compare with."
    )
    train: PartSpec | None = Field(
        default=None, description="A model to be trained first, once; parts use it as `model: trained`."
    )
    condition: PartSpec = Field(description="What each sample must show.")
    sampler: PartSpec = Field(description="The diffusion model that generates the samples.")
    labelers: AnnotatorList = Field(default=[], description="Parts that add labels, in this order.")
    scorers: AnnotatorList = Field(default=[], description="Parts that add numbers, in this order.")
    keep: list[str] = Field(default=[], description="Rules such as `agreement >= 0.7`; all must hold.")
    output: Output = Field(default=Output(), description="File formats.")
    resources: Resources = Field(
        default=Resources(),
        exclude_if=lambda value: value == Resources(),
        description="What one worker takes of a machine; not part of the dataset.",
    )
    evaluate: Evaluation | None = Field(
        default=None, description="How the finished dataset is compared with `data`; `{}` for the defaults."
    )

    @pydantic.field_validator("splits")
    @classmethod
    def _shares(cls, splits: dict[str, float]) -> dict[str, float]:
        for name, share in splits.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,49}", name):
                raise ValueError(f"`{name[:60]}` must be a lower-case word of at most 50 characters")
            if not 0 < share <= 1:
                raise ValueError(f"the share of `{name}` must be above 0 and at most 1 (got {share:g})")
        if abs(sum(splits.values()) - 1) > 1e-6:
            raise ValueError(f"the shares must add up to 1 (they add up to {sum(splits.values()):g})")
        return splits

    def parts(self) -> list[PlacedPart]:
        """Every part with its role and its place in the file."""
        return list(placed_parts(self.PLACES, lambda place: reduce(getattr, place, self)))

    def pools(self) -> dict[str, Pool]:
        """The labelers and scorers that have actors of their own, by the names of their random streams."""
        specs = [(role[:-1], place[-1], spec) for role, place, spec in self.parts() if isinstance(spec, AnnotatorSpec)]
        return {f"{role}:{spec.use}:{number}": spec.pool for role, number, spec in specs if spec.pool is not None}


class ModelRecipe(Settings):
    """`kind: model`: what `synthgen train` produces."""

    PLACES: ClassVar[Places] = {"trainers": ("trainer",)}
    kind: Literal["model"]
    version: Literal[1] = Field(default=1, description="Version of the recipe language.")
    name: str = Field(
        pattern=NAME, max_length=MAX_NAME, description="Short name; the default output folder is models/<name>."
    )
    description: str = Field(default="", description="One or two sentences for the model card.")
    seed: int = Field(default=0, description="Every random number of the training follows from it.")
    trainer: PartSpec = Field(description="How the model is trained.")

    def parts(self) -> list[PlacedPart]:
        return [("trainers", ("trainer",), self.trainer)]


Recipe = DatasetRecipe | ModelRecipe
Given = str | Path | Mapping[str, Any] | DatasetRecipe | ModelRecipe
"""A recipe as functions take it: the path of its file, what that would hold as a mapping, or one that is valid."""
KINDS: Mapping[str, type[DatasetRecipe] | type[ModelRecipe]] = {"dataset": DatasetRecipe, "model": ModelRecipe}
