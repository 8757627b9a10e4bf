"""synthgen: task-specific labelled datasets, drawn by diffusion models from one recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgen.api import run, train
    from synthgen.dataset.loading import collate, load

__version__ = "0.1.0"
__all__ = ["__version__", "collate", "load", "run", "train"]

_HOMES = {
    "run": "synthgen.api",
    "train": "synthgen.api",
    "load": "synthgen.dataset.loading",
    "collate": "synthgen.dataset.loading",
}


def __getattr__(name: str) -> Any:
    """The Python API, imported on first use so that the command line starts at once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'synthgen' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
