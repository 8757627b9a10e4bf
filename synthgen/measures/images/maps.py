"""Images with maps, synthetic and real, and the networks that measures train on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from synthgen.base.sizes import Size
from synthgen.dataset import loading
from synthgen.errors import DataError, UsageError
from synthgen.fields import SegmentationMap, label_of
from synthgen.measures.averaging import averaged
from synthgen.measures.images.unseen import check_unseen
from synthgen.measures.settings import MeasureSettings, Way
from synthgen.measures.weights import weights_of
from synthgen.parts.protocols import Comparison
from synthgen.readers import origin, settings_fit
from synthgen.readers.masks import files as mask_files
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.recipe.sections import Trick
from synthgen.vision.layouts import Layout

if TYPE_CHECKING:  # torch is imported where it is needed: plans ask every measure what it would miss
    from synthgen.training.task import Task

ARMS = ("synthetic", "real", "both")


class MapSettings(MeasureSettings):
    """Settings of comparisons of images with maps."""

    evaluator: str | None = Field(default=None, description="A segmenter that took no part in making the data.")
    segmentation: str = Field(default="segmentation", description="The class map to train on.")


@dataclass(frozen=True, slots=True)
class Sets:
    """What networks are trained on, by `ARMS`, real test images, and real images that choose among several ways."""

    arms: dict[str, Examples]
    test: Examples
    validation: Examples | None = None


def sets(comparison: Comparison, config: Any, semantic: bool, choosing: bool) -> Sets:
    """The dataset, real images and both; and real test images.

    Args:
        semantic: whether the dataset has class maps without objects.
        choosing: whether real images are held out to choose by: a split `val`, or a share of the training images.

    Raises:
        DataError: the classes of the real data are not those of the dataset, or test images are in another set, too.
        UsageError: the real data are class maps, and the dataset has objects, or the other way round.
    """
    data = mask_data(comparison.data, comparison.name)
    data.require_masks("the comparison with real images")
    synthetic = from_dataset(comparison.folder, config.part, config.segmentation, comparison.allow_incomplete)
    if data.is_semantic and not semantic:
        raise UsageError(
            f"{comparison.name}: the real data are class maps without objects, and the dataset has objects; give the "
            "real data that its layouts came from"
        )
    if semantic and not data.is_semantic:
        raise UsageError(
            f"{comparison.name}: the real data are read as objects, and the dataset has class maps; "
            "give `mask_kind: semantic` in its `data`"
        )
    real, test, validation = reader.read(data), read_test(data, comparison.test), None
    if choosing:
        _, real, validation = reader.divided(data, 0)
    for where, one in ((data.path, real), (comparison.test or data.path, test)):
        if one.objects != synthetic.objects:
            raise DataError(f"{where} has the classes {one.objects}; the dataset has {synthetic.objects}")
        if not semantic and one.stuff != synthetic.stuff:
            raise DataError(f"{where}: {one.stuff} have no objects; of the dataset, these are {synthetic.stuff}")
    found = Sets(dict(zip(ARMS, (synthetic, real, joined(synthetic, real)), strict=True)), test, validation)
    check_sets(found, comparison, data.path)
    return found


def check_sets(found: Sets, comparison: Comparison, path: str) -> None:
    """Raises DataError if test images are trained on or chosen by, too; a few are noted. `path` names the real ones."""
    others = {f"the training images of {path}": found.arms["real"]}
    others |= {f"the validation images of {path}": found.validation} if found.validation is not None else {}
    others |= {f"the images of {comparison.folder}": found.arms["synthetic"]}
    contents = {name: [item.image for item in one.items] for name, one in others.items()}
    for note in check_unseen([item.image for item in found.test.items], comparison.test or path, contents):
        comparison.note(note)


def joined(synthetic: Examples, real: Examples) -> Examples:
    """Both, the classes of their images matched by name."""
    classes = (*real.classes, *(name for name in synthetic.classes if name not in real.classes))
    ids = [classes.index(name) for name in synthetic.classes]
    items = (*(replace(item, label=ids[item.label]) for item in synthetic.items), *real.items)
    return replace(real, items=items, classes=classes)


def mask_data(data: Mapping[str, Any], name: str) -> MaskData:
    """The settings of real images with masks: a folder's, or those of a recipe called `name`.

    Raises:
        UsageError: they are those of other data.
    """
    is_recipe = Path(name).suffix in (".yaml", ".yml")
    if (is_recipe and "objects" not in data) or not settings_fit(MaskData, data):
        raise UsageError(f"{name}: must be the recipe of a model that is trained on images with masks")
    return MaskData.model_validate(dict(data))


def read_test(data: MaskData, test: str | None) -> Examples:
    """Real test images: the test split of `data`, or those of `test`, which a recipe describes or is like `data`.

    Raises:
        DataError: there are none, or they cannot be used.
    """
    if test is None:
        try:
            return reader.read(data, "test")
        except DataError as error:
            raise DataError(f"{error}, or name the test images with --test") from None
    if Path(test).suffix in (".yaml", ".yml"):
        return reader.read_test(mask_data(origin.data_section(test), test))
    bounds = reader.pixel_range(data, mask_files.places(data, "train")).bounds
    return reader.read_test(data.model_copy(update={"path": test, "range": bounds or data.range}))


def from_dataset(folder: str, split: str | None, segmentation: str, allow_incomplete: bool = False) -> Examples:
    """Images and maps of a generated dataset, as real ones are read."""
    dataset = loading.load(folder, split=split, allow_incomplete=allow_incomplete)
    kind = dataset.fields.get(segmentation)
    if not isinstance(kind, SegmentationMap):
        maps = [name for name, field in dataset.fields.items() if isinstance(field, SegmentationMap)]
        raise UsageError(f"{folder}: has no class map `{segmentation}`; there are: {', '.join(maps) or 'none'}")
    label, _ = label_of(dataset.fields)
    items, samples = [], [dataset[i] for i in range(len(dataset))]
    for sample, weight in zip(samples, weights_or_ones(dataset, samples), strict=True):
        image = np.repeat(sample["image"], 3, axis=2) if sample["image"].shape[2] == 1 else sample["image"]
        instances = (
            sample["instances"] if "instances" in dataset.fields else np.zeros(sample[segmentation].shape, np.uint16)
        )
        layout = Layout(instances, sample[segmentation])
        items.append(Example(sample["key"], image, int(sample[label]) if label else 0, layout, weight=weight))
    return Examples(tuple(items), dataset.classes or ("picture",), kind.classes, stuff=kind.stuff)


def weights_or_ones(dataset: loading.Dataset, samples: Sequence[Mapping[str, Any]]) -> list[float]:
    """How much each sample counts: its field `weight`, else 1."""
    weights = weights_of(dataset, samples)
    return [1.0] * len(samples) if weights is None else weights.tolist()


@dataclass(frozen=True, slots=True)
class Probe:
    """The U-Net that every arm trains, and how: whole maps are mirrored, crops of objects turned, too.

    With `average`, it has a mean of the weights that it had at the end. `class_balance`, `copy_paste`, `zoom` and
    `colour_jitter` are those of the trainer of segmenters.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    crop: Size = 96
    turn: bool = True
    mirror: bool = False
    batch_size: int = 8
    class_balance: float = 0.0
    copy_paste: float = 0.0
    zoom: float = 1.0
    colour_jitter: float = 0.0
    average: bool = False

    def with_trick(self, trick: Trick | None) -> Probe:
        return replace(self, **TRICKS[trick]) if trick else self


