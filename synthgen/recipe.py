"""Recipes: a YAML file into a frozen, validated value, with every problem of the file reported at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from synthgen import yamltext
from synthgen.errors import PluginError, RecipeError, UsageError
from synthgen.fields import ImageFormat
from synthgen.plugins import Plugins, unknown
from synthgen.yamltext import Location, RecipeText

FORMAT = 1
NAME = r"^[a-z0-9][a-z0-9_.-]*$"


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
    name: str = Field(pattern=NAME, description="Short name; part of the default output folder.")
    description: str = Field(default="", description="One or two sentences for the dataset card.")
    seed: int = Field(default=0, description="Every random number of the dataset follows from it.")
    samples: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="Size of the dataset; by default the sum of the quotas."
    )
    tries: int = Field(default=4, ge=1, le=1000, description="How often a slot is drawn before it is given up.")
    shard_size: int = Field(default=100, ge=1, description="Slots in a shard, the unit of work and of resume.")
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default=32,
        description="Samples drawn together; decides bytes, so it is fixed. `auto` finds the fastest that fits by "
        "trial, once for each output folder.",
    )
    splits: dict[str, float] = Field(
        default={"train": 1.0}, min_length=1, description="Share of each split; the shares add up to 1."
    )
    smoke: bool = Field(
        default=False, description="Set by `--smoke`: models have random weights, samples mean nothing."
    )
    condition: PartSpec = Field(description="What each sample must show.")
    sampler: PartSpec = Field(description="The diffusion model that draws the samples.")
    labelers: PartList = Field(default=[], description="Parts that add labels, in this order.")
    scorers: PartList = Field(default=[], description="Parts that add numbers, in this order.")
    keep: list[str] = Field(default=[], description="Rules such as `agreement >= 0.7`; all must hold.")
    output: Output = Field(default=Output(), description="File formats.")

    @pydantic.field_validator("splits")
    @classmethod
    def _shares(cls, splits: dict[str, float]) -> dict[str, float]:
        for name, share in splits.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"`{name}` must be a lower-case word")
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
        return found


class ModelRecipe(BaseModel):
    """`kind: model`: what `synthgen train` produces."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["model"]
    version: Literal[1] = Field(default=1, description="Version of the recipe language.")
    name: str = Field(pattern=NAME, description="Short name; the default output folder is models/<name>.")
    description: str = Field(default="", description="One or two sentences for the model card.")
    seed: int = Field(default=0, description="Every random number of the training follows from it.")
    trainer: PartSpec = Field(description="How the model is trained.")

    def parts(self) -> list[tuple[str, Location, PartSpec]]:
        return [("trainers", ("trainer",), self.trainer)]


Recipe = DatasetRecipe | ModelRecipe
KINDS: Mapping[str, type[DatasetRecipe] | type[ModelRecipe]] = {"dataset": DatasetRecipe, "model": ModelRecipe}


def read(path: str | Path, overrides: Iterable[str] = (), plugins: Plugins | None = None) -> tuple[Recipe, RecipeText]:
    """Reads, overrides and validates a recipe, its parts' settings included.

    Raises:
        UsageError: the file cannot be read.
        RecipeError: every problem found, each as `file:line: key: what is wrong`.
    """
    try:
        content = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such recipe; `ls recipes/` shows the ones that come with synthgen") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a text file: {error}") from None
    text = yamltext.parse(content, str(path))
    for assignment in overrides:
        yamltext.override(text, assignment)
    return validate(text, plugins or Plugins()), text


def validate(text: RecipeText, plugins: Plugins) -> Recipe:
    """The recipe that `text` holds, or a RecipeError with all of its problems."""
    if not isinstance(text.data, dict):
        raise RecipeError([f"{text.file}:1: must be a mapping of keys to values"])
    kind = text.data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise RecipeError([f"{text.where(('kind',))}: kind: must be `dataset` or `model` (got {kind!r})"])
    problems: list[tuple[Location, str]] = []
    recipe: Recipe | None = None
    try:
        recipe = KINDS[kind].model_validate(text.data)
    except pydantic.ValidationError as error:
        problems += describe(error, KINDS[kind], ())
    for role, location, spec in recipe.parts() if recipe else _raw_parts(text.data):
        try:
            config_class(plugins, role, spec.use).model_validate(spec.settings)
        except PluginError as error:
            problems.append(((*location, "use"), str(error)))
        except pydantic.ValidationError as error:
            problems += describe(error, config_class(plugins, role, spec.use), location)
    if problems or recipe is None:
        raise RecipeError(located(text, problems))
    return recipe


