"""Is a dataset of pictures with masks any good? Train a small U-Net on it and test it on real pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthgen.base.environment import leave_one_core
from synthgen.dataset import loading
from synthgen.errors import DataError, UsageError
from synthgen.fields import IGNORE, InstanceMap, Label, SegmentationMap
from synthgen.measures.classification import Spread
from synthgen.models import folders
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.recipe import recipe
from synthgen.recipe.recipe import ModelRecipe
from synthgen.trainers.images.segmenter import SegmenterTask, SegmenterTrainer
from synthgen.training.loop import backward
from synthgen.vision.layouts import Layout
from synthgen.vision.matching import Match

STEPS, BATCH_SIZE, CROP_PX, WIDTHS = 600, 8, 96, (16, 32, 64)
MEASURES = ("dice", "mIoU", "AJI", "PQ")


def is_segmentation(folder: str) -> bool:
    """Whether a dataset has an instance map."""
    return any(isinstance(field, InstanceMap) for field in loading.load(folder, allow_incomplete=True).fields.values())


def evaluate(
    folder: str,
    real: str | Mapping[str, Any],
    test: str | None,
    judge: str | None,
    n_seeds: int,
    steps: int,
    split: str,
    segmentation: str,
    say: Callable[[str], None],
    allow_incomplete: bool = False,
) -> dict[str, Any]:
    """All measures as JSON values; percentages 0 to 100.

    The same network is trained with the same steps on the dataset, on the real training pictures
    and on both, and tested on the real test pictures, class by class of picture.

    Raises:
        DataError: the objects' classes of the real data are not those of the dataset.
    """
    leave_one_core()
    data = mask_data(real)
    data.require_masks("the comparison with real pictures")
    synthetic = from_dataset(folder, split, segmentation, allow_incomplete)
    real_train, real_test = reader.read(data), read_test(data, test)
    for where, one in ((data.path, real_train), (test or data.path, real_test)):
        if one.objects != synthetic.objects:
            raise DataError(f"{where} has the objects {one.objects}; the dataset has {synthetic.objects}")
    both = Examples((*synthetic.items, *real_train.items), synthetic.classes, synthetic.objects)
    arms = {"synthetic": synthetic, "real": real_train, "both": both}
    values: dict[str, dict[str, dict[str, list[float]]]] = {name: {} for name in arms}
    for seed in range(n_seeds):
        for name, examples in arms.items():
            model = train(examples, seed, steps)
            for group, found in by_class(model, real_test).items():
                kept = values[name].setdefault(group, {measure: [] for measure in MEASURES})
                for measure in MEASURES:
                    kept[measure].append(found[measure])
                say(f"seed {seed}: trained on {len(examples)} {name}, {group}: Dice {100 * found['dice']:.2f} %")
    result: dict[str, Any] = {
        "dataset": (loading.load(folder, allow_incomplete=True).manifest or {}).get("digest"),
        "n_test": {name: sum(item.label == i for item in real_test.items) for i, name in enumerate(real_test.classes)},
        "n_train": {name: len(examples) for name, examples in arms.items()},
        "seeds": n_seeds,
        "steps": steps,
        "scores": {
            name: {group: {m: _facts(v) for m, v in found.items()} for group, found in groups.items()}
            for name, groups in values.items()
        },
    }
    if judge:
        result["judge"] = judge
        result["matched_iou"] = agreement_with(judge, synthetic, real_test)
    return result


def _facts(values: Sequence[float]) -> dict[str, Any]:
    spread = Spread(tuple(values))
    mean, deviation = round(100 * spread.mean, 3), round(100 * spread.deviation, 3)
    return {"mean": mean, "deviation": deviation, "values": [round(100 * value, 3) for value in values]}


def mask_data(real: str | Mapping[str, Any]) -> MaskData:
    """Where the real pictures are: a folder with images/ and masks/, a model recipe whose `data` say it, or those.

    Raises:
        UsageError: it is neither.
    """
    if not isinstance(real, str):
        return MaskData.model_validate(dict(real))
    if Path(real).suffix in (".yaml", ".yml"):
        found, _ = recipe.read(real)
        settings = found.trainer.settings if isinstance(found, ModelRecipe) else {}
        if "data" not in settings or "objects" not in settings["data"]:
            raise UsageError(f"{real}: must be the recipe of a model that is trained on pictures with masks")
        return MaskData.model_validate(settings["data"])
    return MaskData(path=real)


def read_test(data: MaskData, test: str | None) -> Examples:
    """Real test pictures: the test split of `data`, or those of `test`, which a recipe describes or is like `data`.

    Raises:
        DataError: there are none, or they cannot be used.
    """
    if test is None:
        try:
            return reader.read(data, "test")
        except DataError as error:
            raise DataError(f"{error}, or name the test pictures with --test") from None
    is_recipe = Path(test).suffix in (".yaml", ".yml")
    return reader.read_test(mask_data(test) if is_recipe else data.model_copy(update={"path": test}))


def from_dataset(folder: str, split: str, segmentation: str, allow_incomplete: bool = False) -> Examples:
    """Pictures and maps of a rendered dataset, as real ones are read."""
    dataset = loading.load(folder, split=None if split == "all" else split, allow_incomplete=allow_incomplete)
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
    """The measures on each class of picture, 0 to 1.

    dice, AJI, PQ: means over pictures. mIoU: mean over background and objects of the IoU of all pixels.
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
    """IoU of object and of background pixels over all pictures together, their mean."""
    ratios = []
    for ground in (False, True):
        shared = sum(int((((m.intended > 0) != ground) & ((m.found > 0) != ground)).sum()) for m in matches)
        joined = sum(int((((m.intended > 0) != ground) | ((m.found > 0) != ground)).sum()) for m in matches)
        ratios.append(shared / max(joined, 1))
    return float(np.mean(ratios))


def agreement_with(judge: str, synthetic: Examples, real_test: Examples) -> Mapping[str, Any]:
    """Mean matched IoU of the masks with those of a segmenter that took no part, and the same on real pairs."""
    from synthgen.models import registry

    place = folders.resolve(judge)
    folders.check_class(place, judge, "Segmenter", "segmenter")
    model = registry.load_network(place, "cpu")
    found = {}
    for name, examples in (("synthetic", synthetic), ("real test", real_test)):
        for label, group in enumerate(examples.classes):
            items = [item for item in examples.items if item.label == label]
            if items:
                scores = [match(model, item).mean_iou for item in items]
                found[f"{name}, {group}"] = round(float(np.mean(scores)), 4)
    return found
