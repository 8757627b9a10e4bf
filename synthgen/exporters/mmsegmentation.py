"""MMSegmentation: images and class maps by split, and a config file of the dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from synthgen.exporters.class_maps import ClassMapExporter, zero_based
from synthgen.exporters.scene import Scenes

CONFIG = '''\
"""Classes and data loaders, for MMSegmentation 1: a config names this file in `_base_`."""

METAINFO = dict(
    classes={classes},
    palette={palette},
)

dataset_type = "BaseSegDataset"
data_root = "{{{{ fileDirname }}}}"  # the folder of this file
num_classes = {n_classes}  # for the heads of the model

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
{loaders}
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator
'''

LOADER = """
{name}_dataloader = dict(
    batch_size={batch_size},
    num_workers=2,
    persistent_workers=True,
    sampler=dict({sampler}),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        metainfo=METAINFO,
        data_prefix=dict(img_path="img_dir/{split}", seg_map_path="ann_dir/{split}"),
        img_suffix=".{suffix}",
        seg_map_suffix=".png",
        reduce_zero_label=False,
        pipeline={pipeline}_pipeline,
    ),
)
"""


class MMSegmentation(ClassMapExporter):
    """Images as they are stored, maps with classes from id 0 and 255 for unknown, and `synthgen_dataset.py`.

    Background, where any pixel of the dataset is, is class 0; else the first class is. A split that is missing is
    another one in the config.
    """

    description: ClassVar[str] = (
        "img_dir/<split>/ and ann_dir/<split>/ (ids from 0, 255 ignored), and synthgen_dataset.py, a config with "
        "classes, palette and data loaders"
    )

    def write(self, scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
        scenes.require_class_maps("MMSegmentation")
        ids = zero_based(scenes)
        for split in scenes.splits:
            for folder in ("img_dir", "ann_dir"):
                (out / folder / split).mkdir(parents=True)
        for scene in scenes:
            assert scene.segmentation is not None
            (out / "img_dir" / scene.split / f"{scene.key}.{scenes.suffix}").write_bytes(scene.picture)
            (out / "ann_dir" / scene.split / f"{scene.key}.png").write_bytes(ids.png(scene.segmentation))
            tick(1)
        loaders, notes = "", [ids.note]
        for name, stand_ins in (("train", ()), ("val", ("test",)), ("test", ("val",))):
            split = next((each for each in (name, *stand_ins, "train") if each in scenes.splits), scenes.splits[0])
            training = name == "train"
            sampler = 'type="InfiniteSampler", shuffle=True' if training else 'type="DefaultSampler", shuffle=False'
            loaders += LOADER.format(
                name=name,
                split=split,
                suffix=scenes.suffix,
                batch_size=4 if training else 1,
                sampler=sampler,
                pipeline="train" if training else "test",
            )
            if split != name:
                notes.append(f"there is no split `{name}`; synthgen_dataset.py names `{split}` for it")
        palette = [list(colour) for colour in ids.colours]
        text = CONFIG.format(classes=ids.names, palette=palette, n_classes=len(ids.names), loaders=loaders)
        (out / "synthgen_dataset.py").write_text(text, encoding="utf-8")
        return notes
