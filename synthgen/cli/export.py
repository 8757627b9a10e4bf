"""`synthgen export DIR --to FORMAT`: a dataset in the folder layout that another tool expects."""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from synthgen.cli import options, words
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
    help="Another field for `instances`, `segmentation` or `boxes`, such as segmentation=clean_segmentation.",
)
@options.incomplete_option
def command(
    folder: str, name: str, out: str | None, split: str | None, fields: tuple[str, ...], allow_incomplete: bool
) -> None:
    """Copy the dataset in DIR into the folder layout of another tool.

    Reads one sample at a time. The new folder appears when it is complete, and never replaces another.
    """
    started = time.perf_counter()
    reader = SeriesRows if name in ("csv", "parquet") else Scenes
    scenes = reader(folder, split, _roles(fields), allow_incomplete)
    target = Path(out) if out else Path("exports") / f"{Path(folder).resolve().name}-{name}"
    if target.exists():
        raise UsageError(f"{target} exists already; name a new folder with -o, or remove it")
    partial = target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}")
    partial.mkdir(parents=True)
    try:
        if sys.stderr.isatty():
            with click.progressbar(length=len(scenes), label="exporting", file=sys.stderr) as bar:
                notes = FORMATS[name][0](scenes, partial, bar.update)
        else:
            notes = FORMATS[name][0](scenes, partial, lambda n: None)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    seconds = words.duration(time.perf_counter() - started)
    click.echo(f"exported  {len(scenes)} samples to {target} ({FORMATS[name][1]}) in {seconds}")
    for note in [f"the dataset {scenes.lack}"] * bool(scenes.lack) + notes:
        click.echo(f"note      {note}")


def _roles(fields: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in fields:
        role, equals, field = text.partition("=")
        if role not in ("instances", "segmentation", "boxes") or not equals:
            raise UsageError(f"--field {text}: must be instances=NAME, segmentation=NAME or boxes=NAME")
        found[role] = field
    return found
