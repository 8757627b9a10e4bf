"""HF segmentation: Parquet files with `image` and `label`, as the segmentation examples of transformers read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from synthgen.exporters.class_maps import ClassMapExporter, zero_based
from synthgen.exporters.scene import Scenes
from synthgen.fields import Image

ROWS = 100
"""Of a row group, which is in memory while it is written."""


class HfSegmentation(ClassMapExporter):
    """A Parquet file for each split, with the images as they are stored and maps with classes from id 0.

    255 is unknown. Background, where any pixel of the dataset is, is class 0; else the first class is: labels are not
    to be reduced (`do_reduce_labels=False`). `id2label.json` names the classes; the column `label` has the same text in
    its metadata, because features of `datasets` name no classes of pixels.
    """

    description: ClassVar[str] = (
        "data/<split>-*.parquet with `image` and `label` (ids from 0, 255 ignored) for `datasets`, and id2label.json"
    )

    def write(self, scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        scenes.require_class_maps("The Parquet")
        ids = zero_based(scenes)
        kind = Image(scenes.height, scenes.width, 1)
        id2label = json.dumps({str(i): name for i, name in enumerate(ids.names)}, ensure_ascii=False, indent=1)
        features = {name: kind.hf_feature() for name in ("image", "label")}
        schema = pa.schema(
            [pa.field("image", kind.arrow()), pa.field("label", kind.arrow(), metadata={"id2label": id2label})],
            metadata={"huggingface": json.dumps({"info": {"features": features}})},
        )
        (out / "data").mkdir()
        (out / "id2label.json").write_text(id2label + "\n", encoding="utf-8")
        with ExitStack() as stack:
            writers = {
                split: stack.enter_context(
                    pq.ParquetWriter(out / "data" / f"{split}-00000-of-00001.parquet", schema, compression="zstd")
                )
                for split in scenes.splits
            }
            waiting: dict[str, list[dict[str, Any]]] = {split: [] for split in scenes.splits}

            def flush(split: str) -> None:
                writers[split].write_table(pa.Table.from_pylist(waiting[split], schema))
                waiting[split].clear()

            for scene in scenes:
                assert scene.segmentation is not None
                image = {"bytes": scene.picture, "path": f"{scene.key}.{scenes.suffix}"}
                label = {"bytes": ids.png(scene.segmentation), "path": f"{scene.key}.png"}
                waiting[scene.split].append({"image": image, "label": label})
                if len(waiting[scene.split]) == ROWS:
                    flush(scene.split)
                tick(1)
            for split in scenes.splits:
                if waiting[split]:
                    flush(split)
        return [ids.note]
