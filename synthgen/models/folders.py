"""Model folders as files: finding one by name, reading its configuration, hashing its weights. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from synthgen.errors import ModelError
from synthgen.fields import Field, Label
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown

STARTERS = Path(__file__).parent / "starters"
PREFIX = "starter/"
INDEXES = ("model_index.json", "config.json")
"""Files that tell what a folder holds: a pipeline, or a single network."""


_STAND_INS: dict[str, Path] = {}


@contextmanager
def standing_in(name: str, folder: Path) -> Iterator[None]:
    """Inside, the folder is found by `name`: parts that are made then call the model so, wherever it is."""
    _STAND_INS[name] = folder
    try:
        yield
    finally:
        del _STAND_INS[name]


def list_starters() -> list[str]:
    """Names of the models that ship with synthgen, such as `starter/fashion-mnist`."""
    if not STARTERS.is_dir():
        return []
    return sorted(PREFIX + path.name for path in STARTERS.iterdir() if _index_path(path))


def resolve(name: str) -> Path:
    """The folder of `starter/<name>`, or of a local path.

    Raises:
        ModelError: there is no such folder, or it holds no model.
    """
    folder = STARTERS / name.removeprefix(PREFIX) if name.startswith(PREFIX) else _STAND_INS.get(name, Path(name))
    if name.startswith(PREFIX) and name not in list_starters():
        raise ModelError(f"no starter is called {name}; there are {', '.join(list_starters()) or 'none'}")
    if not folder.is_dir():
        near = [
            known for known in (PREFIX + name, f"models/{name}") if known in list_starters() or Path(known).is_dir()
        ]
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ModelError(
            f"model folder {name} does not exist{meant}; `synthgen train` makes one, and {', '.join(list_starters())} "
            "come with synthgen"
        )
    if _index_path(folder) is None:
        raise ModelError(f"{name} has neither a model_index.json nor a config.json; it is no diffusers folder")
    return folder


def read_index(folder: Path) -> dict[str, Any]:
    """The folder's model_index.json (a pipeline) or config.json (a single network).

    Raises:
        ModelError: it is missing or no JSON object.
    """
    path = _index_path(folder)
    if path is None:
        raise ModelError(f"{folder} has neither a model_index.json nor a config.json")
    return read_json(path)


def check_class(folder: Path, name: str, wanted: str | Sequence[str], trainer: str) -> dict[str, Any]:
    """The folder's index, if it holds a model of the class `wanted`, or of one of those.

    Raises:
        ModelError: it holds another one; says which `trainer.use` makes the right one.
    """
    index = read_index(folder)
    classes = [wanted] if isinstance(wanted, str) else list(wanted)
    if index.get("_class_name") not in classes:
        raise ModelError(
            f"{name} holds a {index.get('_class_name')}; a {' or '.join(classes)} is needed here, which `synthgen "
            f"train` makes with `trainer.use: {trainer}`"
        )
    return index


def image_shape(folder: Path, index: Mapping[str, Any]) -> tuple[int, int, int]:
    """Height, width and channels of the images that a pipeline around a UNet, or a classifier, generates or sees.

    Args:
        index: of a class-conditional pipeline, a feature classifier or an image classifier.
    """
    if "resolution" in index:
        return int(index["resolution"]), int(index["resolution"]), int(index["channels"])
    unet, patch = component_config(folder, "unet"), int(index["patch_size"])
    side = unet["sample_size"]
    height, width = (side, side) if isinstance(side, int) else side
    return height * patch, width * patch, int(unet["in_channels"]) // patch**2


def names_in_order(index: Mapping[str, Any]) -> list[str]:
    """The class names in an index's `id2label`, in id order."""
    return [name for _, name in sorted((int(i), name) for i, name in index["id2label"].items())]


def class_ids(index: Mapping[str, Any], label: Field | None, model: str) -> tuple[list[int] | None, list[Problem]]:
    """The model's ids of a condition's classes, by name, and what is wrong.

    None if the model knows one class, whatever the condition calls it, if anything.
    """
    names = names_in_order(index)
    if not isinstance(label, Label):
        needed = Problem("needs a condition with classes, such as `use: classes`", ("label", "condition.label"))
        return None, [] if len(names) == 1 else [needed]
    if names == ["series"] and len(label.classes) == 1:
        return None, []
    missing = [name for name in label.classes if name not in names]
    problems = [Problem(f"model {model}: {unknown(name, names, 'class')}") for name in missing]
    return [names.index(name) for name in label.classes if name in names], problems


def component_config(folder: Path, name: str) -> dict[str, Any]:
    """The configuration of one component of a pipeline, such as `unet`. Raises ModelError if it is missing."""
    return read_json(folder / name / "config.json")


def weights_sha256(folder: Path) -> str:
    """sha256 over the names and bytes of all weights and configurations: what the model computes, not its card."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".safetensors", ".json") and p.is_file())
    paths = [path for path in paths if "training" not in path.relative_to(folder).parts]
    stats = tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths)
    return _hash(folder, stats)


@cache
def _hash(folder: Path, stats: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, size, _ in stats:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 of one file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(folder: Path) -> dict[str, Any]:
    """The front matter of the model card: license, datasets and so on; empty if there is no card."""
    import yaml

    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    parts = text.split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        return {}
    found = yaml.safe_load(parts[1])
    return found if isinstance(found, dict) else {}


def source(name: str) -> Source:
    """What a dataset that was generated with this model owes it: its name, hash and licence."""
    folder = resolve(name)
    card = read_card(folder)
    return Source(
        kind="model",
        name=name if name.startswith(PREFIX) else folder.name,
        sha256=weights_sha256(folder),
        licence=str(card.get("license", "unknown")),
        details={"datasets": card["datasets"]} if card.get("datasets") else {},
    )


def _index_path(folder: Path) -> Path | None:
    for name in INDEXES:
        if (folder / name).is_file():
            return folder / name
    return None


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model folder.

    Raises:
        ModelError: the file is missing, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; the model folder is incomplete") from None
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path} must hold a JSON object")
    return found
