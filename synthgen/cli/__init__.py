"""The command line: one file a command, loaded only when the command is called."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from synthgen import __version__
from synthgen.base import disk, logs, terminal
from synthgen.cli import options
from synthgen.errors import Interrupted, SynthgenError, TerminatedError

COMMANDS: Mapping[str, str] = {
    "run": "Render a dataset from a recipe.",
    "plan": "Show what a recipe would make, without making it.",
    "preview": "Draw a few samples into one picture.",
    "status": "Show how far a dataset is.",
    "report": "Write one HTML page about a dataset.",
    "duplicates": "Find pictures of a dataset that repeat others.",
    "verify": "Check every file of a dataset against its hash.",
    "export": "Copy a dataset into the layout of COCO, VOC, YOLO, image folders or tables.",
    "evaluate": "Measure a dataset against real data.",
    "train": "Train a model from a recipe.",
    "init": "Write recipes for your own images or table.",
    "models": "List the models that come with synthgen, show one, or convert a checkpoint.",
    "plugins": "List what is installed for each role.",
    "schema": "Print the JSON Schema of recipes, for editors.",
    "completion": "Print the script that completes commands in a shell.",
    "doctor": "Show what hardware and packages were found.",
}

COMPLETE = "_SYNTHGEN_COMPLETE"
"""The variable by which click's completion scripts ask."""


class Commands(click.Group):
    """Finds `synthgen NAME` in `synthgen/cli/NAME.py`; `--help` loads none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"synthgen.cli.{name}").command
        return options.with_logging(command)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        names = [name for name in COMMANDS if name.startswith(incomplete)]
        found = [CompletionItem(name, help=COMMANDS[name]) for name in names]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from synthgen.parts.registry import unknown

            raise click.UsageError(unknown(args[0], COMMANDS, "command"), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="synthgen")
def group() -> None:
    """Labelled datasets, drawn by diffusion models from one recipe.

    Try `synthgen run recipes/classification.yaml`.
    """


options.with_logging(group)


def main() -> None:
    """Runs the command line and exits: 0 done, 1 failed or short, 2 bad usage or recipe, 130 / 143 stopped."""
    completing = COMPLETE in os.environ  # a shell asks, and gets bytes
    with contextlib.nullcontext() if completing else terminal.escaped(), logs.restored():
        _run()


def _run() -> None:
    try:
        logs.show_as_asked()
        with disk.named_paths():
            code = group(standalone_mode=False, complete_var=COMPLETE, color=True)  # `escaped` shows colours as text
        sys.exit(code or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt) as error:
        click.echo("interrupted", err=True)
        leave(143 if isinstance(error.__cause__ or error, TerminatedError) else 130)
    except Interrupted as error:
        click.echo(f"\n{error}", err=True, color=True)
        leave(error.exit_code)
    except SynthgenError as error:
        logging.getLogger("synthgen").info("where the error below was raised", exc_info=error)
        click.echo(f"error: {error}" if "\n" not in str(error) else str(error), err=True, color=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        leave(1)
    except OSError as error:
        if error.errno not in disk.REFUSALS:
            raise
        click.echo(f"error: {disk.disk_error(error, Path(os.fsdecode(error.filename or '.')))}", err=True)
        sys.exit(1)


def leave(code: int) -> None:
    """Exits at once: threads that are still encoding for a stopped run are not waited for."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)