TRICKS: Mapping[Trick, Mapping[str, Any]] = {
    "averaged": {"average": True},
    "copy-paste": {"copy_paste": 0.5},
    "jitter": {"zoom": 1.5, "colour_jitter": 0.4},
}


def best(
    examples: Examples,
    seed: int,
    ways: Sequence[Way],
    validation: Examples | None,
    quality: Callable[[Any, Examples], float],
    probe: Probe = Probe(),
) -> tuple[Any, Way]:
    """The U-Net with the highest `quality` on `validation` of those trained in each way; without it, the first."""
    models = [train(examples, seed, way.steps, probe=probe.with_trick(way.trick)) for way in ways]
    place = 0 if validation is None else int(np.argmax([quality(model, validation) for model in models]))
    return models[place], ways[place]


def train(examples: Examples, seed: int, steps: int, then: Examples | None = None, probe: Probe = Probe()) -> Any:
    """A small U-Net trained for a fixed number of steps; no checkpoint is chosen, so no test data is needed.

    Args:
        then: what the second half of the steps learns from, if not from `examples` too.
    """
    from synthgen.trainers.images.segmenter import SegmenterTask, SegmenterTrainer

    config = SegmenterTrainer.Config(
        data=MaskData(path="."),
        crop=probe.crop,
        widths=list(probe.widths),
        turn=probe.turn,
        mirror=probe.mirror,
        class_balance=probe.class_balance,
        copy_paste=probe.copy_paste,
        zoom=probe.zoom,
        colour_jitter=probe.colour_jitter,
        steps=steps,
        batch_size=probe.batch_size,
    )
    task = SegmenterTask(config, examples, examples, examples.take([]), seed, "cpu")

    def before(step: int) -> None:
        if then is not None and step == steps // 2:
            task.learn_from(then)

    return fitted(task, before, probe.average)


def fitted(task: Task, before: Callable[[int], None] = lambda step: None, average: bool = False) -> Any:
    """The network of a task after all of its steps, by AdamW and a falling learning rate.

    Args:
        before: called with the number of each step before it is made.
        average: take a mean of the weights over the last steps.
    """
    import torch

    from synthgen.training.loop import backward

    steps = task.config.steps
    model = task.model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    mean = averaged(model, steps) if average else None
    for step in range(steps):
        before(step)
        backward(task, step)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        if mean is not None:
            mean.update_parameters(model)
    return (model if mean is None else mean.module).eval()