def config_class(plugins: Plugins, role: str, name: str) -> type[BaseModel]:
    """The settings model of a part."""
    config: type[BaseModel] = plugins.find(role, name).Config  # type: ignore[attr-defined]
    return config


def located(text: RecipeText, problems: Iterable[tuple[Location, str]]) -> list[str]:
    """Problems as `file:line: key: message`, in the order of the file."""
    lines = [(text.where(place), yamltext.dotted(place), message) for place, message in problems]
    lines.sort(key=lambda line: (int(line[0].rpartition(":")[2]) if line[0][-1].isdigit() else 0, line[1]))
    return [f"{where}: {key}: {message}" if key else f"{where}: {message}" for where, key, message in lines]


def describe(error: pydantic.ValidationError, model: type[BaseModel], prefix: Location) -> list[tuple[Location, str]]:
    """pydantic's findings in our words, each with its place."""
    found: list[tuple[Location, str]] = []
    for item in error.errors(include_url=False):
        place = tuple(step for step in item["loc"] if not (isinstance(step, str) and _BRANCH.match(step)))
        message, got = str(item["msg"]), item.get("input")
        if item["type"] == "extra_forbidden":
            message = unknown(str(place[-1]), _keys_at(model, place[:-1]), "key")
        elif item["type"] == "missing":
            message = "is required and was not given"
        else:
            message = re.sub(r"^(Input|String|List|Dictionary|Value) should ", "must ", message)
            message = message.removeprefix("Value error, ").removesuffix(" or instance of PartSpec")
            message = message.replace("a valid dictionary", "a mapping of keys to values")
            if item["type"] != "value_error" and not isinstance(got, dict | list):
                message += f" (got {got!r})"
        found.append(((*prefix, *place), message))
    return _merged(found)


_BRANCH = re.compile(r".*\[|(constrained-)?(int|float|str|bool|list|dict)$")
"""How pydantic names the branches of `float | list[float]` within a path."""


def _merged(problems: list[tuple[Location, str]]) -> list[tuple[Location, str]]:
    """One problem a place where a value may be of several types: the branch that looked deeper, or all in one line."""
    by_place: dict[Location, list[str]] = {}
    for place, message in problems:
        if not any(other[: len(place)] == place and len(other) > len(place) for other, _ in problems):
            by_place.setdefault(place, []).append(message)
    found = []
    for place, messages in by_place.items():
        bare = [message.rpartition(" (got ")[0] or message for message in messages[:-1]]
        found.append((place, " or ".join([*bare, messages[-1].removeprefix("must ") if bare else messages[-1]])))
    return found


def _keys_at(model: type[BaseModel], place: Location) -> list[str]:
    """The keys that `model` accepts at `place`, a path of keys and list positions."""
    current: Any = model
    for step in place:
        if isinstance(step, int) or not hasattr(current, "model_fields") or step not in current.model_fields:
            continue
        current = _model_in(current.model_fields[step].annotation)
    return list(current.model_fields) if hasattr(current, "model_fields") else []


def _model_in(annotation: Any) -> Any:
    """The pydantic model inside `X`, `X | None`, `list[X]` and the like; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def _raw_parts(data: dict[str, Any]) -> list[tuple[str, Location, PartSpec]]:
    """The parts of a recipe whose envelope is wrong, so that their own problems are reported as well."""
    output = data.get("output")
    entries: list[tuple[str, Location, Any]] = [
        ("conditions", ("condition",), data.get("condition")),
        ("samplers", ("sampler",), data.get("sampler")),
        ("trainers", ("trainer",), data.get("trainer")),
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
