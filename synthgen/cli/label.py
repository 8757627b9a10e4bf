"""`synthgen label DATA`: labels for real images or series, by a trained model, as a dataset like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from synthgen.base import names
from synthgen.base.disk import write_output
from synthgen.base.fetched import local_path
from synthgen.base.units import plural
from synthgen.cli import options, run
from synthgen.errors import DataError, ModelError, UsageError
from synthgen.models import folders
from synthgen.readers.images import gallery
from synthgen.readers.images.pixel_range import Wanted
from synthgen.readers.problems import SHOWN
from synthgen.readers.scaffolding import render

LABELERS = {
    "FeatureClassifier": "model-features",
    "Segmenter": "segmenter",
    "Detector": "detector",
    "StepClassifier": "step-classes",
}
"""The labeler for each class of model, which trainers make."""

FIELDS = {
    "segmenter": {"field": "instances", "segmentation": "segmentation", "confidence": "confidence"},
    "detector": {"boxes": "boxes", "confidence": "confidence"},
}
"""Names of a labeler's fields, as exporters and measures call labels; by default it has its own."""

BATCH, SHARD = 50, 500

START = """\
# {{ what }} with the labels that {{ model }} gives them: `synthgen run {{ name }}.yaml`

kind: dataset
version: 1
name: {{ name }}	# the output goes to runs/{{ name }}-<digest>

shard_size: {{ shard }}\t# samples in a file: the unit of work and of resume
batch_size: {{ batch }}
tries: 1\t# what is real cannot be generated again

splits: {train: 1.0}

"""

IMAGES = """\
condition:\t# every image once
  use: images
  path: {{ path_yaml }}
  size: {{ size }}\t# width and height; images are scaled until they cover it, and cut in the middle
  licence: unknown\t# of the images; it goes into the dataset's card
{% if range %}  range: {{ range }}\t# values of 16-bit images that are black and white, as when the model was trained
{% endif %}{% if skip_broken %}  skip_broken: true\t# images that cannot be read are left out and counted
{% endif %}
sampler:
  use: real-images\t# the images as they are
  channels: {{ channels }}

labelers:
  - use: {{ labeler }}
    model: {{ model_yaml }}
{% for setting, field in fields.items() %}    {{ setting }}: {{ field }}
{% endfor %}{% include 'output' %}
"""

SERIES = """\
condition:\t# every step of the table, in windows
  use: real-series
  data:\t# read as the table was that the model learned from
{% for key, value in data.items() %}    {{ key }}: {{ value | tojson }}
{% endfor %}  part: all
  generate: nothing

sampler:
  use: real-series\t# the windows as they are

labelers:
  - use: {{ labeler }}\t# adds `state`, the class of each step, and `confidence`
    model: {{ model_yaml }}

output:
  writers: [parquet]
"""


