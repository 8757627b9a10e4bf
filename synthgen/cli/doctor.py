"""`synthgen doctor`: what hardware and packages were found."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

from synthgen import __version__
from synthgen.base import environment
from synthgen.cli import formatting, options
from synthgen.errors import SynthgenError
from synthgen.models import folders

State = Literal["ok", "note", "broken"]
MIN_PYTHON = (3, 11)
MIN_MEMORY, MIN_DISK = 2e9, 1e9
BENCH = 16
REQUIRED = (
    *("torch", "torchvision", "diffusers", "segment-anything", "safetensors", "numpy", "scikit-learn", "scikit-image"),
    *("pillow", "pyarrow", "pydantic", "webdataset", "pycocotools"),
)
OPTIONAL = {
    "ray": ("ray", "running on a cluster: --executor ray"),
    "datasets": ("datasets", "loading the output with Hugging Face datasets"),
    "tensorboard": ("tensorboard", "curves of a training"),
}
"""Module, package to install, and what it is for."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. `broken` means that something synthgen needs does not work."""

    name: str
    state: State
    text: str


@click.command("doctor")
@click.option("--bench", is_flag=True, help="Also draw a batch with a starter and show images a second.")
@options.json_option
def command(bench: bool, as_json: bool) -> int:
    """Show what was found: Python, cores, memory, disk, GPU, packages, the models that come along.

    Exits with 1 only if something that synthgen needs is broken; a missing GPU or an optional
    package is just a note.
    """
    checks = [*machine(), *packages(), device(), *starters()]
    if bench:
        checks.append(timing())
    broken = any(check.state == "broken" for check in checks)
    if as_json:
        click.echo(json.dumps({"ok": not broken, "checks": [asdict(check) for check in checks]}, indent=1))
    else:
        marks = {"ok": "ok", "note": "--", "broken": "BROKEN"}
        click.echo(formatting.columns([(marks[check.state], check.name, check.text) for check in checks]))
        click.echo(
            "\nsomething that synthgen needs is broken" if broken else "\neverything that synthgen needs is here"
        )
    return 1 if broken else 0


def machine() -> Iterator[Check]:
    """Python, system, cores, memory, disk."""
    version = platform.python_version()
    fine = sys.version_info[:2] >= MIN_PYTHON
    yield Check("python", "ok" if fine else "broken", version if fine else f"{version}; 3.11 or newer is needed")
    flags = ", ".join(environment.cpu_flags())
    tested = platform.system() == "Linux"
    system = f"{platform.system()} {platform.release()} on {platform.machine()}" + (f" ({flags})" if flags else "")
    yield Check("system", "ok" if tested else "note", system + ("" if tested else "; tested on Linux only"))
    yield Check("cores", "ok", f"{environment.usable_cores()} of {os.cpu_count()} can be used")
    memory = memory_bytes()
    if memory is not None:
        text = formatting.size(memory) + ("" if memory >= MIN_MEMORY else "; 2 GB or more are better")
        yield Check("memory", "ok" if memory >= MIN_MEMORY else "note", text)
    free = shutil.disk_usage(Path.cwd()).free
    yield Check("disk", "ok" if free >= MIN_DISK else "note", f"{formatting.size(free)} free in this folder")


def memory_bytes() -> int | None:
    """Memory of the machine, or of the container if that is less; None if the system does not tell."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return total
    return min(total, limit)


def packages() -> Iterator[Check]:
    """Versions of what is required and of what is optional."""
    yield Check("synthgen", "ok", __version__)
    for name in REQUIRED:
        version = environment.version(name)
        missing = f"is not installed; install it with: pip install {name}"
        yield Check(name, "ok" if version else "broken", version or missing)
    for module, (name, purpose) in OPTIONAL.items():
        if importlib.util.find_spec(module):
            yield Check(name, "ok", environment.version(name))
        else:
            yield Check(name, "note", f"not installed; for {purpose}: pip install {name}")


def device() -> Check:
    """The GPU that torch can use, or why there is none."""
    try:
        import torch
    except ImportError as error:
        return Check("device", "broken", f"torch cannot be imported: {error}")
    if torch.cuda.is_available():
        names = []
        for i in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(i)
            names.append(f"{facts.name} ({formatting.size(facts.total_memory)})")
        return Check("device", "ok", f"cuda: {', '.join(names)}")
    if torch.version.cuda is None:
        why = "this torch was built for CPUs only"
    elif not Path("/proc/driver/nvidia").exists():
        why = "no NVIDIA driver was found"
    else:
        why = "the NVIDIA driver is there, but torch cannot use it; it may be too old for this torch"
    return Check("device", "note", f"cpu: {why}")


def starters() -> Iterator[Check]:
    """Whether the files of the models that come with synthgen can be read; --bench also runs one."""
    names = folders.list_starters()
    if not names:
        yield Check("starters", "note", "none is installed")
    for name in names:
        try:
            n_tensors = count_tensors(folders.resolve(name))
            yield Check(name, "ok", f"{n_tensors} tensors, sha256 {folders.source(name).sha256[:16]}")
        except (SynthgenError, OSError, ValueError, ImportError) as error:
            yield Check(name, "broken", f"cannot be read: {error}")


def count_tensors(folder: Path) -> int:
    """Tensors in the weight files of a model; safetensors checks each file's length against its header.

    Raises:
        ValueError: a file is damaged, or there is none.
    """
    from safetensors import SafetensorError, safe_open

    paths = sorted(folder.rglob("*.safetensors"))
    if not paths:
        raise ValueError(f"{folder} holds no weights")
    n_tensors = 0
    for path in paths:
        try:
            with safe_open(path, framework="numpy") as file:
                n_tensors += len(file.keys())
        except SafetensorError as error:
            raise ValueError(f"{path}: {error}") from None
    return n_tensors


def timing() -> Check:
    """Images a second of the first starter that generates: one batch after a first one for warming up."""
    from synthgen.generate.plan import build
    from synthgen.parts.registry import Plugins
    from synthgen.recipe.recipe import DatasetRecipe
    from synthgen.report import preview

    drawing = [n for n in folders.list_starters() if (folders.resolve(n) / "model_index.json").is_file()]
    if not drawing:
        return Check("speed", "note", "no starter generates images")
    environment.use_one_thread()
    classes = list(folders.read_index(folders.resolve(drawing[0]))["id2label"].values())
    recipe = {
        "kind": "dataset",
        "name": "bench",
        "samples": BENCH,
        "batch_size": BENCH,
        "condition": {"use": "classes", "quotas": dict.fromkeys(classes, 1)},
        "sampler": {"use": "class-conditional", "model": drawing[0]},
    }
    plan = build(DatasetRecipe.model_validate(recipe), Plugins())
    place = environment.choose_device("auto")
    slots = preview.choose_slots(plan, BENCH)
    preview.draw_first_tries(plan, slots, place)
    drawn = preview.draw_first_tries(plan, slots, place)
    where = "one core" if place == "cpu" else environment.device_name(place)
    text = f"{1 / drawn.seconds_each:.1f} images/s on {where} ({drawing[0]}, batch {BENCH}, 18 steps)"
    return Check("speed", "ok", text)
