"""Averaged weights: what they are, and that networks of series, boxes and masks can have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from synthgen.measures.averaging import averaged
from synthgen.measures.images import detection, maps
from synthgen.measures.series import probe
from synthgen.measures.settings import Way
from synthgen.readers.masks.types import Example, Examples
from synthgen.vision.layouts import Layout


def test_the_copy_follows_slowly() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    mean = averaged(model, 100)
    mean.update_parameters(model)
    model.weight.data.fill_(1.0)
    mean.update_parameters(model)
    assert mean.module.weight.detach().item() == pytest.approx(0.1), "a tenth of 100 steps"


def picture() -> Examples:
    box = np.array([[8, 8, 24, 24]], dtype=np.float32)
    image, mask = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
    image[8:24, 8:24], mask[8:24, 8:24] = 255, 1
    item = Example("a", image, 0, Layout(mask.astype(np.uint16), mask), box, np.zeros(1, dtype=np.int64))
    return Examples((item, item), ("picture",), ("cell",))


def windows(average: bool) -> Any:
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    series = random.normal(size=(40, 16, 1)).astype(np.float32) + 3 * labels[:, None, None].astype(np.float32)
    model = probe.train(series, labels, 2, 0, Way(40, "averaged" if average else None))
    assert (probe.probabilities(model, series).argmax(1) == labels).mean() > 0.9
    return model


def boxes(average: bool) -> Any:
    return detection.train(picture(), 0, detection.Detection.Config(), 32, Way(25, "averaged" if average else None))


def masks(average: bool) -> Any:
    return maps.train(picture(), 0, 25, probe=maps.Probe(crop=32).with_trick("averaged" if average else None))


@pytest.mark.parametrize("train", [windows, boxes, masks])
def test_networks_of_every_kind_can_have_them(train: Any) -> None:
    one, again, mean = ([p.detach().clone() for p in train(average).parameters()] for average in (False, False, True))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, mean, strict=True))
