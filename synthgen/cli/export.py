"""`synthgen export DIR --to FORMAT`: a dataset in the folder layout that another tool expects."""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from synthgen.base import terminal
from synthgen.base.disk import disk_error
from synthgen.cli import formatting, options
from synthgen.errors import UsageError
from synthgen.exporters import coco, imagefolder, table, voc, yolo
from synthgen.exporters.scene import Scenes
from synthgen.exporters.series_rows import SeriesRows

Export = Callable[[Any, Path, Callable[[int], Any]], list[str]]
FORMATS: Mapping[str, tuple[Export, str]] = {
    "coco": (coco.export, coco.DESCRIPTION),
    "voc": (voc.export, voc.DESCRIPTION),
    "yolo": (yolo.export, yolo.DESCRIPTION),
    "yolo-seg": (yolo.export_polygons, yolo.POLYGON_DESCRIPTION),
    "imagefolder": (imagefolder.export, imagefolder.DESCRIPTION),
    "csv": (table.export_csv, table.DESCRIPTION),
    "parquet": (table.export_parquet, table.PARQUET_DESCRIPTION),
}


@click.command("export", epilog="\b\n" + "\n".join(f"{name}: {text}" for name, (_, text) in FORMATS.items()))
@options.folder_argument
@click.option("--to", "name", type=click.Choice(list(FORMATS)), required=True, help="The format; see below.")
@click.option("-o", "--out", metavar="FOLDER", help="A new folder; by default exports/<name of DIR>-<format>.")
@click.option("--split", metavar="NAME", help="Only this split.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="ROLE=NAME",
    help="The field for `instances`, `segmentation` or `boxes`, such as boxes=dino_boxes, where it is not the one with "
    "this name or the only one of its type.",
)
@click.option("--polygons", is_flag=True, help="Of coco: masks as polygons instead of run-length codes.")
@options.incomplete_option
def command(
    folder: str,
    name: str,
    out: str | None,
    split: str | None,
    fields: tuple[str, ...],
    polygons: bool,
    allow_incomplete: bool,
) -> None:
    """Copy the dataset in DIR into the folder layout of another tool.

    Reads one sample at a time. The new folder appears when it is complete, and never replaces another.
    """
    started = time.perf_counter()
    export: Export = coco.export_polygons if polygons else FORMATS[name][0]
    if polygons and name != "coco":
        raise UsageError("--polygons: is for `--to coco`; YOLO's polygons are `--to yolo-seg`")
    scenes: Scenes | SeriesRows
    if name in ("csv", "parquet"):
        scenes = SeriesRows(folder, split, _roles(fields), allow_incomplete)
    else:
        scenes = Scenes(folder, split, _roles(fields), allow_incomplete, with_objects=name != "imagefolder")
    if not len(scenes):
        raise UsageError(f"{folder}: {f'the split `{split}`' if split else 'the dataset'} holds no samples yet")
    target = Path(out) if out else Path("exports") / f"{Path(folder).resolve().name}-{name}"
    if target.exists():
        raise UsageError(f"{target} exists already; name a new folder with -o, or remove it")
    partial = target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}")
    try:
        partial.mkdir(parents=True)
        if sys.stderr.isatty():
            with terminal.bar(len(scenes), "exporting") as bar:
                notes = export(scenes, partial, bar.update)
        else:
            notes = export(scenes, partial, lambda n: None)
        partial.rename(target)
    except OSError as error:
        raise disk_error(error, target) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    seconds = formatting.duration(time.perf_counter() - started)
    click.echo(f"exported  {len(scenes)} samples to {target} ({FORMATS[name][1]}) in {seconds}")
    for note in [*_about(scenes), *scenes.notes, *notes]:
        click.echo(f"note      {note}")


def _about(scenes: Scenes | SeriesRows) -> Iterator[str]:
    if scenes.lack:
        yield f"the dataset {scenes.lack}"
    for split in scenes.empty:
        yield f"the split `{split}` is empty, so the export has none"


def _roles(fields: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in fields:
        role, equals, field = text.partition("=")
        if role not in ("instances", "segmentation", "boxes") or not equals:
            raise UsageError(f"--field {text}: must be instances=NAME, segmentation=NAME or boxes=NAME")
        found[role] = field
    return found
