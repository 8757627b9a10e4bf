"""Real data by the settings of a section `data`: which reader reads them, their hash, and where a recipe names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from synthgen.errors import UsageError
from synthgen.parts.protocols import Reader
from synthgen.parts.registry import of_process
from synthgen.readers.images import folder
from synthgen.recipe import reading
from synthgen.recipe.recipe import DatasetRecipe, ModelRecipe


def reader_of(data: BaseModel | Mapping[str, Any]) -> tuple[str, Reader | None]:
    """The name and the reader of the data that settings describe; empty and None if they are of no known kind."""
    plugins = of_process()
    settings = data.model_dump() if isinstance(data, BaseModel) else dict(data)
    for name in plugins.names("readers"):
        cls: Any = plugins.find("readers", name)
        if isinstance(data, BaseModel) and not isinstance(data, cls.Config):
            continue
        if cls.claims(settings):
            return name, cls(data if isinstance(data, BaseModel) else cls.Config.model_validate(settings))
    return "", None


def sha256(data: BaseModel | Mapping[str, Any]) -> str:
    """sha256 over names and bytes of everything that a setting `data` reads, so that a model of it is trained once.

    Raises:
        DataError: there is nothing at the path.
    """
    _, reader = reader_of(data)
    if reader is not None:
        return reader.sha256()
    settings = data.model_dump() if isinstance(data, BaseModel) else data
    return folder.path_sha256(place_of(settings))


def key_of(data: Mapping[str, Any]) -> str:
    """The key under which a section `data` names its file, folder or address: `path`, of texts `texts`."""
    return "texts" if data.get("texts") and not data.get("path") else "path"


def place_of(data: Mapping[str, Any]) -> str:
    """What it names there; empty if it names nothing."""
    return str(data.get(key_of(data)) or "")


def real_data(found: ModelRecipe | DatasetRecipe) -> Mapping[str, Any] | None:
    """The real data of a recipe: those that its trainer learns from, or its `data`."""
    if isinstance(found, DatasetRecipe) and found.data is not None:
        return found.data
    trainer = found.trainer if isinstance(found, ModelRecipe) else found.train
    data = trainer.settings.get("data") if trainer else None
    return data if isinstance(data, Mapping) else None


def data_section(path: str, key: str = "path") -> Mapping[str, Any]:
    """The settings `data` of a recipe, those that are written in braces as JSON or YAML, or those that name a path.

    Args:
        key: what a path is that is none of a recipe: `path`, of texts `texts`.

    Raises:
        UsageError: the recipe names no real data, or what is in braces are no settings.
    """
    if path.lstrip().startswith("{"):
        return _written_out(path)
    if Path(path).suffix not in (".yaml", ".yml"):
        return {key: path}
    data = real_data(reading.load_recipe(path, plugins=of_process()))
    if data is None:
        raise UsageError(
            f"{path}: names no real data; a recipe with `data`, or of a model that is trained on some, does"
        )
    return data


def _written_out(text: str) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise UsageError(f"{text}: is in braces, and must hold settings of a section `data`, as {{texts: my.tsv}}")
    return found
