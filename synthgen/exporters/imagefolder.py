"""Image folders: pictures by split and class, as torchvision's ImageFolder and HF's imagefolder read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthgen.exporters.scene import Scenes

DESCRIPTION = "<split>/<class>/ of pictures, or <split>/ for datasets without classes"


def export(scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
    """Writes everything into `out`. Signs that file names cannot hold become `-` in the names of folders."""
    folders = [re.sub(r"[^\w.() -]", "-", name) for name in scenes.classes]
    for split in scenes.splits:
        for folder in folders or ["."]:
            (out / split / folder).mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        place = out / scene.split / (folders[scene.label] if scene.label is not None else ".")
        (place / f"{scene.key}.{scenes.suffix}").write_bytes(scene.picture)
        tick(1)
    return []
