"""Models of other libraries: by local folder, or by hub id with a commit. Safetensors only, no remote code."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import ModelError
from synthgen.models import folders
from synthgen.models.quiet import quiet
from synthgen.protocols import Source

_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})")
INSTALL = "pip install 'synthgen[foundation]'"
_WAYS_OUT = (
    "; for a model of the hub, accept its licence there, log in with `hf auth login`, "
    "or download it and name the folder"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A model's name as a recipe states it, and what it stands for; nothing is loaded or fetched.

    `revision` is None for a local folder.
    """

    name: str
    place: str
    revision: str | None

    @property
    def source(self) -> Source:
        if self.revision is None:
            licence = str(folders.read_card(Path(self.place)).get("license", "unknown"))
            return Source("model", Path(self.place).resolve().name, folders.weights_sha256(Path(self.place)), licence)
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return Source("model", self.name, digest, "see the hub", {"revision": self.revision})


def reference(name: str, model_type: str) -> Reference:
    """What `name` refers to: a folder of transformers with a model of the type `model_type`, or `owner/name@commit`.

    Raises:
        ModelError: it is neither; a hub id needs a commit, so that the same weights are found again.
    """
    found = _reference(name)
    if found.revision is None:
        kind = folders.read_index(Path(name)).get("model_type")
        if kind != model_type:
            raise ModelError(f"{name} holds a model of the type {kind}; {model_type} is needed here")
    return found


def pipeline_reference(name: str) -> Reference:
    """What `name` refers to: a folder with a pipeline of diffusers, or `owner/name@commit`.

    Raises:
        ModelError: it is neither, or its pipeline is incomplete.
    """
    found = _reference(name)
    if found.revision is None and not (Path(name) / "model_index.json").is_file():
        raise ModelError(f"{name} has no model_index.json; a folder with a whole pipeline of diffusers is needed here")
    return found


def _reference(name: str) -> Reference:
    if Path(name).is_dir():
        return Reference(name, name, None)
    match = _HUB_ID.fullmatch(name)
    if match is None:
        raise ModelError(
            f"{name} is neither a folder nor a hub id with a commit, such as owner/name@ and 40 hexadecimal digits "
            "(on the hub: Files, History)"
        )
    return Reference(name, match[1], match[2])


def load(reference: Reference, *classes: str) -> list[Any]:
    """Objects of the named transformers classes, loaded from one reference; models in evaluation mode on the CPU.

    Raises:
        ModelError: transformers is missing; the files are not there, cannot be fetched, or are no safetensors.
    """
    transformers = _transformers(reference)
    quiet()
    loaded = []
    for name in classes:
        options: dict[str, Any] = {"revision": reference.revision or "main"}  # remote code is off unless asked for
        if not name.endswith("Processor"):
            options["use_safetensors"] = True
        try:
            loaded.append(getattr(transformers, name).from_pretrained(reference.place, **options))
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"{reference.name} cannot be loaded as a {name}: {str(error).splitlines()[0]}{_WAYS_OUT}"
            ) from error
    return [part.eval() if hasattr(part, "eval") else part for part in loaded]


def load_pipeline(reference: Reference, task: str, dtype: Any, device: str, **without: None) -> Any:
    """The pipeline that diffusers' `AutoPipelineFor<task>` makes of a reference, on `device`.

    `without` names components that are left out.

    Raises:
        ModelError: transformers is missing; the files are not there, cannot be fetched, are no safetensors, or are
            a pipeline for something else.
    """
    import diffusers

    _transformers(reference)
    quiet()
    auto = getattr(diffusers, f"AutoPipelineFor{task}")
    options = {"revision": reference.revision or "main", "use_safetensors": True, "dtype": dtype, **without}
    try:
        pipeline = auto.from_pretrained(reference.place, **options)
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise ModelError(
            f"{reference.name} cannot be loaded for {task}: {str(error).splitlines()[0]}{_WAYS_OUT}"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _transformers(reference: Reference) -> Any:
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise ModelError(f"{reference.name} needs the package transformers; install it: {INSTALL}") from error
    return transformers
