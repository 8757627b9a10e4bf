"""Networks loaded whole and finite: every weight comes from the file, and every tensor of the file is used."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from synthgen.errors import ModelError
from synthgen.models import folders
from synthgen.parts.registry import of_process

UNCHECKED = {"safety_checker"}
"""Components of pipelines that draw nothing."""


def load_network(cls: Any, place: str | Path, label: str, **options: Any) -> Any:
    """`cls.from_pretrained(place)`, a network of diffusers or transformers, on the CPU.

    The libraries only warn of weights that a file lacks, and start them at random. Tensors that the network has no
    place for are an error in diffusers' files only: those of transformers often hold heads for other tasks.

    Args:
        label: what messages call the network.

    Raises:
        ModelError: weights are missing, left over, or not finite; names them.
        Exception: what `from_pretrained` raises.
    """
    made, info = cls.from_pretrained(place, output_loading_info=True, use_safetensors=True, **options)
    missing = {*info.get("missing_keys", ()), *(name for name, weight in made.named_parameters() if weight.is_meta)}
    unused = set() if _of_transformers(type(made)) else set(info.get("unexpected_keys", ()))
    problems = [f"lacks {listed(missing)}"] if missing else []
    problems += [f"holds {listed(unused)}, for which there is no place"] if unused else []
    if problems:
        raise ModelError(
            f"{label}: the file of weights {' and '.join(problems)}; it is damaged, or of another network than its "
            "config.json describes. Take a whole copy"
        )
    check_weights(label, made)
    if hasattr(made, "register_to_config"):
        made.register_to_config(_name_or_path="")  # else what is saved of it would depend on the folders of a machine
    return made


def load_networks(folder: Path, label: str, without: Iterable[str] = (), **options: Any) -> dict[str, Any]:
    """The networks of the pipeline in `folder` by name, each as `load_network` loads it; others are left to diffusers.

    Raises:
        ModelError: as `load_network`.
        Exception: what `from_pretrained` raises.
    """
    found = {}
    for name, entry in folders.read_index(folder).items():
        if name in UNCHECKED or name in without or not (folder / name / "config.json").is_file():
            continue
        cls = _network_class(entry)
        if cls is not None:
            found[name] = load_network(cls, folder / name, f"{label}/{name}", **options)
    return found


def _network_class(entry: Any) -> Any:
    """The class that an index names as [library, class]; None if it is no network, or of a library not known here."""
    if not isinstance(entry, list) or len(entry) != 2 or not all(isinstance(part, str) for part in entry):
        return None
    library, name = entry
    if library not in ("diffusers", "transformers") and not library.startswith("synthgen.models."):
        plugins = of_process()
        return plugins.find("pipelines", name) if name in plugins.names("pipelines") else None
    try:
        cls = getattr(importlib.import_module(library), name, None)
    except ImportError:
        return None
    return cls if hasattr(cls, "named_parameters") and hasattr(cls, "from_pretrained") else None


def _of_transformers(cls: type) -> bool:
    return any(base.__module__.startswith("transformers.") for base in cls.__mro__)


def listed(names: Iterable[str], what: str = "tensor") -> str:
    """How many names of tensors there are, and the first five."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 5} more" if len(ordered) > 5 else ""
    return f"{len(ordered)} {what}{'s' * (len(ordered) > 1)} ({', '.join(ordered[:5])}{more})"


def check_weights(model: str, loaded: Any) -> None:
    """Raises ModelError if a weight of a loaded network or pipeline is not finite; says which tensors.

    It costs one reading of the memory that they are in.
    """
    networks = loaded.components if hasattr(loaded, "components") else {"": loaded}
    check_tensors(
        model,
        {
            f"{part}.{name}" if part else name: tensor
            for part, network in networks.items()
            if hasattr(network, "named_parameters")
            for name, tensor in [*network.named_parameters(), *_spoilt(network.named_buffers())]
        },
    )


def check_tensors(place: str, tensors: Mapping[str, Any]) -> None:
    """Raises ModelError if a tensor, by name, has a value that is not finite."""
    bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if bad:
        kinds = sorted({str(tensors[name].dtype).removeprefix("torch.") for name in bad})
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise ModelError(
            f"{place}: weights are not finite ({', '.join(kinds)}) in {', '.join(bad[:5])}{more}; the file is damaged, "
            "its training diverged, or this number format is too narrow for it. Take another copy, or float32"
        )


def _spoilt(buffers: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The buffers that hold NaN; infinities may be limits or masks."""
    return [(name, tensor) for name, tensor in buffers if tensor.is_floating_point() and tensor.isnan().any()]
