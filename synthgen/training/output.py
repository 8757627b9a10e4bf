"""The finished model folder: written beside its place, then moved there in one step, with its card."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthgen.realdata.labelled import DataConfig, LabelledImages
from synthgen.realdata.masks import Examples, MaskData

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
        for path in temporary.rglob("*.safetensors"):  # which safetensors lets only its owner read
            shutil.copymode(temporary / "README.md", path)
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
    """The model card of what was trained on labelled images."""
    counts = {name: int((images.labels == i).sum()) for i, name in enumerate(images.classes)}
    height, width, channels = images.images.shape[1:]
    text = f"{len(images.labels)} images of {width} x {height}, {'grey' if channels == 1 else 'RGB'}"
    front = {"classes": list(images.classes), "resolution": int(width), "channels": int(channels)}
    limits = f"It knows these {len(images.classes)} classes at this size and nothing else"
    return _card(title, data, front, f"{text}%s By class: {_counts(counts)}.", settings, scores, use, limits)


def mask_card(
    title: str, data: MaskData, examples: Examples, settings: Mapping[str, Any], scores: Mapping[str, Any], use: str
) -> str:
    """The model card of what was trained on images with masks or boxes."""
    counts = {name: sum(item.label == i for item in examples.items) for i, name in enumerate(examples.classes)}
    n_objects = sum(item.n_objects for item in examples.items)
    front = {"classes": list(examples.classes), "objects": list(examples.objects), "channels": 3}
    text = f"{len(examples)} images with {n_objects} objects ({', '.join(examples.objects)})"
    limits = "It knows objects and pictures of this kind, at about this scale, and nothing else"
    return _card(title, data, front, f"{text}%s By class: {_counts(counts)}.", settings, scores, use, limits)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def _card(
    title: str,
    data: DataConfig | MaskData,
    more: Mapping[str, Any],
    data_text: str,
    settings: Mapping[str, Any],
    scores: Mapping[str, Any],
    use: str,
    limits: str,
) -> str:
    """Front matter for machines, then what it was made from and how well it does."""
    import yaml

    name = data.source or Path(data.path).name
    front = {"license": data.licence, "datasets": [name], "library_name": "diffusers", "tags": ["synthgen"], **more}
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
        data_text % f", of {name} (licence: {data.licence}); training split only.",
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
        f"{limits}, and repeats whatever is missing, rare or wrong in its training data.",
        "",
    ]
    return "\n".join(lines)
