"""`synthgen schema`: the JSON Schema of recipes."""

from __future__ import annotations

import json
from typing import Literal

import click

from synthgen.cli import options
from synthgen.parts.registry import Plugins
from synthgen.recipe import schema


@click.command("schema")
@click.option("--kind", type=click.Choice(["dataset", "model"]), help="Only recipes of this kind; by default both.")
@options.plugin_option
def command(kind: Literal["dataset", "model"] | None, plugin_files: tuple[str, ...]) -> None:
    """Print the JSON Schema of recipes, with the settings of every installed part.

    An editor that knows it completes keys and underlines mistakes. Write it to a file:

    \b
        synthgen schema > recipe.schema.json

    and name the file in the first line of a recipe (VS Code with the YAML extension, Neovim
    and others with yaml-language-server):

    \b
        # yaml-language-server: $schema=recipe.schema.json
    """
    click.echo(json.dumps(schema.recipe_schema(Plugins(plugin_files), kind), indent=1))
