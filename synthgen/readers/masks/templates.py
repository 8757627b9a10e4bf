"""Recipes for the models of images with objects or class maps, as `synthgen init` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.base.units import duration
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import MaskData
from synthgen.readers.scaffolding import validation_values

MODEL = """\
# A diffusion model that generates images to fit {{ network.what }}: `synthgen train {{ name }}-model.yaml`
{% include 'start_model' %}
  use: layout-to-image\t# a diffusion model that generates images to fit layouts
  data:
{{ data }}
    validation: {{ validation }}\t# {{ validated }}
  crop: {{ found.crop }}\t# {{ network.crop }}
  gamma: {{ 0.5 if found.brightness < 64 else 1.0 }}\t# below 1 for dark images
  {{ network.symmetry }}
  styles: {{ [1, [24, n_images // 12] | min] | max }}\t# kinds of exposure, found by clustering
  network:
    patch_size: 1\t# pixels a side that become channels; 2 is cheaper and leaves a pattern of 2 x 2 pixels
    channels: {{ network.channels }}\t# width of each level; wider learns more and takes longer
    padding: reflect\t# what lies beyond the border: the image mirrored on, so that it has no rough frame
  log_sigma_mean: -0.4\t# higher than usual: broad shapes are decided at high noise
  log_sigma_std: 1.6
  steps: {{ network.steps }}\t# about {{ time }} on one core; raise it if the images still get better at the end
  batch_size: {{ network.batch }}
  learning_rate: 8.0e-4
  checkpoint_every: 500\t# a stopped training goes on from the last one
  sample_every: 1500\t# layouts, generated and real images in models/{{ name }}/training/
"""

FILTER = """\
# A small U-Net of the same images, which checks samples: `synthgen train {{ name }}-filter.yaml`
# Then uncomment {{ network.unused }} in {{ name }}.yaml.
{% include 'start_filter' %}
  use: segmenter
  data:
{{ data_again }}
    validation: {{ validation }}
  crop: {{ found.crop }}
{%- if network.filter_widths %}
  widths: {{ network.filter_widths }}\t# channels of each level
{%- endif %}
  {{ network.symmetry.split('\t')[0] }}\t# as in {{ name }}-model.yaml
{%- if network.filter_widths %}
  class_balance: 0.5\t# thin and rare classes count more; 1: all classes the same, 0: all pixels the same
{%- endif %}
  steps: {{ network.filter_steps }}
  batch_size: 8
  learning_rate: 2.0e-3
"""


@dataclass(frozen=True, slots=True)
class Network:
    """What a kind of layouts asks of the recipes: words, settings, and what a step costs.

    Attributes:
        symmetry: the setting that says how images may be turned, with its comment after a tab.
        unused: the sections of the dataset's recipe that the filter model makes useful.
        seconds_per_pixel: of a training step, for each pixel of each image, on one core.
    """

    what: str
    crop: str
    symmetry: str
    channels: list[int]
    steps: int
    seconds_per_pixel: float
    unused: str
    filter_steps: int
    filter_widths: list[int] | None = None
    batch: int = 8

    def time(self, width: int, height: int) -> str:
        """How long the training of the model takes on one core, in words."""
        seconds = self.steps * self.batch * width * height * self.seconds_per_pixel
        return duration(60 * round(seconds / 60)).removesuffix(" 0 s")

    def shown(self, width: int, height: int, unit: str) -> str:
        """The training in words; `unit` is what a batch is of."""
        return f"about {self.time(width, height)} on one core for {self.steps} steps of {self.batch} {unit}"


TURN = "turn: false\t# true if up, down, left and right mean nothing; multiplies the data by eight"
MASKS = Network(
    "masks",
    "side of the training crops in pixels",
    TURN,
    [16, 32, 64, 96, 96],
    6000,
    5.4e-6,
    "the last labeler, `scorers` and `keep`",
    1500,
)
"""Its step takes 0.7 of the time of that of `CLASS_MAPS`, about twice that of one with patches of 2 x 2 pixels."""
BOXES = Network("boxes", MASKS.crop, TURN, MASKS.channels, MASKS.steps, MASKS.seconds_per_pixel, "", 0)
CLASS_MAPS = Network(
    "class maps",
    "width and height of a scene in pixels, once it is resized by `scale`",
    "mirror: true\t# left and right may change places, as in streets; false where they may not, as in text",
    [16, 48, 96, 128],
    9000,
    7.5e-6,
    "`labelers`, `scorers` and `keep`",
    2000,
    [24, 48, 96, 160],
)
"""Seconds were measured on a server of 2025."""


def values(network: Network, settings: Mapping[str, Any], n_images: int, shape: tuple[int, int]) -> dict[str, Any]:
    """What the templates say of data with these `settings`; `shape` is height and width of the crops."""
    found = {"network": network, "n_images": n_images, "time": network.time(shape[1], shape[0])}
    return found | validation_values(reader.has_validation(MaskData.model_validate(dict(settings))), 0.1)
