"""Recipes: a YAML file into a frozen, validated value, with every problem of the file reported at once."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from synthgen.errors import PluginError, RecipeError, UsageError
from synthgen.fields import ImageFormat
from synthgen.parts.registry import Plugins
from synthgen.recipe import sections, yaml_text
from synthgen.recipe.findings import describe
from synthgen.recipe.sections import Evaluation, put
from synthgen.recipe.yaml_text import Location, RecipeText

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


def _long_form(value: Any) -> Any:
    """A part without settings may be given as its name: `[webdataset]` for `[{use: webdataset}]`."""
    return (
        [{"use": entry} if isinstance(entry, str) else entry for entry in value] if isinstance(value, list) else value
    )


PartList = Annotated[list[PartSpec], pydantic.BeforeValidator(_long_form)]


class Output(BaseModel):
    """How accepted samples are stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    writers: PartList = Field(
        default=[PartSpec(use="webdataset")], min_length=1, description="File formats, one file a shard and split each."
    )
    image_format: ImageFormat = Field(default="png", description="Codec of pictures: png and webp keep every pixel.")

    @pydantic.field_validator("writers")
    @classmethod
    def _each_once(cls, writers: list[PartSpec]) -> list[PartSpec]:
        names = [spec.use for spec in writers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"`{name}` is given twice")
        return writers


class DatasetRecipe(BaseModel):
    """`kind: dataset`: what `synthgen run` produces."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["dataset"]
    version: Literal[1] = Field(default=1, description="Version of the recipe language.")
    name: str = Field(pattern=NAME, max_length=MAX_NAME, description="Short name; part of the default output folder.")
    description: str = Field(default="", description="One or two sentences for the dataset card.")
    seed: int = Field(default=0, description="Every random number of the dataset follows from it.")
    samples: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="Size of the dataset; by default the sum of the quotas."
    )
    tries: int = Field(default=4, ge=1, le=1000, description="How often a slot is drawn before it is given up.")
    shard_size: int = Field(
        default=100, ge=1, le=1_000_000, description="Slots in a shard, the unit of work and of resume."
    )
    batch_size: Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"] = Field(
        default=32,
        description="Samples drawn together; decides bytes, so it is fixed. `auto` finds the fastest that fits by "
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
    sampler: PartSpec = Field(description="The diffusion model that draws the samples.")
    labelers: PartList = Field(default=[], description="Parts that add labels, in this order.")
    scorers: PartList = Field(default=[], description="Parts that add numbers, in this order.")
    keep: list[str] = Field(default=[], description="Rules such as `agreement >= 0.7`; all must hold.")
    output: Output = Field(default=Output(), description="File formats.")
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

    def parts(self) -> list[tuple[str, Location, PartSpec]]:
        """Every part with its role and its place in the file."""
        found: list[tuple[str, Location, PartSpec]] = [
            ("conditions", ("condition",), self.condition),
            ("samplers", ("sampler",), self.sampler),
        ]
        found += [("labelers", ("labelers", i), spec) for i, spec in enumerate(self.labelers)]
        found += [("scorers", ("scorers", i), spec) for i, spec in enumerate(self.scorers)]
        found += [("writers", ("output", "writers", i), spec) for i, spec in enumerate(self.output.writers)]
        found += [("trainers", ("train",), self.train)] if self.train else []
        return found


class ModelRecipe(BaseModel):
    """`kind: model`: what `synthgen train` produces."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["model"]
    version: Literal[1] = Field(default=1, description="Version of the recipe language.")
    name: str = Field(
        pattern=NAME, max_length=MAX_NAME, description="Short name; the default output folder is models/<name>."
    )
    description: str = Field(default="", description="One or two sentences for the model card.")
    seed: int = Field(default=0, description="Every random number of the training follows from it.")
    trainer: PartSpec = Field(description="How the model is trained.")

    def parts(self) -> list[tuple[str, Location, PartSpec]]:
        return [("trainers", ("trainer",), self.trainer)]


Recipe = DatasetRecipe | ModelRecipe
Given = str | Path | Mapping[str, Any] | DatasetRecipe | ModelRecipe
"""A recipe as functions take it: the path of its file, what that would hold as a mapping, or one that is valid."""
KINDS: Mapping[str, type[DatasetRecipe] | type[ModelRecipe]] = {"dataset": DatasetRecipe, "model": ModelRecipe}


@dataclass(frozen=True)
class Draft:
    """What one reading of a recipe found, right or wrong.

    Attributes:
        recipe: what the text says; keys that are wrong are left out or have their default, and where
            one is needed that cannot be read, another stands in its place.
        problems: what is wrong, each with its place.
        wrong: places of the keys that were left out: top-level ones and settings of parts.
        broken: places of the parts that cannot be made.
        untrained: places of the parts that cannot be made yet, because the recipe trains their model itself.
    """

    text: RecipeText
    recipe: Recipe
    problems: tuple[tuple[Location, str], ...] = ()
    wrong: frozenset[Location] = frozenset()
    broken: frozenset[Location] = frozenset()
    untrained: frozenset[Location] = frozenset()

    @property
    def sound(self) -> bool:
        return not self.problems and not self.text.problems


def read(path: Given, overrides: Iterable[str] = (), plugins: Plugins | None = None) -> tuple[Recipe, RecipeText]:
    """Reads, overrides and validates a recipe, its parts' settings included.

    Raises:
        UsageError: the file cannot be read.
        RecipeError: every problem found, each as `file:line: key: what is wrong`.
    """
    text = load(path, overrides)
    return validate(text, plugins or Plugins()), text


