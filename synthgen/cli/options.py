"""Options that several commands share."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from synthgen.base import logs, terminal
from synthgen.base.places import is_address

Command = Callable[..., Any]

recipe_argument = click.argument("recipe", type=click.Path(dir_okay=False))


class Place(click.Path):
    """An existing file or folder, or an address, of which only the store knows whether anything is there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if is_address(value) else super().convert(value, param, ctx)


class Size(click.ParamType[tuple[int, int]]):
    """`256` or `640x480`: width and height in pixels."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        found = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", str(value))
        if found is None:
            self.fail(f"{value} is neither a side such as 256 nor a width and height such as 640x480", param, ctx)
        return int(found[1]), int(found[2] or found[1])


class Steps(click.ParamType["int | list[int]"]):
    """`2000`, or several numbers: `500,2000`."""

    name = "steps"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | list[int]:
        if re.fullmatch(r"[1-9]\d{0,8}(,[1-9]\d{0,8})*", str(value)) is None:
            self.fail(f"{value} is neither a number from 1 on nor several such as 500,2000,10000", param, ctx)
        found = [int(number) for number in str(value).split(",")]
        return found if len(found) > 1 else found[0]


class Numbers(click.ParamType["list[float]"]):
    """Numbers from 0 on: `1`, or `1,1.5,2`."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        if isinstance(value, list):
            return value
        if re.fullmatch(r"\d{1,3}(\.\d{1,6})?(,\d{1,3}(\.\d{1,6})?)*", str(value)) is None:
            self.fail(f"{value} is neither a number from 0 on nor several such as 1,1.5,2", param, ctx)
        return [float(number) for number in str(value).split(",")]


class Names(click.ParamType[list[str]]):
    """Some of these names: `cutout`, or `cutout,mixup`."""

    name = "names"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        found = value if isinstance(value, list) else str(value).split(",")
        for name in found:
            if name not in self.names:
                self.fail(f"`{name}` is none of {', '.join(self.names)}", param, ctx)
        return list(dict.fromkeys(found))


SIZE, STEPS, NUMBERS = Size(), Steps(), Numbers()
folder_argument = click.argument("folder", metavar="DIR", type=Place(exists=True, file_okay=False))
samples_option = click.option("--samples", type=click.IntRange(min=1), metavar="N", help="Size of the dataset.")
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key, such as sampler.steps=20."
)
plugin_option = click.option(
    "--plugin", "plugin_files", multiple=True, metavar="FILE", help="A Python file with parts of your own."
)
known_parts_option = click.option(
    "--plugin",
    multiple=True,
    metavar="FILE",
    expose_value=False,
    callback=lambda _, __, files: _know(files),
    help="A Python file with the fields, writers, readers or measures that the dataset needs.",
)
"""The parts in these files are known for the rest of the process; the command itself never sees them."""
device_option = click.option("--device", default="auto", metavar="auto|cpu|cuda", help="Where the models run.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
JOB_SERVER, JOB_SERVER_DEFAULT = "RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265"
job_server_option = click.option(
    "--address",
    metavar="URL",
    default=JOB_SERVER_DEFAULT,
    show_default=True,
    envvar=JOB_SERVER,
    show_envvar=True,
    callback=lambda _, __, url: _url(url),
    help="Where the cluster's head takes jobs.",
)
smoke_option = click.option(
    "--smoke", is_flag=True, help="Try the recipe out: small models with random weights, few samples, no rules."
)
channel_option = click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME",
    help="Of series, show this channel alone; may be given several times.",
)
incomplete_option = click.option(
    "--allow-incomplete", is_flag=True, help="Take a short or unfinished dataset with the samples it has."
)
quiet_option = click.option(
    "--quiet", is_flag=True, callback=lambda _, __, given: _hush(given), help="Print nothing but errors."
)


def with_logging(command: click.Command) -> click.Command:
    """The command with -v/--verbose and --log-level, which take effect before it runs."""
    if any(parameter.name == "verbose" for parameter in command.params):
        return command

    def verbose(context: click.Context, _: click.Parameter, count: int) -> None:
        if count and not context.resilient_parsing:
            logs.show("info" if count == 1 else "debug")

    def level(context: click.Context, _: click.Parameter, name: str | None) -> None:
        if name and not context.resilient_parsing:
            logs.show(name)

    command.params += [
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=verbose,
            is_eager=True,
            help="Log what happens inside, with the tracebacks of errors, to stderr; -vv more.",
        ),
        click.Option(
            ["--log-level"],
            type=click.Choice(logs.LEVELS),
            expose_value=False,
            callback=level,
            is_eager=True,
            help=f"The same by name; {logs.VARIABLE} in the environment sets it for every command.",
        ),
    ]
    return command


def recipe_options(command: Command) -> Command:
    """RECIPE --samples --set --plugin --smoke."""
    return functools.reduce(
        lambda f, option: option(f), [smoke_option, plugin_option, set_option, samples_option, recipe_argument], command
    )


def _know(files: tuple[str, ...]) -> None:
    from synthgen.parts.registry import Plugins

    Plugins(files)


def _hush(given: bool) -> bool:
    terminal.quiet = given
    return given


def _url(address: str) -> str:
    if not address.startswith(("http://", "https://")):
        raise click.BadParameter(f"{address} is no URL such as http://HEAD:8265, where the cluster's head takes jobs")
    return address
