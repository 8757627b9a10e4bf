"""Scaffolding for pictures with masks: what images/ and masks/ hold, and the recipes that fit them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthgen.errors import DataError
from synthgen.fields import IGNORE
from synthgen.realdata import masks
from synthgen.realdata.masks import Examples, MaskData
from synthgen.scaffold_text import Recipes, render

MIN_PICTURES = 8
CROPS = (32, 48, 64, 96)
PARTS_OF_A_CLASS = 1.5

MODEL = """\
# A diffusion model that draws pictures to fit masks: `synthgen train {{ name }}-model.yaml`
# Then `synthgen run {{ name }}.yaml` makes a dataset with it.

kind: model
version: 1\t# version of the recipe language
name: {{ name }}\t# the model goes to models/{{ name }}
seed: 0\t# every random number follows from it

trainer:
  use: layout-to-image\t# a diffusion model that draws pictures to fit layouts
  data:
    path: {{ path_yaml }}\t# with images/ and masks/ in it
    mask_kind: {{ found.kind }}\t# what a mask's numbers mean: objects, or class ids (255 unknown)
    objects: {{ found.objects }}\t# names of the objects' classes, ids from 1; rename them
    licence: unknown\t# of the pictures; it goes into the model's card and into every dataset
    validation: 0.1\t# share held out for validation losses
  crop: {{ found.crop }}\t# side of the training crops in pixels
  gamma: {{ found.gamma }}\t# below 1 for dark pictures
  turn: false\t# true if up, down, left and right mean nothing; multiplies the data by eight
  styles: {{ found.styles }}\t# kinds of exposure, found by clustering
  network:
    patch_size: 2\t# pixels a side that become channels; larger is cheaper and coarser
    channels: [32, 64, 96]\t# width of each level; wider learns more and takes longer
  noise_mean: -0.4\t# higher than usual: broad shapes are decided at high noise
  noise_std: 1.6
  steps: 6000\t# raise it if the pictures still get better at the end
  batch_size: 8
  learning_rate: 8.0e-4
  checkpoint_every: 500\t# a stopped training goes on from the last one
  picture_every: 1500\t# layouts, drawn and real pictures in models/{{ name }}/training/
"""

CRITIC = """\
# A small U-Net of the same pictures, which checks samples: `synthgen train {{ name }}-critic.yaml`
# Then uncomment the last labeler, `scorers` and `keep` in {{ name }}.yaml.

kind: model
version: 1
name: {{ name }}-critic\t# the model goes to models/{{ name }}-critic
seed: 1

trainer:
  use: segmenter
  data:
    path: {{ path_yaml }}
    mask_kind: {{ found.kind }}
    objects: {{ found.objects }}
    licence: unknown
    validation: 0.1
  crop: {{ found.crop }}
  turn: false\t# as in {{ name }}-model.yaml
  steps: 1500
  batch_size: 8
  learning_rate: 2.0e-3
"""

DATASET = """\
# Synthetic pictures with the objects of {{ path }}: `synthgen run {{ name }}.yaml`
# First train the model: `synthgen train {{ name }}-model.yaml`

kind: dataset
version: 1\t# version of the recipe language
name: {{ name }}\t# the output goes to runs/{{ name }}-<digest>
seed: 0\t# another seed gives another dataset
samples: 200

shard_size: 50\t# samples in a file: the unit of work and of resume
batch_size: 10\t# samples drawn together; it decides bytes, so it belongs to the recipe
tries: 8\t# how often a sample is drawn again before it is given up

splits: {train: 1.0}\t# test on real pictures

condition:\t# what each picture must show
  use: placed-objects\t# your objects, placed anew; `real-layouts` takes your masks as they are
  data:
    path: {{ path_yaml }}
    mask_kind: {{ found.kind }}
    objects: {{ found.objects }}
    licence: unknown
  size: {{ found.crop }}\t# side of the pictures in pixels
  densities: {few: [0, {{ found.few }}], many: [{{ found.few }}, {{ found.many }}]}\t# least and most objects

sampler:\t# the diffusion model that draws the pictures
  use: layout-to-image
  model: models/{{ name }}\t# made by `synthgen train {{ name }}-model.yaml`
  steps: 18\t# denoising steps; fewer are faster and rougher
  guidance: 1.5\t# above 1: closer to the layout; 1 is none

labelers:
  - use: boxes\t# around every object; the masks are the layout itself

