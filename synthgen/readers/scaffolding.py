"""Scaffolding: what a reader sees in people's data, and the commented recipes that fit them, for `synthgen init`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.base.names import printable
from synthgen.errors import DataError
from synthgen.readers import validation

Recipes = Mapping[str, str]
"""Recipes by file name. `NAME-model.yaml` trains a model first, and `NAME-filter.yaml` one that scores samples."""

COLUMN = 31

SNIPPETS: Recipes = {
    "start_model": """\
# Then `synthgen run {{ name }}.yaml` makes a dataset with it.

kind: model
version: 1\t# version of the recipe language
name: {{ name }}\t# the model goes to models/{{ name }}
seed: 0\t# every random number follows from it

trainer:""",
    "start_filter": """\

kind: model
version: 1
name: {{ name }}-filter\t# the model goes to models/{{ name }}-filter
seed: 1

trainer:""",
    "start_dataset": """\
# First train the model: `synthgen train {{ name }}-model.yaml`

kind: dataset
version: 1\t# version of the recipe language
name: {{ name }}\t# the output goes to runs/{{ name }}-<digest>
seed: 0\t# another seed gives another dataset""",
    "shards": """\
samples: 200

shard_size: 50\t# samples in a file: the unit of work and of resume
batch_size: 10\t# samples generated together; it decides bytes, so it belongs to the recipe""",
    "layout_sampler": """\
sampler:\t# the diffusion model that generates the images
  use: layout-to-image
  model: models/{{ name }}\t# made by `synthgen train {{ name }}-model.yaml`
  steps: 18\t# denoising steps; fewer are faster and rougher""",
    "output": """\

output:
  image_format: png\t# png and webp keep every pixel, jpeg does not
  writers: [webdataset, parquet]""",
}
"""What recipes have in common: `{% include 'start_model' %}` puts one into a template."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Data that were read: `rows` of names and values, `notes` to the user, and the recipes by the dataset's name."""

    rows: Sequence[tuple[str, str]]
    notes: Sequence[str]
    recipes: Callable[[str], Recipes]


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What a reader sees in a folder or file, before it reads all of it.

    Of several readers that see their data in one folder, that with the lowest `order` writes the recipes. `what` calls
    the data by name, for a note on what is not used; empty if anything could be read so.
    """

    order: int
    what: str
    look: Callable[[], Findings]


@dataclass(frozen=True, slots=True)
class Question:
    """What data leave open: `text` asks it on a terminal, and `hint` names the options of `init` that answer it.

    `answers` are values of the setting `option` by what people type; `default` is the answer offered.
    """

    option: str
    text: str
    answers: Mapping[str, Any]
    default: str
    hint: str


class OpenQuestionsError(DataError):
    """Data leave open what they mean: all questions at once, each with the options that answer it."""

    def __init__(self, questions: Sequence[Question], *opening: str) -> None:
        self.questions = questions
        super().__init__(*opening, *(f"  {question.hint}" for question in questions))


def shown_sizes(sizes: Sequence[tuple[int, int]]) -> str:
    """The three most frequent sizes (width, height) with their counts, and how many others there are."""
    most = Counter(sizes).most_common(3)
    shown = ", ".join(f"{width} x {height} ({n})" for (width, height), n in most)
    more = len(set(sizes)) - len(most)
    return shown + (f" and {more} other sizes" if more else "")


def render(templates: Recipes, values: Mapping[str, Any], folder: Path) -> Recipes:
    """Templates by file name, filled in; `path` is `folder`, and `path_yaml` the same as YAML."""
    import jinja2

    environment = jinja2.Environment(  # noqa: S701  (YAML)
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, loader=jinja2.DictLoader(SNIPPETS)
    )
    path = {"path": printable(folder), "path_yaml": json.dumps(str(folder), ensure_ascii=False)}
    return {
        file: _aligned(environment.from_string(text).render(path | dict(values))) for file, text in templates.items()
    }


COMMENTS = {
    "images": "subfolder of the images",
    "masks": "subfolder of the masks",
    "boxes": "where their boxes are: a COCO file, or a folder of YOLO's or Pascal VOC's labels",
    "mask_kind": "what a mask's numbers mean: instances, classes (255 unknown) or binary",
    "colours": "what the masks' colours mean",
    "mask_ending": "what the masks' names end with",
    "zero": "what the number 0 means: background, class or unknown",
    "unknown": "numbers that mean unknown, beside 255",
    "palette": "colours in which the classes are shown",
    "objects": "names of the objects' classes, ids from 1",
    "scale": "images are resized by this factor first",
    "unlabelled": "images without masks, from which the model learns what images look like",
    "skip_broken": "images that cannot be read are left out and counted",
    "licence": "of the images; it goes into the model's card and into every dataset",
}


def data_blocks(settings: Mapping[str, Any], comments: Mapping[str, str] = COMMENTS) -> dict[str, str]:
    """The settings of a `data` section as lines of YAML: `data` with comments, and `data_again` without."""
    shown = {**settings, "licence": "unknown"}
    lines = [(key, f"    {key}: {_yaml(value)}") for key, value in shown.items()]
    commented = [f"{line}\t# {comments[key]}" if key in comments else line for key, line in lines]
    return {"data": "\n".join(commented), "data_again": "\n".join(line for _, line in lines)}


def _yaml(value: Any) -> str:
    """A value as YAML that stays on its line; words stand without quotes where they can."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", value) and value not in AMBIGUOUS:
        return value
    return json.dumps(value, ensure_ascii=False)


def validation_values(has_split: bool, share: float) -> dict[str, Any]:
    """What a recipe's data say of their validation: the data's own split, if they have one, else a share."""
    words = "the data's own split for validation losses" if has_split else "share held out for validation losses"
    return {"validation": validation.SPLIT if has_split else share, "validated": words}


AMBIGUOUS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


def _aligned(text: str) -> str:
    """Comments in one column; in a template, a tab stands before each comment."""
    lines = [line.partition("\t") for line in text.split("\n")]
    return "\n".join(f"{code:<{COLUMN}}  {comment}" if comment else code for code, _, comment in lines)
