"""Fields by their type: what a manifest describes, found among installed fields and those of plug-in files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from synthgen.errors import PluginError
from synthgen.fields import Field
from synthgen.parts.registry import of_process


def from_description(description: Mapping[str, Any]) -> Field:
    """The field that `describe()` described. Fields of every plug-in file that this process has read are known.

    Raises:
        PluginError: no plug-in brings this type of field.
    """
    values = dict(description)
    name = str(values.pop("type", None))
    plugins = of_process()
    if name not in plugins.names("fields"):
        raise PluginError(
            f"holds a field of type `{name}`, which no installed package brings; name the file that does with "
            "--plugin FILE, or synthgen.load(..., plugins=[FILE])"
        )
    cls: type[Field] = plugins.find("fields", name)
    return cls.from_description(values)


def schema_of(entries: Iterable[Mapping[str, Any]]) -> dict[str, Field]:
    """The fields by name that a manifest or an identity lists, each with its `name`."""
    return {entry["name"]: from_description({k: v for k, v in entry.items() if k != "name"}) for entry in entries}
