"""Small real models with random weights: what a recipe or a part needs to run without anybody's weights.

Every kind is made of the library's own classes, saved and loaded as the real thing is; only its
layers are few and narrow, and nothing was learnt. `synthgen run RECIPE --smoke` uses them.
"""

from __future__ import annotations

import importlib
import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from synthgen.errors import ModelError
from synthgen.models import folders
from synthgen.parts.registry import unknown

FOLDER = Path("runs/.smoke")
KINDS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline", "FluxPipeline"),
            *("QwenImagePipeline", "ZImagePipeline"),
        ),
        "synthgen.testing.pipelines",
    ),
    **dict.fromkeys(("StableDiffusionControlNet", "StableDiffusionXLControlNet"), "synthgen.testing.pipelines"),
    **dict.fromkeys(
        (
            *("sam2", "sam3", "sam3_tracker", "clip", "siglip", "owlv2", "grounding-dino"),
            *("depth_anything", "vit", "dinov2"),
        ),
        "synthgen.testing.vision",
    ),
    **dict.fromkeys(("llama", "gemma3_text", "diffusion_gemma", "bert"), "synthgen.testing.language"),
    "pictures": "synthgen.testing.pictures",
}
"""What can be made, and the module whose `MAKERS` makes it: pipelines by their class, others by `model_type`.

`pictures` is no model, but a folder of small images for trainers.
"""

CONTROLNETS: Mapping[str, str] = {
    "StableDiffusionPipeline": "StableDiffusionControlNet",
    "StableDiffusionXLPipeline": "StableDiffusionXLControlNet",
}
"""The small ControlNet for each small pipeline that has one."""
HUB_KINDS: Mapping[str, str] = {
    r"stable-diffusion-xl|sdxl": "StableDiffusionXLPipeline",
    r"stable-diffusion-3": "StableDiffusion3Pipeline",
    r"flux\.1": "FluxPipeline",
    r"qwen-image": "QwenImagePipeline",
    r"z-image": "ZImagePipeline",
    r"": "StableDiffusionPipeline",
}
"""What a model of a hub is most likely to be, by a pattern that its name holds; nothing is asked of the hub."""

CARD = "---\nlicense: cc0-1.0\n---\n# {kind} with random weights\n\nIt has learnt nothing: for trying out recipes.\n"


def make(kind: str, root: str | Path = FOLDER) -> str:
    """The folder `<root>/<kind>` with a small model of that kind; made unless it is there already.

    With equal versions of the libraries behind it, its weights are the same every time.

    Raises:
        ModelError: no such kind; lists those that exist.
    """
    if kind not in KINDS:
        raise ModelError(unknown(kind, KINDS, "kind of small model"))
    target = Path(root) / kind
    if not target.is_dir():
        import torch
        import transformers  # noqa: F401  (so that it is silenced as well)

        from synthgen.models.silence import silence_libraries

        silence_libraries()
        temporary = target.with_name(f".{kind}-{uuid.uuid4().hex}")
        temporary.mkdir(parents=True)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                importlib.import_module(KINDS[kind]).MAKERS[kind](temporary)
            if not (temporary / "README.md").exists():
                (temporary / "README.md").write_text(CARD.format(kind=kind), encoding="utf-8")
            try:
                temporary.rename(target)
            except OSError:  # another process was first; its weights are the same
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return str(target)


def pipeline_kind(model: str) -> str:
    """The kind of small pipeline that stands in for `model`: its own class if it is a folder, else by its name.

    Raises:
        ModelError: it is a folder with a pipeline that none of the small ones is like.
    """
    if not Path(model).is_dir():
        return next(kind for pattern, kind in HUB_KINDS.items() if re.search(pattern, model.lower()))
    kind = str(folders.read_index(Path(model)).get("_class_name"))
    if kind not in KINDS:
        raise ModelError(f"{model}: there is no small model like a {kind}; there are: {', '.join(KINDS)}")
    return kind


def causal_kind(model: str, system: bool = False) -> str:
    """The kind of small causal language model that stands in for `model`, one that takes a system message if asked."""
    kind = str(folders.read_index(Path(model)).get("model_type")) if Path(model).is_dir() else model.lower()
    return "gemma3_text" if "gemma" in kind and not system else "llama"


def diffusion_kind(model: str) -> str:
    """The kind of small language model of diffusion that stands in for `model`."""
    kind = str(folders.read_index(Path(model)).get("model_type")) if Path(model).is_dir() else model.lower()
    return "diffusion_gemma" if "gemma" in kind else "bert"
