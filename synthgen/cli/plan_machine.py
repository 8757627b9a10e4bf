"""What a recipe asks of the machine, and what this one has: its GPU, and models that must be downloaded first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthgen.base.environment import gpus
from synthgen.cli import formatting

HUB_NAME = re.compile(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})")


def describe(settings: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """As JSON values; asks no network.

    Args:
        settings: those of the recipe's parts; the largest `gpu_memory_gb` of them counts.
        names: of the models that it stands on; those that are `owner/name@commit` come from a hub.
    """
    needed = max((float(each.get("gpu_memory_gb") or 0) for each in settings), default=0.0)
    hub = [match for name in dict.fromkeys(names) if (match := HUB_NAME.fullmatch(name))]
    downloads = [
        {"model": match[1], "revision": match[2], "cached_bytes": cached_bytes(match[1], match[2])} for match in hub
    ]
    found = [{"name": name, "memory_gb": round(memory, 1)} for name, memory in gpus()] if needed or hub else []
    return {"gpu_memory_gb": needed, "gpus": found, "downloads": downloads}


def cached_bytes(place: str, revision: str) -> int | None:
    """What the hub's cache on this machine holds of a commit; None if nothing."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE, f"models--{place.replace('/', '--')}", "snapshots", revision)
    found = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(found) if found else None


def rows(facts: Mapping[str, Any], command: str) -> list[tuple[str, str]]:
    """The same as rows of a table; none for a recipe that needs neither. `command` is what would use the GPU."""
    found = []
    if facts["gpu_memory_gb"] or facts["downloads"]:
        found.append(("gpu", _gpu(facts["gpus"], facts["gpu_memory_gb"], command)))
    for each in facts["downloads"]:
        name = f"{each['model']}, commit {each['revision'][:16]}"
        if each["cached_bytes"] is None:
            found.append(("download", f"{name}: not in this machine's cache; its size is known to the hub alone"))
        else:
            found.append(("cached", f"{name}: {formatting.size(each['cached_bytes'])} are in this machine's cache"))
    return found


def _gpu(here: Sequence[Mapping[str, Any]], needed: float, command: str) -> str:
    shown = ", ".join(f"{gpu['name']} with {gpu['memory_gb']:g} GB" for gpu in here)
    if not needed:
        return shown or f"none on this machine, so `{command}` would use the CPU"
    asked = f"{needed:g} GB are asked for (`gpu_memory_gb`, an estimate)"
    if not here:
        return f"none on this machine, and {asked}: `{command}` would refuse; `--smoke` tries the recipe without"
    enough = max(gpu["memory_gb"] for gpu in here) >= 0.97 * needed
    return f"{shown}; {asked}" + ("" if enough else f": `{command}` would refuse")