@click.command("label")
@click.argument("place", metavar="DATA", type=options.Place(exists=True))
@click.option("--model", required=True, metavar="MODEL", help="A starter, or the folder that `synthgen train` made.")
@click.option(
    "--size",
    type=options.SIZE,
    metavar="SIDE|WxH",
    help="What images are scaled and cut to, for a segmenter or a detector, which see any size.",
)
@click.option(
    "--range",
    "bounds",
    type=(float, float),
    metavar="LOW HIGH",
    help="Values of 16-bit images that become black and white; by default those that the model was trained with, or, "
    "if it saw no such images, what these say.",
)
@click.option("--skip-broken", is_flag=True, help="Leave images out that cannot be read, and count them.")
@click.option("--name", metavar="NAME", help="Name of the dataset; by default that of DATA, with -labels.")
@click.option("-o", "--out", metavar="DIR", default=".", help="Where to write the recipe; by default here.")
@click.option("--force", is_flag=True, help="Overwrite a recipe that exists.")
@options.device_option
@options.quiet_option
@click.pass_context
def command(
    context: click.Context,
    place: str,
    model: str,
    size: tuple[int, int] | None,
    bounds: tuple[float, float] | None,
    skip_broken: bool,
    name: str | None,
    out: str,
    force: bool,
    device: str,
    quiet: bool,
) -> None:
    """Label the real images in a folder, or the steps of series in a table, and write them as a dataset.

    The model is one that `synthgen train` made with `use: feature-classifier` (classes, from few labelled images),
    `segmenter`, `detector` or, for series, `step-classifier`. Writes the recipe NAME.yaml, and renders it: each image
    or window, its labels (`label`; `instances` and `segmentation`; `boxes`; or `state`), how sure they are
    (`confidence`), and where it came from. Of a folder with train/ in it, the images there are taken; of folders by
    class, all but `unlabelled`, which may be named as DATA itself.
    """
    data = local_path(place)
    index = folders.read_index(folders.resolve(model))
    labeler = LABELERS.get(str(index.get("_class_name")))
    if labeler is None:
        raise ModelError(
            f"{model} holds a {index.get('_class_name')}; of these, data can be labelled by: {', '.join(LABELERS)}"
        )
    of_series = labeler == "step-classes"
    name = name or names.slug(data.resolve().stem if of_series else data.resolve().name, "data") + "-labels"
    values: dict[str, Any] = {
        "what": "Real series" if of_series else "Real images",
        "name": name,
        "model": model,
        "model_yaml": json.dumps(model, ensure_ascii=False),
        "labeler": labeler,
        "shard": SHARD,
        "batch": BATCH,
    }
    if of_series:
        if size is not None:
            raise UsageError(f"--size: {model} labels series; leave it out")
        if bounds is not None:
            raise UsageError(f"--range: {model} labels series; leave it out")
        if skip_broken:
            raise UsageError(f"--skip-broken: {model} labels series; leave it out")
        reading = index["reading"]
        values["data"] = {"path": str(data), **reading, "stride": reading["length"]}
    else:
        if not data.is_dir():
            raise UsageError(f"{place}: {model} labels images; name a folder of them")
        size, values["channels"] = _seen(model, labeler, index, size)
        values["size"] = list(size)
        if bounds is not None and bounds[0] >= bounds[1]:
            raise UsageError(f"--range: must rise, such as 0 4095 (got {bounds[0]:g} {bounds[1]:g})")
        found = bounds or index.get("range")
        values["range"] = list(found) if found else None
        values |= {"fields": FIELDS.get(labeler, {}), "skip_broken": skip_broken}
        if not skip_broken:
            _check_readable(place, found)
    template = START + (SERIES if of_series else IMAGES)
    ((file, text),) = render({f"{name}.yaml": template}, values, data).items()
    path = Path(out) / file
    if path.exists() and path.read_text(encoding="utf-8") != text and not force:
        raise UsageError(
            f"{path} exists already, with other settings; overwrite with --force, or choose another --name"
        )
    write_output(path, text.encode(), make_folder=True)
    context.invoke(run.command, recipe=str(path), device=device, quiet=quiet)


def _check_readable(place: str, bounds: Sequence[float] | None) -> None:
    """Raises DataError with the images that cannot be read: each would stop all of its shard."""
    wanted: Wanted = (bounds[0], bounds[1]) if bounds else "auto"
    broken = gallery.listed(place, wanted, skip_broken=True).pictures.left_out
    if broken:
        named = ", ".join(broken[:SHOWN]) + (f" and {len(broken) - SHOWN} more" if broken[SHOWN:] else "")
        raise DataError(
            f"{place}: {plural(len(broken), 'image')} cannot be read: {named}; mend or remove what is broken, or leave "
            "it out with --skip-broken"
        )


def _seen(
    model: str, labeler: str, index: Mapping[str, Any], size: tuple[int, int] | None
) -> tuple[tuple[int, int], int]:
    """Width and height of the images that the model labels, and their channels."""
    if labeler != "model-features":
        if size is None:
            raise UsageError(
                f"--size: {model} sees images of any size; say which, such as --size 256 or --size 640x480"
            )
        return size, 3
    if size is not None:
        raise UsageError(f"--size: {model} sees images of one size; leave it out")
    height, width, channels = folders.image_shape(folders.resolve(model), index)
    return (width, height), channels
