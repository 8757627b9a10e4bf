"""The finished model folder: written beside its place, then moved there in one step, with its card."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthgen.training.data import DataConfig, LabelledImages

WORK = "training"


def work_folder(out: Path) -> Path:
    """Where a training keeps checkpoints, pictures and logs: `<out>/training`, which stays there."""
    return out / WORK


def finish(out: Path, save: Callable[[Path], Any], card: str) -> Path:
    """Moves what `save` writes into `out`, the index last: a folder with an index is complete."""
    temporary = out / f".{uuid.uuid4().hex}"
    temporary.mkdir(parents=True)
    try:
        save(temporary)
        (temporary / "README.md").write_text(card, encoding="utf-8")
        names = sorted(temporary.iterdir(), key=lambda path: path.name in ("model_index.json", "config.json"))
        for path in names:
            target = out / path.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(path, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


def card(
    title: str,
    data: DataConfig,
    images: LabelledImages,
    settings: Mapping[str, Any],
    scores: Mapping[str, Any],
    use: str,
) -> str:
    """A model card: front matter for machines, then what it was made from and how well it does."""
    import yaml

    counts = {name: int((images.labels == i).sum()) for i, name in enumerate(images.classes)}
    height, width, channels = images.images.shape[1:]
    front = {
        "license": data.licence,
        "datasets": [data.source or Path(data.path).name],
        "library_name": "diffusers",
        "tags": ["synthgen"],
        "classes": list(images.classes),
        "resolution": int(width),
        "channels": int(channels),
    }
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=False, allow_unicode=True).strip(),
        "---",
        f"# {title}",
        "",
        use,
        "",
        "## Data",
        "",
        f"{len(images.labels)} images of {width} x {height}, {'grey' if channels == 1 else 'RGB'}, "
        f"of {data.source or Path(data.path).name} (licence: {data.licence}); training split only. By class: "
        + ", ".join(f"{name} {n}" for name, n in counts.items())
        + ".",
        "",
        "## Training",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in settings.items()),
        "",
        "## Scores on held-out images of the training split",
        "",
        "| measure | value |",
        "|---|---|",
        *(f"| {key} | {value:.4g} |" for key, value in scores.items()),
        "",
        "## Limits",
        "",
        f"It knows these {len(images.classes)} classes at this size and nothing else, and repeats whatever is missing, "
        "rare or wrong in its training data.",
        "",
    ]
    return "\n".join(lines)
