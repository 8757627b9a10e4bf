"""Models of the transformers library: by local folder, or by hub id with a commit. Safetensors only, no remote code."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import ModelError
from synthgen.models import folders
from synthgen.protocols import Source

_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})")
INSTALL = "pip install 'synthgen[foundation]'"


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
    """What `name` refers to: a folder with a config.json of the type `model_type`, or `owner/name@commit`.

    Raises:
        ModelError: it is neither; a hub id needs a commit, so that the same weights are found again.
    """
    if Path(name).is_dir():
        found = folders.read_index(Path(name)).get("model_type")
        if found != model_type:
            raise ModelError(f"{name} holds a model of the type {found}; {model_type} is needed here")
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
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise ModelError(f"{reference.name} needs the package transformers; install it: {INSTALL}") from error
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    loaded = []
    for name in classes:
        options: dict[str, Any] = {"revision": reference.revision or "main"}  # remote code is off unless asked for
        if not name.endswith("Processor"):
            options["use_safetensors"] = True
        try:
            loaded.append(getattr(transformers, name).from_pretrained(reference.place, **options))
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"{reference.name} cannot be loaded as a {name}: {str(error).splitlines()[0]}; for a model of the hub, "
                "accept its licence there, log in with `hf auth login`, or download it and name the folder"
            ) from error
    return [part.eval() if hasattr(part, "eval") else part for part in loaded]