# Reject pictures whose objects a network does not find. First: synthgen train {{ name }}-critic.yaml
#   - {use: segmenter, model: models/{{ name }}-critic}
# scorers:
#   - {use: mask-agreement, name: critic, against: segmenter_instances}
# keep:
#   - critic_iou >= 0.3

output:
  image_format: png\t# png and webp keep every pixel, jpeg does not
  writers: [webdataset, parquet]
"""


@dataclass(frozen=True, slots=True)
class MaskFindings:
    """What was seen in a folder of pictures and masks, and what fits it.

    `sizes` are (width, height) of every picture, `counts` the number of objects in each.
    """

    root: Path
    sizes: list[tuple[int, int]]
    counts: list[int]
    kind: str
    objects: list[str]
    brightness: float

    @property
    def crop(self) -> int:
        """The largest crop up to 96 pixels that the median picture has."""
        side = statistics.median(min(size) for size in self.sizes)
        return max((crop for crop in CROPS if crop <= side), default=CROPS[0])

    @property
    def gamma(self) -> float:
        return 0.5 if self.brightness < 64 else 1.0

    @property
    def styles(self) -> int:
        return max(1, min(24, len(self.counts) // 12))

    @property
    def many(self) -> int:
        """Objects of a crowded crop: twice what a crop of the median picture has."""
        per_pixel = [n / (w * h) for n, (w, h) in zip(self.counts, self.sizes, strict=True)]
        return max(4, round(2 * statistics.median(per_pixel) * self.crop**2))

    @property
    def few(self) -> int:
        return max(2, self.many // 3)


def has_masks(folder: str | Path) -> bool:
    """Whether a folder holds images/ and masks/, at its top or under train/."""
    return any((place / "images").is_dir() and (place / "masks").is_dir() for place in _places(Path(folder)))


def look(folder: str | Path) -> MaskFindings:
    """Reads every picture and mask of the training split.

    Raises:
        DataError: there are too few, or some cannot be used; all problems at once.
    """
    plain = masks.read(MaskData(path=str(folder)))
    if len(plain) < MIN_PICTURES:
        raise DataError(f"{folder}: has {len(plain)} pictures with masks; at least {MIN_PICTURES} are needed")
    kind, objects = _kind(plain, folder)
    by_class = MaskData(path=str(folder), mask_kind="classes", objects=objects)
    found = plain if kind == "instances" else masks.read(by_class)
    return MaskFindings(
        Path(folder),
        [(item.image.shape[1], item.image.shape[0]) for item in found.items],
        [item.n_objects for item in found.items],
        kind,
        objects,
        float(np.mean([item.image.mean() for item in found.items])),
    )


def _places(root: Path) -> tuple[Path, Path]:
    return root, root / "train"


def _kind(examples: Examples, folder: str | Path) -> tuple[str, list[str]]:
    """`instances` if a number is one connected region as a rule, else `classes`, with names for the objects."""
    from scipy import ndimage

    from synthgen.realdata.pictures import decode_mask

    place = next(place for place in _places(Path(folder)) if (place / "masks").is_dir())
    n_numbers = n_regions = 0
    largest = 0
    for item in examples.items[:50]:
        path = next((place / "masks").glob(f"{item.name}.*"))
        numbers = decode_mask(path.read_bytes(), str(path))
        for number in np.unique(numbers[(numbers > 0) & (numbers != IGNORE)]):
            n_numbers += 1
            n_regions += ndimage.label(numbers == number)[1]
            largest = max(largest, int(number))
    if n_regions <= PARTS_OF_A_CLASS * n_numbers or largest > 32:
        return "instances", ["object"]
    return "classes", [f"class_{i}" for i in range(1, largest + 1)]


def warnings(found: MaskFindings) -> Iterator[str]:
    """What the user should know before training."""
    empty = sum(n == 0 for n in found.counts)
    if empty:
        what = "1 mask is empty" if empty == 1 else f"{empty} masks are empty"
        yield f"{what}; such pictures teach what empty ground looks like"
    if min(min(size) for size in found.sizes) < found.crop:
        yield f"some pictures are smaller than {found.crop} pixels and will be continued by mirroring"
    yield f"numbers in the masks look like {found.kind}; if they are not, change `mask_kind`"


def recipes(name: str, found: MaskFindings) -> Recipes:
    """File names and contents: the model, the critic, the dataset."""
    templates = {f"{name}-model.yaml": MODEL, f"{name}-critic.yaml": CRITIC, f"{name}.yaml": DATASET}
    return render(templates, {"name": name, "found": found}, found.root)
