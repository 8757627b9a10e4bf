"""`synthgen plugins`: the parts that recipes can use."""

from __future__ import annotations

import inspect
import json
from typing import Any

import click

from synthgen.cli import options, words
from synthgen.errors import PluginError, UsageError
from synthgen.plugins import ROLES, Plugins, unknown
from synthgen.recipe import config_class


@click.command("plugins")
@click.argument("role", required=False)
@click.argument("name", required=False)
@options.plugin_option
@options.json_option
def command(role: str | None, name: str | None, plugin_files: tuple[str, ...], as_json: bool) -> None:
    """List the parts that recipes can use; with ROLE and NAME, show the settings of one.

    For example `synthgen plugins sampler class-conditional`.
    """
    plugins = Plugins(plugin_files)
    roles = ROLES if role is None else [_role(role)]
    if name is not None:
        part = describe(plugins, roles[0], name)
        click.echo(json.dumps(part, indent=1) if as_json else _part_text(part))
        return
    found = {each: {part: summary(plugins, each, part) for part in plugins.names(each)} for each in roles}
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for each, parts in found.items():
        click.echo(f"{each}:")
        rows = [(f"  {part}", text) for part, text in parts.items()]
        click.echo(words.table(rows) if rows else "  none")
    click.echo("\nsettings of one: synthgen plugins ROLE NAME; parts of your own: --plugin FILE")


def _role(word: str) -> str:
    """`sampler` and `samplers` name the same role."""
    for role in ROLES:
        if word in (role, role[:-1]):
            return role
    raise UsageError(unknown(word, [role[:-1] for role in ROLES], "role"))


def summary(plugins: Plugins, role: str, name: str) -> str:
    """The first line of a part's docstring, or why the part cannot be used."""
    try:
        lines = (inspect.getdoc(plugins.find(role, name)) or "").splitlines()
    except PluginError as error:
        return f"cannot be used: {error}"
    return lines[0] if lines else "(says nothing about itself)"


def describe(plugins: Plugins, role: str, name: str) -> dict[str, Any]:
    """A part's docstring and its settings, as JSON values.

    Raises:
        PluginError: there is no such part, or a package that it needs is missing.
    """
    cls = plugins.find(role, name)
    schema = config_class(plugins, role, name).model_json_schema()
    definitions = schema.get("$defs", {})
    settings = [
        {
            "name": key,
            "type": type_text(entry, definitions),
            "required": key in schema.get("required", []),
            "default": entry.get("default"),
            "description": entry.get("description", ""),
        }
        for key, entry in schema.get("properties", {}).items()
    ]
    about = inspect.getdoc(cls) or ""
    return {"role": role[:-1], "name": name, "description": about, "settings": settings}


def type_text(entry: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A JSON Schema type in words: `integer from 1 to 1000`, `one of a, b`, `mapping of string to integer`."""
    if "$ref" in entry:
        entry = definitions[entry["$ref"].rpartition("/")[2]]
    if "anyOf" in entry:
        return " or ".join(type_text(each, definitions) for each in entry["anyOf"]).replace("null", "none")
    if "enum" in entry or "const" in entry:
        return "one of " + ", ".join(map(str, entry.get("enum", [entry.get("const")])))
    if "prefixItems" in entry:
        inner = entry["prefixItems"]
        return f"list of {len(inner)}: {', '.join(dict.fromkeys(type_text(each, definitions) for each in inner))}"
    if entry.get("type") == "array":
        return f"list of {type_text(entry.get('items', {}), definitions)}"
    if entry.get("type") == "object" and isinstance(entry.get("additionalProperties"), dict):
        return f"mapping of string to {type_text(entry['additionalProperties'], definitions)}"
    limits = {
        "from": entry.get("minimum"),
        "above": entry.get("exclusiveMinimum"),
        "to": entry.get("maximum"),
        "below": entry.get("exclusiveMaximum"),
    }
    known = " ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)
    return f"{entry.get('type', 'anything')} {known}".strip()


def _part_text(part: dict[str, Any]) -> str:
    lines = [f"{part['role']} {part['name']}", "", part["description"], ""]
    lines.append("settings:" if part["settings"] else "no settings")
    for setting in part["settings"]:
        default = "required" if setting["required"] else f"default {json.dumps(setting['default'])}"
        lines.append(f"  {setting['name']} ({setting['type']}; {default})")
        if setting["description"]:
            lines.append(f"      {setting['description']}")
    return "\n".join(lines)
