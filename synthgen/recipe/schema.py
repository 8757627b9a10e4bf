"""JSON Schema of recipes (draft 2020-12), made from the models that validate them, every installed part included."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Literal

from synthgen.errors import PluginError
from synthgen.parts.registry import Plugins
from synthgen.recipe.reading import config_class
from synthgen.recipe.recipe import KINDS, spec_class

Json = dict[str, Any]
Kind = Literal["dataset", "model"]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SHARED = "data"
"""What a part need not have itself, because a dataset's recipe may give it to all its parts at once."""


def recipe_schema(plugins: Plugins, kind: Kind | None = None) -> Json:
    """The schema of recipes of one kind, or of both.

    A recipe that `synthgen` accepts is valid under it. It knows the settings of every installed
    part and refuses keys that do not exist; what only the parts together can know, such as a
    class that a model lacks, it cannot tell.
    """
    kinds: list[Kind] = [kind] if kind else ["dataset", "model"]
    definitions: Json = {}
    for name in kinds:
        definitions |= _kind_definitions(name, plugins)
    head: Json = {"$schema": DIALECT, "title": "synthgen recipe", "type": "object"}
    if kind:
        return head | {"$ref": f"#/$defs/{kind}", "$defs": definitions}
    head["required"] = ["kind"]
    head["properties"] = {"kind": {"enum": kinds, "description": "What the recipe makes: a dataset or a model."}}
    head["allOf"] = [_if("kind", name, f"#/$defs/{name}") for name in kinds]
    return head | {"$defs": definitions}


def _kind_definitions(kind: Kind, plugins: Plugins) -> Json:
    model = KINDS[kind]
    schema = model.model_json_schema()
    definitions = schema.pop("$defs")
    for general in ("PartSpec", "AnnotatorSpec"):
        definitions.pop(general, None)
    schema["properties"]["kind"] = {"const": kind, "description": f"This recipe makes a {kind}."}
    for role, place in model.PLACES.items():
        _point_to_role(schema, definitions, role, place, plugins.names(role))
        definitions |= dict(_role_definitions(role, plugins))
    if kind == "dataset":
        schema["properties"]["data"] |= {"anyOf": [*_data_types(definitions), {"type": "null"}]}
    return {**definitions, kind: schema}


def _data_types(definitions: Json) -> list[Json]:
    """The kinds of data that trainers read: what the section `data` of a dataset's recipe may be."""
    parts = (found for name, found in definitions.items() if name.startswith("trainers."))
    kinds = (part["properties"]["data"] for part in parts if "data" in part.get("properties", {}))
    return [{"$ref": kind["$ref"]} for kind in kinds if "$ref" in kind] or [{"type": "object"}]


def _point_to_role(schema: Json, definitions: Json, role: str, place: tuple[str, ...], names: list[str]) -> None:
    """Replaces the general part at a role's place by the role's own definition."""
    *path, last = place
    owner = definitions["Output"] if path else schema
    found = owner["properties"][last]
    reference: Json = {"$ref": f"#/$defs/{role}"}
    if found.get("type") == "array":
        short = {"enum": names, "description": "Short for `use: name`."}
        found["items"] = {"anyOf": [short, reference]}
        found.pop("default", None)
    else:
        owner["properties"][last] = reference | {"description": found.get("description", "")}


def _role_definitions(role: str, plugins: Plugins) -> Iterator[tuple[str, Json]]:
    """The role's own definition, which chooses by `use`, and one definition for each of its parts."""
    names = plugins.names(role)
    envelope = {key: entry for key, entry in spec_class(role).model_json_schema()["properties"].items() if key != "use"}
    yield (
        role,
        {
            "type": "object",
            "required": ["use"],
            "properties": {"use": {"enum": names, "description": f"Which {role[:-1]}."}},
            "allOf": [_if("use", name, f"#/$defs/{role}.{name}") for name in names],
        },
    )
    for name in names:
        try:
            config = config_class(plugins, role, name)
        except PluginError:  # a package is missing: the name is known and its settings are not
            yield f"{role}.{name}", {"type": "object"}
            continue
        place = f"{role}.{name}"
        schema = config.model_json_schema(ref_template=f"#/$defs/{place}.{{model}}")
        for inner, definition in schema.pop("$defs", {}).items():
            yield f"{place}.{inner}", definition
        about = inspect.getdoc(plugins.find(role, name)) or ""
        use = {"const": name, "description": about}
        yield (
            place,
            schema
            | {
                "title": name,
                "description": about,
                "properties": {"use": use, **envelope, **schema.get("properties", {})},
                "required": ["use", *(key for key in schema.get("required", []) if key != SHARED)],
                "additionalProperties": False,
            },
        )


def _if(key: str, value: str, reference: str) -> Json:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": {"$ref": reference}}