def load(path: Given, overrides: Iterable[str] = ()) -> RecipeText:
    """The text of a recipe with its overrides, to be looked at with `draft` or `validate`.

    Raises:
        UsageError: the file cannot be read, or what was built in Python could not stand in one.
        RecipeError: it is no YAML, or an override cannot be applied.
    """
    if isinstance(path, BaseModel):
        path = path.model_dump(mode="json", exclude_unset=True)
    text = yaml_text.built(path) if isinstance(path, Mapping) else yaml_text.read(_content(path), str(path))
    for assignment in overrides:
        yaml_text.override(text, assignment)
    return text


def _content(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such recipe; `ls recipes/` shows the ones that come with synthgen") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a text file: {error}") from None


def kind_of(text: RecipeText) -> str:
    """`dataset` or `model`. Raises RecipeError if the text says neither."""
    if not isinstance(text.data, dict):
        raise RecipeError(located(text, [((), "must be a mapping of keys to values")]))
    kind = text.data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise RecipeError(located(text, [(("kind",), f"must be `dataset` or `model` (got {kind!r})")]))
    return kind


def validate(text: RecipeText, plugins: Plugins) -> Recipe:
    """The recipe that `text` holds, or a RecipeError with all of its problems."""
    found = draft(text, plugins)
    if not found.sound:
        raise RecipeError(located(text, found.problems))
    return found.recipe


def draft(text: RecipeText, plugins: Plugins) -> Draft:
    """Looks at every key and at the settings of every part, whatever is wrong with the others.

    Raises:
        RecipeError: the text does not say what kind of recipe it is.
    """
    model = KINDS[kind_of(text)]
    data, problems = copy.deepcopy(text.data), []
    try:
        model.model_validate(data)
    except pydantic.ValidationError as error:
        problems += describe(error, model, (), data)
    unusable = {place[0] for place, _ in problems if place}
    wrong: set[Location] = {(key,) for key in unusable} | text.twice
    broken: set[Location] = set()
    raw = [(role, place, spec.model_dump()) for role, place, spec in _raw_parts(data)]
    sharing: list[Location] = []
    if model is DatasetRecipe:
        sharing, found = sections.share_data(data, raw, plugins)
        problems += [*found, *sections.check(text.data, raw)]
    for role, place, spec in _raw_parts(data):
        found, settings = _part_problems(plugins, role, place, spec)
        told = [(sections.written(where, sharing), message) for where, message in found]
        problems += [(where, message) for where, message in told if where != ("data",) or "data" not in unusable]
        if settings is None or any(place[: len(two)] == two or two[: len(place)] == place for two in text.twice):
            broken.add(place)
        elif found:
            wrong |= {(*place, key) for key in spec.settings if key not in settings}
            put(data, place, {"use": spec.use, **settings})
    usable = {key: value for key, value in data.items() if key not in unusable}
    for key, field in model.model_fields.items():
        if field.is_required() and key not in usable:
            broken.add((key,))
            usable[key] = "unread" if key == "name" else {"use": "unread"}
    untrained = sections.untrained(raw) if model is DatasetRecipe else ()
    return Draft(
        text, model.model_validate(usable), tuple(problems), frozenset(wrong), frozenset(broken), frozenset(untrained)
    )


def _part_problems(
    plugins: Plugins, role: str, place: Location, spec: PartSpec
) -> tuple[list[tuple[Location, str]], dict[str, Any] | None]:
    """What is wrong with the settings of a part, and those that are right; None if they do not make the part."""
    try:
        config = config_class(plugins, role, spec.use)
    except PluginError as error:
        return [((*place, "use"), str(error))], None
    try:
        config.model_validate(spec.settings)
    except pydantic.ValidationError as error:
        keys = {item["loc"][0] if item["loc"] else None for item in error.errors(include_url=False)}
        settings = {key: value for key, value in spec.settings.items() if key not in keys}
        try:
            config.model_validate(settings)
        except pydantic.ValidationError:
            return describe(error, config, place, spec.settings), None
        return describe(error, config, place, spec.settings), settings
    return [], spec.settings


def config_class(plugins: Plugins, role: str, name: str) -> type[BaseModel]:
    """The settings model of a part."""
    config: type[BaseModel] = plugins.find(role, name).Config  # type: ignore[attr-defined]
    return config


def located(text: RecipeText, problems: Iterable[tuple[Location, str]]) -> list[str]:
    """All problems of a recipe, its text's included, as `file:line: key: message`, in the order of the file.

    Of what was given twice nothing else is said, because it is not known which was meant.
    """
    told = [
        (text.where(place), yaml_text.dotted(place), message)
        for place, message in problems
        if not any(place[:n] in text.twice for n in range(1, len(place) + 1))
    ]
    return yaml_text.listed([*text.problems, *told])


def _raw_parts(data: dict[str, Any]) -> list[tuple[str, Location, PartSpec]]:
    """The parts of a recipe whose envelope is wrong, so that their own problems are reported as well."""
    output = data.get("output")
    entries: list[tuple[str, Location, Any]] = [
        ("conditions", ("condition",), data.get("condition")),
        ("samplers", ("sampler",), data.get("sampler")),
        ("trainers", ("trainer",), data.get("trainer")),
        ("trainers", ("train",), data.get("train")),
    ]
    for role in ("labelers", "scorers"):
        if isinstance(data.get(role), list):
            entries += [(role, (role, i), entry) for i, entry in enumerate(_long_form(data[role]))]
    if isinstance(output, dict) and isinstance(output.get("writers"), list):
        written = enumerate(_long_form(output["writers"]))
        entries += [("writers", ("output", "writers", i), entry) for i, entry in written]
    return [
        (role, place, PartSpec(**{str(k): v for k, v in entry.items()}))
        for role, place, entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("use"), str)
    ]
