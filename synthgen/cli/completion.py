"""`synthgen completion`: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes commands, options and files in SHELL.

    For example `synthgen completion bash >> ~/.bashrc`, then open a new shell.
    """
    from synthgen.cli import COMPLETE, group

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(group, {}, "synthgen", COMPLETE).source())
