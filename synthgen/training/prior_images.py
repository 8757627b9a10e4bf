"""Images that a model generates before its training: generated once, kept in the work folder, the same every time."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.training.monitor import grid, save_png

N_SHOWN = 64


def kept(
    folder: Path, facts: Mapping[str, Any], n: int, n_together: int, draw: Callable[[range], np.ndarray]
) -> np.ndarray:
    """What `draw` makes of the numbers 0 .. n - 1, (n, ...), from `folder` as far as it is there.

    They are generated `n_together` at a time, and each such piece is written as one file in one rename, so
    that a training that was killed generates no piece twice. A folder that was generated with other `facts`
    is generated again. `drawn.png` shows the first images.
    """
    text = json.dumps(facts, sort_keys=True)
    known = folder / "facts.json"
    if folder.is_dir() and not (known.is_file() and known.read_text(encoding="utf-8") == text):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    known.write_text(text, encoding="utf-8")
    pieces = []
    for first in range(0, n, n_together):
        path = folder / f"piece-{first:06d}.npy"
        if not path.is_file():
            temporary = path.with_suffix(".part")
            with open(temporary, "wb") as file:
                np.save(file, draw(range(first, min(first + n_together, n))), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        pieces.append(np.load(path, allow_pickle=False))
    found = np.concatenate(pieces)
    if found.dtype == np.uint8 and not (folder / "drawn.png").exists():
        shown = found[:N_SHOWN]
        save_png(grid(shown, 8), folder / "drawn.png", scale=max(1, 64 // shown.shape[1]))
    return found
