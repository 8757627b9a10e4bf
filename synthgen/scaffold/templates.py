"""The commented recipes that `synthgen init` writes, as templates."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.base.names import printable
from synthgen.scaffold.classes import Findings, Fit, quotas

Recipes = Mapping[str, str]
COLUMN = 31

MODEL = """\
# A diffusion model of the images in {{ path }}: `synthgen train {{ name }}-model.yaml`
# Then `synthgen run {{ name }}.yaml` makes a dataset with it.

kind: model
version: 1\t# version of the recipe language
name: {{ name }}\t# the model goes to models/{{ name }}
seed: 0\t# every random number follows from it

trainer:
  use: class-conditional\t# a diffusion model that draws images of a class
  data:
    path: {{ path_yaml }}\t# one folder a class
{%- if range %}
    range: {{ range }}\t# values of the pictures that become 0 and 255
{%- endif %}
{%- if found.unreadable %}
    skip_broken: true\t# leave out what cannot be read; false: stop at it
{%- endif %}
    licence: unknown\t# of the images; it goes into the model's card and into every dataset
    validation: {{ validation }}\t# share held out for validation losses
  resolution: {{ fit.resolution }}\t# side of the images; others are cut to squares and scaled
  network:
    patch_size: {{ fit.patch_size }}\t# pixels a side that become channels; larger is cheaper and coarser
    channels: {{ fit.channels }}\t# width of each level; wider learns more and takes longer
  steps: {{ fit.steps }}\t# raise it if the pictures still get better at the end
  batch_size: {{ fit.batch_size }}
  ema: 0.999\t# decay of the averaged weights, which are what is kept
  flip: false\t# true if a mirrored image still shows its class; doubles the data
  checkpoint_every: 500\t# a stopped training goes on from the last one
  picture_every: 1000\t# sample grids in models/{{ name }}/training/
"""

CRITIC = """\
# A classifier of the same images, which scores samples: `synthgen train {{ name }}-critic.yaml`
# Then uncomment `scorers` and `keep` in {{ name }}.yaml.

kind: model
version: 1
name: {{ name }}-critic\t# the model goes to models/{{ name }}-critic
seed: 1

trainer:
  use: classifier
  data:
    path: {{ path_yaml }}
{%- if range %}
    range: {{ range }}
{%- endif %}
{%- if found.unreadable %}
    skip_broken: true
{%- endif %}
    licence: unknown
    validation: 0.1\t# share held out; it also calibrates the probabilities
  resolution: {{ fit.resolution }}\t# as of the model
  widths: [16, 32, 64]
  steps: 2000
  batch_size: 64
  shift_px: 1\t# images are moved by up to this many pixels
  flip: false\t# as in {{ name }}-model.yaml
"""

DATASET = """\
# Synthetic images of the classes in {{ path }}: `synthgen run {{ name }}.yaml`
# First train the model: `synthgen train {{ name }}-model.yaml`

kind: dataset
version: 1\t# version of the recipe language
name: {{ name }}\t# the output goes to runs/{{ name }}-<digest>
seed: 0\t# another seed gives another dataset

shard_size: 100\t# samples in a file: the unit of work and of resume
batch_size: 32\t# samples drawn together; it decides bytes, so it belongs to the recipe
tries: 8\t# how often a sample is drawn again before it is given up

splits: {train: 1.0}\t# such as {train: 0.9, val: 0.1}; test on real images

condition:\t# what each sample must show
  use: classes
  quotas:\t# exact counts; rare classes get more, to even out the real ones
{%- for cls, n in quotas.items() %}
    {{ cls }}: {{ n }}\t# real images: {{ real[cls] }}
{%- endfor %}

sampler:\t# the diffusion model that draws the samples
  use: class-conditional
  model: models/{{ name }}\t# made by `synthgen train {{ name }}-model.yaml`
  steps: 18\t# denoising steps; fewer are faster and rougher
  guidance: 2.0\t# above 1: closer to the class and less varied; 1 is none
  guidance_interval: [0.4, 0.9]\t# the part of the steps that is guided

labelers:
  - use: class-label\t# the class that was asked for, as `label`
{% if fit.critic %}
# Reject what a classifier does not recognise. First: synthgen train {{ name }}-critic.yaml
# scorers:
#   - use: agreement         # probability of the asked class
#     model: models/{{ name }}-critic
# keep:
#   - agreement >= 0.5
{% endif %}
output:
  image_format: png\t# png and webp keep every pixel, jpeg does not
  writers: [webdataset, parquet]
"""


def recipes(name: str, found: Findings, fit: Fit) -> Recipes:
    """File names and contents: the model, the critic if there are enough images for one, the dataset."""
    wanted = quotas(found)
    counts = {json.dumps(cls, ensure_ascii=False): n for cls, n in wanted.items()}
    values = {
        "name": name,
        "fit": fit,
        "found": found,
        "range": [found.pixels.low, found.pixels.high] if found.guessed else None,
        "validation": 0.05 if found.n >= 1000 else 0.1,
        "quotas": counts,
        "real": {json.dumps(cls, ensure_ascii=False): n for cls, n in found.counts.items()},
    }
    templates = {f"{name}-model.yaml": MODEL, f"{name}-critic.yaml": CRITIC, f"{name}.yaml": DATASET}
    if not fit.critic:
        del templates[f"{name}-critic.yaml"]
    return render(templates, values, found.root)


def render(templates: Recipes, values: Mapping[str, Any], folder: Path) -> Recipes:
    """Templates by file name, filled in; `path` is `folder`, and `path_yaml` the same as YAML."""
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701  (YAML)
    path = {"path": printable(folder), "path_yaml": json.dumps(str(folder), ensure_ascii=False)}
    return {
        file: _aligned(environment.from_string(text).render(path | dict(values))) for file, text in templates.items()
    }


COMMENTS = {
    "images": "subfolder of the pictures",
    "masks": "subfolder of the masks",
    "boxes": "where their boxes are: a COCO file, or a folder of YOLO's or Pascal VOC's labels",
    "mask_kind": "what a mask's numbers mean: instances, classes (255 unknown) or binary",
    "colours": "what the masks' colours mean",
    "objects": "names of the objects' classes, ids from 1",
    "scale": "pictures are resized by this factor first",
    "skip_broken": "pictures that cannot be read are left out and counted",
    "licence": "of the pictures; it goes into the model's card and into every dataset",
}


def data_blocks(settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings of a `data` section as lines of YAML: `data` with comments, and `data_again` without."""
    shown = {**settings, "licence": "unknown"}
    lines = [(key, f"    {key}: {_yaml(value)}") for key, value in shown.items()]
    commented = [f"{line}\t# {COMMENTS[key]}" if key in COMMENTS else line for key, line in lines]
    return {"data": "\n".join(commented), "data_again": "\n".join(line for _, line in lines)}


def _yaml(value: Any) -> str:
    """A value as YAML that stays on its line; words stand without quotes where they can."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", value) and value not in AMBIGUOUS:
        return value
    return json.dumps(value, ensure_ascii=False)


AMBIGUOUS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


def _aligned(text: str) -> str:
    """Comments in one column; in a template, a tab stands before each comment."""
    lines = [line.partition("\t") for line in text.split("\n")]
    return "\n".join(f"{code:<{COLUMN}}  {comment}" if comment else code for code, _, comment in lines)
