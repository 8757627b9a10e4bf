"""Models of other libraries: by local folder, or by hub id with a commit. Safetensors only, no remote code."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.errors import ModelError
from synthgen.models import folders, weights
from synthgen.models.silence import silence_libraries
from synthgen.parts.protocols import Source

_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})")
INSTALL = "pip install '.[foundation]'"
UNKNOWN = "see the hub"
_WAYS_OUT: Mapping[str, str] = {
    "GatedRepoError": "its licence must be accepted first: open the page of {place} on the hub signed in, agree, then "
    "`hf auth login` on every machine that generates",
    "RevisionNotFoundError": "the hub has {place}, but not the commit {revision}; its page lists commits under Files, "
    "History",
    "RepositoryNotFoundError": "the hub has no model {place}, or a private one; check the name, or `hf auth login`",
    "LocalEntryNotFoundError": "it is not in this machine's cache and the hub cannot be reached; download it where "
    "there is a network (`hf download {place} --revision {revision}`), or name a local folder",
    "RemoteEntryNotFoundError": "the hub has {place}, but without the files of such a model as safetensors",
    "ConnectionError": "the hub cannot be reached; download it where there is a network "
    "(`hf download {place} --revision {revision}`), or name a local folder",
}
"""What to do, by the name of the error among those that led to a failed load."""


class ModelSettings(Settings):
    """Settings of parts that stand on a model of another library."""

    model: str = Field(description="A local folder, or owner/name@commit of the hub.")
    licence: str | None = Field(
        default=None,
        description="The model's licence, for the plan and the card, such as openrail++; by default what the folder's "
        "own card says.",
    )


@dataclass(frozen=True, slots=True)
class Reference:
    """A model's name as a recipe states it, and what it stands for; nothing is loaded or fetched.

    `revision` is None for a local folder.
    """

    name: str
    place: str
    revision: str | None
    licence: str | None = None

    @property
    def source(self) -> Source:
        if self.revision is None:
            folder = Path(self.place)
            licence = self.licence or str(folders.read_card(folder).get("license", "unknown"))
            return Source("model", folder.resolve().name, folders.weights_sha256(folder), licence)
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return Source("model", self.name, digest, self.licence or UNKNOWN, {"revision": self.revision})


def reference(settings: ModelSettings, *model_types: str) -> Reference:
    """What `settings.model` refers to: a folder of transformers with a model of one of these types, or a hub id.

    Raises:
        ModelError: it is neither; a hub id needs a commit, so that the same weights are found again.
    """
    found = _reference(settings)
    if found.revision is None:
        kind = folders.read_index(Path(found.place)).get("model_type")
        if model_types and kind not in model_types:
            raise ModelError(
                f"{found.name} holds a model of the type {kind}; {' or '.join(model_types)} is needed here"
            )
    return found


def check_type(reference: Reference, model: Any, *model_types: str) -> None:
    """Raises ModelError unless a loaded model is of one of these types: what a hub id holds is known only then."""
    kind = model.config.model_type
    if kind not in model_types:
        raise ModelError(
            f"{reference.name} holds a model of the type {kind}; {' or '.join(model_types)} is needed here"
        )


def pipeline_reference(settings: ModelSettings) -> Reference:
    """What `settings.model` refers to: a folder with a pipeline of diffusers, or `owner/name@commit`.

    Raises:
        ModelError: it is neither, or its pipeline is incomplete.
    """
    found = _reference(settings)
    if found.revision is None and not (Path(found.place) / "model_index.json").is_file():
        raise ModelError(
            f"{found.name} has no model_index.json; a folder with a whole pipeline of diffusers is needed here"
        )
    return found


def _reference(settings: ModelSettings) -> Reference:
    name = settings.model
    if Path(name).is_dir():
        return Reference(name, name, None, settings.licence)
    match = _HUB_ID.fullmatch(name)
    if match is None:
        raise ModelError(
            f"{name} is neither a folder nor a hub id with a commit, such as owner/name@ and 40 hexadecimal digits "
            "(on the hub: Files, History)"
        )
    return Reference(name, match[1], match[2], settings.licence)


def load(reference: Reference, *classes: str, device: str = "cpu", dtype: str | None = None) -> list[Any]:
    """Objects of the named transformers classes, from one reference; models in evaluation mode on `device`.

    A model that several parts of a worker name is loaded once and shared: parts only look at it.

    Args:
        dtype: number format of the weights, such as "bfloat16"; by default as transformers chooses it.

    Raises:
        ModelError: transformers is missing; the files are not there, cannot be fetched, or are no safetensors.
    """
    return [_loaded(reference, name, device, _state(reference), dtype) for name in classes]


def _state(reference: Reference) -> str:
    """What the files hold, so that a folder that was written again is loaded again."""
    return reference.revision or folders.weights_sha256(Path(reference.place))


@lru_cache(maxsize=16)
def _loaded(reference: Reference, name: str, device: str, state: str, dtype: str | None) -> Any:
    transformers = _transformers(reference)
    silence_libraries()
    options: dict[str, Any] = {"revision": reference.revision or "main"}  # remote code is off unless asked for
    if name.startswith("Auto"):
        options["trust_remote_code"] = False  # else a terminal is asked whether to run it
    is_model = not name.endswith(("Processor", "Tokenizer"))
    if is_model and dtype is not None:
        options["dtype"] = _number_format(dtype)
    cls = getattr(transformers, name)
    try:
        if not is_model:
            return cls.from_pretrained(reference.place, **options)
        made = weights.load_network(cls, reference.place, reference.name, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise not_loaded(reference, f"as a {name}", error) from error
    return made.to(device).eval()


def read_config(reference: Reference) -> dict[str, Any]:
    """The configuration of a model of transformers, config.json, without its weights.

    Raises:
        ModelError: transformers is missing; there is none, or it cannot be fetched.
    """
    if reference.revision is None:
        return folders.read_index(Path(reference.place))
    _transformers(reference)
    from transformers import PreTrainedConfig

    silence_libraries()
    try:
        return dict(PreTrainedConfig.get_config_dict(reference.place, revision=reference.revision)[0])
    except (OSError, ValueError, RuntimeError) as error:
        raise not_loaded(reference, "as a model of transformers", error) from error


def _number_format(name: str) -> Any:
    import torch

    return getattr(torch, name)


def load_pipeline(reference: Reference, task: str, dtype: Any, **components: Any) -> Any:
    """The pipeline that diffusers' `AutoPipelineFor<task>` makes of a reference, on the CPU.

    `components` replace those of the model; None leaves one out.

    Raises:
        ModelError: transformers is missing; the files are not there, cannot be fetched, are no safetensors, or are
            a pipeline for something else.
    """
    import diffusers

    _transformers(reference)
    silence_libraries()
    auto = getattr(diffusers, f"AutoPipelineFor{task}")
    options = {"revision": reference.revision or "main", "use_safetensors": True, "dtype": dtype, **components}
    try:
        if reference.revision is None:
            options |= weights.load_networks(
                Path(reference.place), reference.name, without=components, torch_dtype=dtype
            )
        pipeline = auto.from_pretrained(reference.place, **options)
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise not_loaded(reference, f"for {task}", error) from error
    if getattr(pipeline, "safety_checker", None) is not None:
        pipeline.register_modules(safety_checker=None)  # it paints images black; rules decide what is kept
    weights.check_weights(reference.name, pipeline)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


_OFFERED: WeakValueDictionary[tuple[str, ...], Any] = WeakValueDictionary()
_SHARED = ("unet", "vae", "text_encoder", "text_encoder_2")


def offer(reference: Reference, dtype: str, device: str, pipeline: Any) -> None:
    """Lets `shared` find the networks of a pipeline while it lives; they must be as they were loaded, on `device`."""
    _OFFERED[reference.place, _state(reference), dtype, device] = pipeline


def shared(reference: Reference, dtype: str, device: str) -> dict[str, Any]:
    """Networks of the same weights that were offered, for `load_pipeline`; none if there are none.

    Each is a module of its own over the same memory. So weights are held once, and what one part does to its modules
    (attention processors, number format, device) the other does not see, in another thread neither. Tokenizers and
    schedulers have a state and are not shared.
    """
    pipeline = _OFFERED.get((reference.place, _state(reference), dtype, device))
    found = {name: getattr(pipeline, name, None) for name in _SHARED}
    return {name: _view(network) for name, network in found.items() if network is not None}


def _view(network: Any) -> Any:
    """A copy of a network that has its tensors in the same memory."""
    import torch

    memo: dict[int, Any] = {id(own): torch.nn.Parameter(own.detach(), False) for own in network.parameters()}
    return copy.deepcopy(network, memo | {id(own): own.detach() for own in network.buffers()})


def load_controlnet(reference: Reference, dtype: Any) -> Any:
    """The ControlNet of a reference, of the class that its configuration names, on the CPU.

    Raises:
        ModelError: it holds another network; else as for `load_pipeline`.
    """
    import diffusers

    silence_libraries()
    options = {"revision": reference.revision or "main"}
    try:
        config = diffusers.AutoModel.load_config(reference.place, **options)
        name = str(config.get("_class_name") or next(iter(config.get("architectures", ())), "network without a name"))
        cls = getattr(diffusers, name, None) if "ControlNet" in name else None
        if cls is not None:
            return weights.load_network(cls, reference.place, reference.name, torch_dtype=dtype, **options).eval()
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise not_loaded(reference, "as a ControlNet", error) from error
    raise ModelError(
        f"{reference.name} holds a {name}; `controlnet` must name a ControlNet that was made for the model"
    )


def not_loaded(reference: Reference, what: str, error: BaseException) -> ModelError:
    """The one message for a model that cannot be loaded: what happened, and the step that helps."""
    way_out = f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
    if reference.revision is not None:
        names = [cls.__name__ for cause in _causes(error) for cls in type(cause).__mro__]
        known = next((text for name, text in _WAYS_OUT.items() if name in names), None)
        if known:
            way_out = known.format(place=reference.place, revision=reference.revision)
    return ModelError(f"{reference.name} cannot be loaded {what}: {way_out}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _transformers(reference: Reference) -> Any:
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise ModelError(f"{reference.name} needs the package transformers; install it: {INSTALL}") from error
    return transformers
