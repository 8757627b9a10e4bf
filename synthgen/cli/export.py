"""`synthgen export DIR --to FORMAT`: a dataset in the folder layout that another tool expects."""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pydantic
from click.shell_completion import CompletionItem

from synthgen.base import terminal
from synthgen.base.disk import disk_error
from synthgen.base.places import name_of, place_of
from synthgen.cli import formatting, options
from synthgen.errors import UsageError
from synthgen.parts.protocols import Exportable, Exporter
from synthgen.parts.registry import Plugins, unknown


class Format(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """The name of an exporter; those of plug-in files are known once they are read."""

    name = "FORMAT"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in Plugins().names("exporters") if name.startswith(incomplete)]


class ExportCommand(click.Command):
    """Lists the formats that are installed below its options."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        plugins = Plugins()
        with formatter.section("Formats"):
            found: dict[str, Any] = {name: plugins.find("exporters", name) for name in plugins.names("exporters")}
            formatter.write_dl([(name, cls.description) for name, cls in found.items()])


@click.command("export", cls=ExportCommand)
@options.folder_argument
@click.option("--to", "name", type=Format(), required=True, help="The format; see below.")
@click.option("-o", "--out", metavar="FOLDER", help="A new folder; by default exports/<name of DIR>-<format>.")
@click.option("--split", metavar="NAME", help="Only this split.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="ROLE=NAME",
    help="The field for a role of the format, such as boxes=dino_boxes or question=asked, where it is not the one with "
    "this name or the only one of its type.",
)
@click.option("--polygons", is_flag=True, help="Of coco: masks as polygons instead of run-length codes.")
@click.option("--option", "settings", multiple=True, metavar="KEY=VALUE", help="An option of the format.")
@options.plugin_option
@options.incomplete_option
def command(
    folder: str,
    name: str,
    out: str | None,
    split: str | None,
    fields: tuple[str, ...],
    polygons: bool,
    settings: tuple[str, ...],
    plugin_files: tuple[str, ...],
    allow_incomplete: bool,
) -> None:
    """Copy the dataset in DIR into the folder layout of another tool.

    Reads one sample at a time. The new folder appears when it is complete, and never replaces another.
    """
    started = time.perf_counter()
    exporter = _exporter(Plugins(plugin_files), name, [*settings, *(["polygons=true"] if polygons else [])])
    scenes = exporter.samples(folder, split, _fields(name, exporter, fields), allow_incomplete)
    if not len(scenes):
        raise UsageError(f"{folder}: {f'the split `{split}`' if split else 'the dataset'} holds no samples yet")
    target = Path(out) if out else Path("exports") / f"{name_of(place_of(folder))}-{name}"
    if target.exists():
        raise UsageError(f"{target} exists already; name a new folder with -o, or remove it")
    partial = target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}")
    try:
        partial.mkdir(parents=True)
        if sys.stderr.isatty():
            with terminal.bar(len(scenes), "exporting") as bar:
                notes = exporter.write(scenes, partial, bar.update)
        else:
            notes = exporter.write(scenes, partial, lambda n: None)
        partial.rename(target)
    except OSError as error:
        raise disk_error(error, target) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    seconds = formatting.duration(time.perf_counter() - started)
    click.echo(f"exported  {len(scenes)} samples to {target} ({exporter.description}) in {seconds}")
    for note in [*_about(scenes), *scenes.notes, *notes]:
        click.echo(f"note      {note}")


def _about(scenes: Exportable) -> Iterator[str]:
    if scenes.lack:
        yield f"the dataset {scenes.lack}"
    for split in scenes.empty:
        yield f"the split `{split}` is empty, so the export has none"


def _exporter(plugins: Plugins, name: str, settings: list[str]) -> Exporter:
    """The exporter of a format with its options.

    Raises:
        UsageError: there is no such format, or it does not accept an option.
    """
    names = plugins.names("exporters")
    if name not in names:
        raise UsageError(f"--to: {unknown(name, names, 'format')}")
    cls: Any = plugins.find("exporters", name)
    values: dict[str, Any] = dict(text.partition("=")[::2] for text in settings)
    if odd := [key for key in values if key not in cls.Config.model_fields]:
        if odd == ["polygons"]:
            raise UsageError("--polygons: is for `--to coco`; YOLO's polygons are `--to yolo-seg`")
        raise UsageError(f"--option: {unknown(odd[0], cls.Config.model_fields, f'option of {name}')}")
    try:
        exporter: Exporter = cls(cls.Config.model_validate_strings(values))
    except pydantic.ValidationError as error:
        problems = [f"--option {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise UsageError("\n".join(problems)) from None
    return exporter


def _fields(name: str, exporter: Exporter, texts: tuple[str, ...]) -> Mapping[str, str]:
    """The field for each role that `--field` names."""
    found = {}
    for text in texts:
        role, equals, field = text.partition("=")
        if not exporter.roles:
            raise UsageError(f"--field {text}: `--to {name}` has no fields to choose")
        if role not in exporter.roles or not equals:
            raise UsageError(f"--field {text}: must be {' or '.join(f'{role}=NAME' for role in exporter.roles)}")
        found[role] = field
    return found
