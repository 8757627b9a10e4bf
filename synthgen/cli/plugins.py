"""`synthgen plugins`: everything that can be plugged in, role by role."""

from __future__ import annotations

import inspect
import json
from typing import Any

import click

from synthgen.cli import formatting, options
from synthgen.errors import PluginError, UsageError
from synthgen.parts.registry import ROLES, Plugins, unknown
from synthgen.recipe.reading import config_class


@click.command("plugins")
@click.argument("role", required=False)
@click.argument("name", required=False)
@options.plugin_option
@options.json_option
def command(role: str | None, name: str | None, plugin_files: tuple[str, ...], as_json: bool) -> None:
    """List what is installed for each role; with ROLE and NAME, show the settings of one.

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
        click.echo(formatting.table(rows) if rows else "  none")
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
    has_settings = hasattr(cls, "Config")  # networks and fields have none
    schema = config_class(plugins, role, name).model_json_schema() if has_settings else {}
    about, settings = inspect.getdoc(cls) or "", settings_of(schema, schema.get("$defs", {}))
    return {"role": role[:-1], "name": name, "description": about, "settings": settings}


def settings_of(
    schema: dict[str, Any], definitions: dict[str, Any], inside: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """The settings that a JSON Schema describes, each with those inside it.

    `inside` names the definitions around: one that holds itself is not described again.
    """
    found = []
    for key, entry in schema.get("properties", {}).items():
        setting = {
            "name": key,
            "type": type_text(entry, definitions),
            "required": key in schema.get("required", []),
            "default": entry.get("default"),
            "description": entry.get("description", ""),
        }
        within = [
            each
            for name in definitions_in(entry)
            if name not in inside
            for each in settings_of(definitions[name], definitions, (*inside, name))
        ]
        found.append(setting | ({"settings": within} if within else {}))
    return found


def definitions_in(entry: Any) -> list[str]:
    """Names of the definitions that a setting, an item of its list or a value of its mapping may be."""
    if not isinstance(entry, dict):
        return []
    if "$ref" in entry:
        return [str(entry["$ref"]).rpartition("/")[2]]
    one = [entry.get("items"), entry.get("additionalProperties")]
    inner = [*entry.get("anyOf", ()), *entry.get("oneOf", ()), *entry.get("prefixItems", ()), *one]
    return list(dict.fromkeys(name for each in inner for name in definitions_in(each)))


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
    return "\n".join([*lines, *_setting_lines(part["settings"], "  ")])


def _setting_lines(settings: list[dict[str, Any]], indent: str) -> list[str]:
    """Every setting on a line, its description below it, then the settings inside it, further in."""
    lines = []
    for setting in settings:
        default = "required" if setting["required"] else f"default {json.dumps(setting['default'], ensure_ascii=False)}"
        lines.append(f"{indent}{setting['name']} ({setting['type']}; {default})")
        if setting["description"]:
            lines.append(f"{indent}    {setting['description']}")
        lines += _setting_lines(setting.get("settings", []), indent + "    ")
    return lines
