"""Which class a model folder is loaded with: a part of the role `pipelines`, called as `_class_name` in its index.

These names are written into saved models: never rename them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthgen.errors import ModelError
from synthgen.models import folders, weights
from synthgen.models.silence import silence_libraries
from synthgen.parts.registry import of_process


def load_pipeline(folder: Path, device: str, dtype: Any) -> Any:
    """The diffusion pipeline in `folder`, on `device`, in evaluation mode.

    diffusers finds only its own pipeline classes by name, and loads others by running code that
    stands beside the weights; here the class is installed, or given with --plugin, and comes from nowhere else.

    Raises:
        ModelError: the folder holds another kind of model, its files cannot be read, or weights are missing, left over
            or not finite.
    """
    pipeline = _load(folder, "pipeline").to(device, dtype)
    weights.check_weights(str(folder), pipeline)  # again: a value too large for the number format is infinite now
    for component in pipeline.components.values():
        if hasattr(component, "eval"):
            component.eval()
    return pipeline


def load_network(folder: Path, device: str) -> Any:
    """The single network in `folder` (a classifier, for instance), on `device`, in evaluation mode.

    Raises:
        ModelError: as for `load_pipeline`.
    """
    return _load(folder, "network").to(device).eval()


def _load(folder: Path, kind: str) -> Any:
    from diffusers import DiffusionPipeline

    silence_libraries()
    name, plugins = str(folders.read_index(folder).get("_class_name")), of_process()
    known = plugins.names("pipelines")
    cls: Any = plugins.find("pipelines", name) if name in known else None
    if cls is None or issubclass(cls, DiffusionPipeline) != (kind == "pipeline"):
        raise ModelError(f"{folder} holds a {name}, which is no {kind} that synthgen loads; known: {', '.join(known)}")
    try:
        if kind == "network":
            return weights.load_network(cls, folder, str(folder))
        networks = weights.load_networks(folder, str(folder))
        return cls.from_pretrained(str(folder), local_files_only=True, use_safetensors=True, **networks)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder} cannot be loaded as a {name}: {error}") from error
