"""How useful is a dataset of images with masks? Train a small U-Net on it and test it on real images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from synthgen.dataset import loading
from synthgen.errors import DataError, UsageError
from synthgen.fields import IGNORE, InstanceMap, Label, Schema, SegmentationMap, Series
from synthgen.measures.settings import MeasureSettings, in_percent
from synthgen.models import folders
from synthgen.parts.protocols import Comparison
from synthgen.readers import origin, settings_fit
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.vision.layouts import Layout
from synthgen.vision.matching import Match

STEPS, BATCH_SIZE, CROP_PX, WIDTHS = 600, 8, 96, (16, 32, 64)
METRICS = ("dice", "mIoU", "AJI", "PQ")


class Segmentation:
    """Dice, mIoU, AJI and PQ on real test images of a U-Net trained on the dataset, beside U-Nets trained on real ones.

    With `evaluator`, also the mean IoU of the dataset's masks with those that a segmenter finds.
    """

    version = 1
    needs = "an `image` with masks (`instances` and `segmentation`)"
    readers = ("masks",)

    class Config(MeasureSettings):
        """Settings of the comparison of images with masks."""

        steps: int = Field(default=STEPS, ge=1, description="Training steps of each network.")
        evaluator: str | None = Field(default=None, description="A segmenter that took no part in making the data.")
        segmentation: str = Field(default="segmentation", description="The class map to train on.")

    def __init__(self, config: Config) -> None:
        self.config = config

    @staticmethod
    def fits(fields: Schema) -> bool:
        series = any(isinstance(field, Series) for field in fields.values())
        return not series and any(isinstance(field, InstanceMap) for field in fields.values())

    def measure(self, comparison: Comparison) -> Mapping[str, Any]:
        """Percentages are 0 to 100.

        The same network is trained with the same steps on the dataset, on the real training images
        and on both, and tested on the real test images, class by class of image.

        Raises:
            DataError: the objects' classes of the real data are not those of the dataset.
        """
        config, test = self.config, comparison.test
        data = mask_data(comparison.data, comparison.name)
        data.require_masks("the comparison with real images")
        synthetic = from_dataset(comparison.folder, config.part, config.segmentation, comparison.allow_incomplete)
        real_train, real_test = reader.read(data), read_test(data, test)
        for where, one in ((data.path, real_train), (test or data.path, real_test)):
            if one.objects != synthetic.objects:
                raise DataError(f"{where} has the objects {one.objects}; the dataset has {synthetic.objects}")
        both = Examples((*synthetic.items, *real_train.items), synthetic.classes, synthetic.objects)
        arms = {"synthetic": synthetic, "real": real_train, "both": both}
        counts = {name: sum(item.label == i for item in real_test.items) for i, name in enumerate(real_test.classes)}
        result: dict[str, Any] = {
            "n_test": counts,
            "n_train": {name: len(examples) for name, examples in arms.items()},
            "seeds": config.seeds,
            "steps": config.steps,
            "scores": scores(arms, real_test, config.seeds, config.steps, comparison.note),
        }
        if config.evaluator:
            result["evaluator"] = config.evaluator
            result["matched_iou"] = agreement_with(config.evaluator, synthetic, real_test)
        return result

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        lines = []
        for group, n in found["n_test"].items() if "scores" in found else ():
            if not n:
                continue
            lines.append(f"on {n} real test images ({group}), {found['seeds']} seeds, {found['steps']} steps:")
            for name, groups in found["scores"].items():
                shown = ", ".join(f"{m} {v['mean']:.2f} +- {v['deviation']:.2f}" for m, v in groups[group].items())
                lines.append(f"  trained on {found['n_train'][name]:>5} {name:<9} {shown}")
            dice = {name: groups[group]["dice"]["mean"] for name, groups in found["scores"].items()}
            lines.append(f"  Dice of synthetic over real: {dice['synthetic'] / dice['real']:.3f}")
        if "matched_iou" in found:
            lines.append(f"mean IoU of the masks with those that {found['evaluator']} finds:")
            lines += [f"  {name:<20} {value:.3f}" for name, value in found["matched_iou"].items()]
        return "\n".join(lines)


def scores(
    arms: Mapping[str, Examples], test: Examples, n_seeds: int, steps: int, note: Callable[[str], None]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Every metric on each class of test image, in percent, of networks trained on each of the sets."""
    values: dict[str, dict[str, dict[str, list[float]]]] = {name: {} for name in arms}
    for seed in range(n_seeds):
        for name, examples in arms.items():
            model = train(examples, seed, steps)
            for group, found in by_class(model, test).items():
                kept = values[name].setdefault(group, {metric: [] for metric in METRICS})
                for metric in METRICS:
                    kept[metric].append(found[metric])
                note(f"seed {seed}: trained on {len(examples)} {name}, {group}: Dice {100 * found['dice']:.2f} %")
    return {
        name: {group: {m: in_percent(v) for m, v in found.items()} for group, found in groups.items()}
        for name, groups in values.items()
    }


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
    is_recipe = Path(test).suffix in (".yaml", ".yml")
    described = mask_data(origin.data_section(test), test) if is_recipe else data.model_copy(update={"path": test})
    return reader.read_test(described)


