"""Which class a model folder is loaded with. The names on the left are written into saved models: never rename them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.errors import ModelError
from synthgen.models import folders, whole
from synthgen.models.finite import check_weights

PIPELINES: Mapping[str, str] = {
    "ClassConditionalPipeline": "synthgen.models.images.class_conditional",
    "LayoutPipeline": "synthgen.models.images.layout_pipeline",
    "LayoutToImagePipeline": "synthgen.models.images.layout_to_image",
    "SeriesPipeline": "synthgen.models.series.pipeline",
}
NETWORKS: Mapping[str, str] = {
    "Detector": "synthgen.models.images.detector",
    "ImageClassifier": "synthgen.models.images.classifier",
    "Segmenter": "synthgen.models.images.segmenter",
    "SegmentAnything": "synthgen.models.segment_anything.network",
}


def load_pipeline(folder: Path, device: str, dtype: Any) -> Any:
    """The diffusion pipeline in `folder`, on `device`, in evaluation mode.

    diffusers finds only its own pipeline classes by name, and loads others by running code that
    stands beside the weights; here the class comes from the table above and from nowhere else.

    Raises:
        ModelError: the folder holds another kind of model, its files cannot be read, or weights are missing, left over
            or not finite.
    """
    name = _class_name(folder, PIPELINES, "pipeline")
    pipeline = _load(PIPELINES, name, folder).to(device, dtype)
    check_weights(str(folder), pipeline)  # once more: one that is too large for the number format is infinite now
    for component in pipeline.components.values():
        if hasattr(component, "eval"):
            component.eval()
    return pipeline


def load_network(folder: Path, device: str) -> Any:
    """The single network in `folder` (a classifier, for instance), on `device`, in evaluation mode.

    Raises:
        ModelError: as for `load_pipeline`.
    """
    name = _class_name(folder, NETWORKS, "network")
    return _load(NETWORKS, name, folder).to(device).eval()


def _class_name(folder: Path, table: Mapping[str, str], kind: str) -> str:
    name = str(folders.read_index(folder).get("_class_name"))
    if name not in table:
        raise ModelError(f"{folder} holds a {name}, which is no {kind} that synthgen loads; known: {', '.join(table)}")
    return name


def _load(table: Mapping[str, str], name: str, folder: Path) -> Any:
    from synthgen.models.quiet import quiet

    quiet()
    cls = getattr(importlib.import_module(table[name]), name)
    try:
        if table is NETWORKS:
            return whole.load_network(cls, folder, str(folder))
        networks = whole.load_networks(folder, str(folder))
        return cls.from_pretrained(str(folder), local_files_only=True, use_safetensors=True, **networks)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder} cannot be loaded as a {name}: {error}") from error
