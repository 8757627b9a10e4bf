"""Pages of the site that are generated when it is built: every part, key and command, from what validates recipes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from synthgen import cli
from synthgen.cli.plugins import describe, settings_of
from synthgen.errors import PluginError
from synthgen.parts.registry import ROLES, Plugins
from synthgen.recipe.recipe import KINDS

ROOT = Path(__file__).parent.parent


def pages() -> dict[str, str]:
    """Markdown of every generated page by its name, in the order of the navigation."""
    plugins = Plugins()
    roles = {f"reference/{role}": role_page(plugins, role) for role in ROLES}
    return {
        "reference/recipe": recipe_page(),
        **roles,
        "reference/commands": commands_page(),
        "reference/shipped": shipped_page(),
        "reference/changelog": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    }


def recipe_page() -> str:
    """Every key of a recipe for a dataset and of one for a model."""
    lines = ["# Keys of a recipe", ""]
    for kind, model in KINDS.items():
        schema = model.model_json_schema()
        parts: dict[str, Any] = {"PartSpec": {"type": "part", "properties": {}}}
        if "AnnotatorSpec" in schema["$defs"]:
            pool = {"pool": schema["$defs"]["AnnotatorSpec"]["properties"]["pool"]}
            parts["AnnotatorSpec"] = {"type": "part", "properties": pool}
        lines += [f"## kind: {kind}", "", *paragraphs(model), ""]
        lines += settings_table(settings_of(schema, schema["$defs"] | parts))
    return "\n".join(lines)


def role_page(plugins: Plugins, role: str) -> str:
    """All parts of a role with their settings."""
    lines = [f"# {role.capitalize()}", ""]
    for name in plugins.names(role):
        lines += [f"## {name}", ""]
        try:
            part = describe(plugins, role, name)
        except PluginError as error:
            lines += [f"Cannot be used: {escape(str(error))}", ""]
            continue
        lines += [part["description"], ""]
        lines += settings_table(part["settings"]) if part["settings"] else ["No settings.", ""]
    return "\n".join(lines)


def settings_table(settings: list[dict[str, Any]]) -> list[str]:
    """A Markdown table, a row for each setting; those inside another have its name and a dot before theirs."""
    rows = ["| setting | what it is |", "|---|---|"]
    for name, setting in flat(settings, ""):
        value = f"default `{json.dumps(setting['default'], ensure_ascii=False)}`"
        if setting["required"]:
            value = "**required**"
        elif setting.get("settings") and isinstance(setting["default"], dict):
            value = "settings below"
        rows.append(f"| `{name}` | {escape(setting['description'])}<br>*{escape(setting['type'])}*; {escape(value)} |")
    return [*rows, ""]


def flat(settings: list[dict[str, Any]], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for setting in settings:
        yield prefix + setting["name"], setting
        yield from flat(setting.get("settings", []), f"{prefix}{setting['name']}.")


def commands_page() -> str:
    """Every command and every option, from the commands themselves."""
    lines = ["# Commands", ""]
    for name, command in commands(cli.group, "synthgen"):
        context = click.Context(command, info_name=name)
        lines += [f"## {name}", "", *help_text(command.help or "")]
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        lines += ["", "```text", usage, "```", "", "| option | what it does |", "|---|---|"]
        records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
        lines += [f"| `{escape(record[0])}` | {escape(record[1])} |" for record in records if record]
        lines += ["", *help_text(command.epilog or ""), ""]
    return "\n".join(lines)


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=name)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def help_text(text: str) -> list[str]:
    """The help of a command as Markdown: what click keeps as it is (after \\b) becomes a block or a list."""
    lines = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        kept = paragraph.removeprefix("\b\n")
        if kept == paragraph:
            lines += [escape(kept), ""]
        elif kept.startswith(" "):
            lines += ["```text", inspect.cleandoc(kept), "```", ""]
        else:
            lines += [*(f"- {escape(line)}" for line in kept.splitlines()), ""]
    return lines


def shipped_page() -> str:
    """All recipes of the repository, word for word."""
    lines = ["# Shipped recipes", ""]
    for path in sorted((ROOT / "recipes").rglob("*.yaml"), key=lambda path: (len(path.parts), path)):
        lines += [f"## {path.relative_to(ROOT)}", "", "```yaml", path.read_text(encoding="utf-8").rstrip(), "```", ""]
    return "\n".join(lines)


def paragraphs(thing: type) -> list[str]:
    return (inspect.getdoc(thing) or "").splitlines()


def escape(text: str) -> str:
    """Text for a cell of a table: nothing in it ends the cell or becomes a tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