def from_dataset(folder: str, split: str | None, segmentation: str, allow_incomplete: bool = False) -> Examples:
    """Images and maps of a generated dataset, as real ones are read."""
    dataset = loading.load(folder, split=split, allow_incomplete=allow_incomplete)
    kind = dataset.fields.get(segmentation)
    if not isinstance(kind, SegmentationMap):
        maps = [name for name, field in dataset.fields.items() if isinstance(field, SegmentationMap)]
        raise UsageError(f"{folder}: has no class map `{segmentation}`; there are: {', '.join(maps) or 'none'}")
    label = next((name for name, field in dataset.fields.items() if isinstance(field, Label)), None)
    items = []
    for i in range(len(dataset)):
        sample = dataset[i]
        image = np.repeat(sample["image"], 3, axis=2) if sample["image"].shape[2] == 1 else sample["image"]
        layout = Layout(sample["instances"], sample[segmentation])
        items.append(Example(sample["key"], image, int(sample[label]) if label else 0, layout))
    return Examples(tuple(items), dataset.classes or ("picture",), kind.classes)


def train(examples: Examples, seed: int, steps: int, then: Examples | None = None) -> Any:
    """A small U-Net trained for a fixed number of steps; no checkpoint is chosen, so no test data is needed.

    Args:
        then: what the second half of the steps learns from, if not from `examples` too.
    """
    import torch

    from synthgen.trainers.images.segmenter import SegmenterTask, SegmenterTrainer
    from synthgen.training.loop import backward

    config = SegmenterTrainer.Config(
        data=MaskData(path="."), crop=CROP_PX, widths=list(WIDTHS), turn=True, steps=steps, batch_size=BATCH_SIZE
    )
    task = SegmenterTask(config, examples, examples, examples.take([]), seed, "cpu")
    model = task.model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        if then is not None and step == steps // 2:
            task.learn_from(then)
        backward(task, step)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
    return model.eval()


def by_class(model: Any, test: Examples) -> dict[str, dict[str, float]]:
    """The measures on each class of image, 0 to 1.

    dice, AJI, PQ: means over images. mIoU: mean over background and objects of the IoU of all pixels.
    """
    found: dict[str, dict[str, float]] = {}
    for label, name in enumerate(test.classes):
        items = [item for item in test.items if item.label == label]
        if not items:
            continue
        matches = [match(model, item) for item in items]
        found[name] = {
            "dice": float(np.mean([m.dice for m in matches])),
            "AJI": float(np.mean([m.aggregated_jaccard for m in matches])),
            "PQ": float(np.mean([m.panoptic_quality for m in matches])),
            "mIoU": mean_iou(matches),
        }
    return found


def match(model: Any, item: Example) -> Match:
    assert item.layout is not None
    found = model.segment(item.image[None])[0]
    return Match(item.layout.instances, found.instances, item.layout.segmentation == IGNORE)


def mean_iou(matches: Sequence[Match]) -> float:
    """IoU of object and of background pixels over all images together, their mean."""
    ratios = []
    for background in (False, True):
        shared = sum(int((((m.intended > 0) != background) & ((m.found > 0) != background)).sum()) for m in matches)
        joined = sum(int((((m.intended > 0) != background) | ((m.found > 0) != background)).sum()) for m in matches)
        ratios.append(shared / max(joined, 1))
    return float(np.mean(ratios))


def agreement_with(evaluator: str, synthetic: Examples, real_test: Examples) -> Mapping[str, Any]:
    """Mean matched IoU of the masks with those of a segmenter that took no part, and the same on real pairs."""
    from synthgen.models import registry

    place = folders.resolve(evaluator)
    folders.check_class(place, evaluator, "Segmenter", "segmenter")
    model = registry.load_network(place, "cpu")
    found = {}
    for name, examples in (("synthetic", synthetic), ("real test", real_test)):
        for label, group in enumerate(examples.classes):
            items = [item for item in examples.items if item.label == label]
            if items:
                scores = [match(model, item).mean_iou for item in items]
                found[f"{name}, {group}"] = round(float(np.mean(scores)), 4)
    return found
