"""Adapters: LoRA weights and learnt words that change what a text-to-image pipeline draws."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from synthgen.errors import ModelError
from synthgen.models import folders
from synthgen.models.hub import INSTALL
from synthgen.models.weights import listed
from synthgen.parts.protocols import Source

LORA, EMBEDDINGS = "pytorch_lora_weights.safetensors", "learned_embeds.safetensors"
CLASSES: Mapping[str, Literal["lora", "textual-inversion"]] = {
    "LoraAdapter": "lora",
    "TextualInversionAdapter": "textual-inversion",
}
"""`_class_name` in an adapter's config.json. They are written into saved adapters: never rename them."""
PER_ENCODER = ("clip_l", "clip_g")
"""Vectors for the first and the second text encoder of Stable Diffusion XL, as files name them."""
_SHAPE = (
    *("in_channels", "cross_attention_dim", "block_out_channels", "layers_per_block", "num_layers"),
    *("num_single_layers", "num_attention_heads", "attention_head_dim", "joint_attention_dim"),
)
_ENDINGS = {
    **dict.fromkeys((".lora_A.weight", ".lora.down.weight", ".lora_down.weight"), "in"),
    **dict.fromkeys((".lora_B.weight", ".lora.up.weight", ".lora_up.weight"), "out"),
}


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter on disk; its weights are not loaded.

    Attributes:
        file: the .safetensors file.
        base: what its config says of the model that it was made for: `name`, `sha256` or `revision`, and
            `architecture` as below. Empty for files of other programs.
        token: the word that a textual inversion teaches; its file's name if the file does not say it.
        shapes: names and shapes of its tensors.
    """

    kind: Literal["lora", "textual-inversion"]
    path: str
    file: Path
    base: Mapping[str, Any]
    licence: str
    sha256: str
    token: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name, or that of the file."""
        return Path(self.path).resolve().name

    @property
    def source(self) -> Source:
        """What a dataset that was generated with this adapter owes it."""
        return Source("model", self.name, self.sha256, self.licence, {"base": self.base["name"]} if self.base else {})


def read(path: str) -> Adapter:
    """The adapter in a folder that `synthgen train` made, or in a .safetensors file of diffusers' or kohya's format.

    Raises:
        ModelError: there is none; says what is accepted.
    """
    place = Path(path)
    config: dict[str, Any] = {}
    if place.is_dir():
        file = next((place / name for name in (LORA, EMBEDDINGS) if (place / name).is_file()), None)
        if file is None:
            raise ModelError(
                f"{path} has neither {LORA} nor {EMBEDDINGS}; `use: text-to-image` in `synthgen train` makes one"
            )
        if (place / "config.json").is_file():
            config = folders.read_index(place)
    elif place.is_file() and place.suffix == ".safetensors":
        file = place
    else:
        raise ModelError(
            f"{path} is no adapter: a folder with {LORA} or {EMBEDDINGS} is accepted, or one .safetensors file of a "
            "LoRA or a textual inversion (files with other endings can run code and are never read)"
        )
    shapes = _shapes(file)
    kind = CLASSES.get(str(config.get("_class_name"))) or _kind(shapes, path)
    token = None
    if kind == "textual-inversion":
        only = next(iter(shapes)) if len(shapes) == 1 else ""
        token = config.get("placeholder") or (only if only not in ("", "emb_params") else place.stem)
    licence = str(folders.read_card(place).get("license", "unknown")) if place.is_dir() else "unknown"
    return Adapter(kind, path, file, config.get("base", {}), licence, folders.file_sha256(file), token, shapes)


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="numpy") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{file} is no readable safetensors file: {error}") from None


def _kind(shapes: Mapping[str, tuple[int, ...]], path: str) -> Literal["lora", "textual-inversion"]:
    if any("lora" in name or "hada" in name or "lokr" in name for name in shapes):
        return "lora"
    if shapes and len(shapes) <= len(PER_ENCODER) and all(len(shape) <= 2 for shape in shapes.values()):
        return "textual-inversion"
    some = ", ".join(list(shapes)[:3])
    raise ModelError(f"{path} holds neither a LoRA nor a textual inversion, but {len(shapes)} tensors such as {some}")


def architecture(base: Any) -> dict[str, Any]:
    """What decides whether an adapter fits a model, as JSON values: shape of its network, widths of its words.

    Args:
        base: a loaded pipeline of diffusers, or the folder of one (a Path; nothing is loaded then).

    Raises:
        ModelError: a folder with an incomplete pipeline.
    """
    if isinstance(base, Path):
        index = folders.read_index(base)
        configs = {name: _config(base, name) for name, value in index.items() if isinstance(value, list) and value[0]}
    else:
        configs = {name: _as_dict(part.config) for name, part in base.components.items() if hasattr(part, "config")}
    network = configs.get("unet") or configs.get("transformer") or {}
    found: dict[str, Any] = {"network": str(network.get("_class_name"))}
    found |= {name: network[name] for name in _SHAPE if network.get(name) is not None}
    found["prediction_type"] = configs.get("scheduler", {}).get("prediction_type")
    encoders = sorted(name for name in configs if name.startswith("text_encoder"))
    found["text_widths"] = [configs[name].get("hidden_size") or configs[name].get("d_model") for name in encoders]
    made: dict[str, Any] = json.loads(json.dumps(found))
    return made


def _config(folder: Path, name: str) -> dict[str, Any]:
    if name in ("unet", "transformer") or name.startswith("text_encoder"):
        return folders.component_config(folder, name)
    if name == "scheduler":
        path = folder / name / "scheduler_config.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return found if isinstance(found, dict) else {}
    return {}


def _as_dict(config: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict(config) if isinstance(config, Mapping) else config.to_dict()
    return found


def check_base(adapter: Adapter, base: Any) -> None:
    """Refuses an adapter that was made for another architecture than `base` has.

    Another model of the same architecture is fine: that is how adapters are used.

    Args:
        base: what `architecture` returns, or a loaded pipeline, of which every shape is compared.

    Raises:
        ModelError: says what differs, and what to do.
    """
    _check_whole(adapter)
    found = base if isinstance(base, Mapping) else architecture(base)
    wanted = adapter.base.get("architecture", {})
    names = ("text_widths",) if adapter.kind == "textual-inversion" else tuple(n for n in wanted if n != "text_widths")
    differences = [
        f"{name} is {found.get(name)} and not {wanted[name]}"
        for name in names
        if name in wanted and wanted[name] != found.get(name)
    ]
    differences = differences or _misfits(adapter, base, found)
    if differences:
        made_for = f" ({adapter.base['name']})" if adapter.base else ""
        more = f", and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise ModelError(
            f"{adapter.path} was made for another base{made_for}: in this model {'; '.join(differences[:3])}{more}. "
            "Take an adapter that was made for this model, or draw with the model that it was made for"
        )


def _misfits(adapter: Adapter, base: Any, found: Mapping[str, Any]) -> list[str]:
    """Tensors of the file that do not fit, in words."""
    if adapter.kind == "textual-inversion":
        widths = found.get("text_widths") or []
        parts = {name: adapter.shapes[name] for name in PER_ENCODER if name in adapter.shapes} or adapter.shapes
        pairs = list(zip(parts.values(), widths, strict=False))
        if len(parts) != len(widths):
            return [f"{len(widths)} text encoders read words, and the file has vectors for {len(parts)}"]
        return [f"words have {width} numbers and not {shape[-1]}" for shape, width in pairs if shape[-1] != width]
    if isinstance(base, Mapping):
        width = found.get("cross_attention_dim")
        told = {s[1] for n, s in adapter.shapes.items() if "attn2" in n and "to_k" in n and _side(n) == "in"}
        return [f"cross_attention_dim is {width} and not {min(told)}"] if told and told != {width} else []
    return _misfitting_layers(_converted(adapter, base), base)


def _side(name: str) -> str | None:
    return next((side for ending, side in _ENDINGS.items() if name.endswith(ending)), None)


def _converted(adapter: Adapter, pipeline: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of a LoRA's tensors by the names that diffusers' loader gives them, whatever program wrote the file."""
    from diffusers.utils import convert_unet_state_dict_to_peft

    options: dict[str, Any] = {"weight_name": adapter.file.name, "use_safetensors": True}
    if hasattr(pipeline, "unet"):
        options["unet_config"] = pipeline.unet.config
    try:
        state = type(pipeline).lora_state_dict(str(adapter.file.parent), **options)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise ModelError(
            f"{adapter.path} is no LoRA that diffusers reads for a {type(pipeline).__name__}: {error}"
        ) from error
    tensors = state[0] if isinstance(state, tuple) else state
    if not any("lora_A" in name for name in tensors):  # as its loader decides
        tensors = convert_unet_state_dict_to_peft(tensors)
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _check_whole(adapter: Adapter) -> None:
    """Raises ModelError for tensors that would be dropped, or that lack their other half."""
    if adapter.kind == "textual-inversion":
        beside = set(adapter.shapes) - set(PER_ENCODER)
        if 0 < len(beside) < len(adapter.shapes):
            raise ModelError(f"{adapter.path}: {listed(beside)} beside {', '.join(PER_ENCODER)} would not be used")
        return
    strange = [name for name in adapter.shapes if _side(name) is None and not name.endswith(".alpha")]
    if strange:
        raise ModelError(
            f"{adapter.path}: {listed(strange)} would not be used: only pairs of A and B, with alpha, "
            "are read, no DoRA, LoHa, LoKr or biases. Convert the file with the program that made it, or take another"
        )
    sides: dict[str, set[str]] = {}
    for name in adapter.shapes:
        ending = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
        if ending is not None:
            sides.setdefault(name.removesuffix(ending), set()).add(_ENDINGS[ending])
    halves = [layer for layer, found in sides.items() if len(found) < 2]
    if halves:
        raise ModelError(f"{adapter.path} has only one of the two matrices A and B of {listed(halves, 'layer')}")


def _check_used(adapter: Adapter, name: str, pipeline: Any) -> None:
    """Raises ModelError unless every tensor of a loaded LoRA stands in one of the pipeline's networks."""
    there = {
        f"{component}.{weight.replace(f'.{name}.', '.')}"
        for component, network in pipeline.components.items()
        if hasattr(network, "named_parameters")
        for weight, _ in network.named_parameters()
        if f".{name}." in weight
    }
    unused = [tensor for tensor in _converted(adapter, pipeline) if _side(tensor) and tensor not in there]
    if unused:
        raise ModelError(
            f"{adapter.path}: {listed(unused)} would not be used, because a {type(pipeline).__name__} has no such "
            f"layers; it takes layers of {', '.join(type(pipeline)._lora_loadable_modules)}. Take an adapter that was "
            "made for this model"
        )


def _misfitting_layers(shapes: Mapping[str, tuple[int, ...]], pipeline: Any) -> list[str]:
    found = []
    for name, shape in shapes.items():
        side = _side(name)
        ending = next((ending for ending in _ENDINGS if name.endswith(ending)), "")
        component, _, layer = name.removesuffix(ending).partition(".")
        if side is None or component not in ("unet", "transformer") or component not in pipeline.components:
            continue
        try:
            weight = pipeline.components[component].get_submodule(layer).weight
        except AttributeError:
            found.append(f"{component} has no layer {layer}")
            continue
        has, needs = (weight.shape[1], shape[1]) if side == "in" else (weight.shape[0], shape[0])
        if has != needs:
            found.append(f"{component}.{layer} takes {side[:3]} {has} channels and not {needs}")
    return list(dict.fromkeys(found))


def apply(pipeline: Any, adapters: Iterable[tuple[Adapter, float]]) -> None:
    """Loads adapters into a pipeline: LoRA weights with their strengths, and words that prompts may use then.

    The strength of a textual inversion is always 1.

    Raises:
        ModelError: one does not fit the pipeline, has tensors that would not be used or are not finite, teaches a word
            that is known, or peft is not installed.
    """
    from safetensors.torch import load_file

    from synthgen.models.weights import check_tensors

    chosen = list(adapters)
    for adapter, _ in chosen:
        check_base(adapter, pipeline)
        check_tensors(adapter.path, load_file(adapter.file))
    loras = [(adapter, weight) for adapter, weight in chosen if adapter.kind == "lora"]
    for adapter, _ in chosen:
        if adapter.kind == "textual-inversion":
            _load_words(pipeline, adapter)
    names = [f"lora_{i}" for i in range(len(loras))]
    for name, (adapter, _) in zip(names, loras, strict=True):
        _load_lora(pipeline, adapter, name)
    if loras:
        pipeline.set_adapters(names, [weight for _, weight in loras])


def _load_lora(pipeline: Any, adapter: Adapter, name: str) -> None:
    try:
        import peft  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(f"{adapter.path} needs the package peft; install it: {INSTALL}") from error
    try:
        pipeline.load_lora_weights(
            str(adapter.file.parent), weight_name=adapter.file.name, adapter_name=name, use_safetensors=True
        )
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise ModelError(f"{adapter.path} cannot be loaded into a {type(pipeline).__name__}: {error}") from error
    _check_used(adapter, name, pipeline)


def _load_words(pipeline: Any, adapter: Adapter) -> None:
    from safetensors.torch import load_file

    tensors = load_file(adapter.file)
    pairs = [("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")]
    vectors = [tensors[name] for name in PER_ENCODER if name in tensors] or list(tensors.values())
    if not hasattr(pipeline, "load_textual_inversion"):
        raise ModelError(f"{adapter.path}: a {type(pipeline).__name__} cannot be taught words; leave it out")
    try:
        for (tokenizer, encoder), embedding in zip(pairs, vectors, strict=False):
            pipeline.load_textual_inversion(
                {str(adapter.token): embedding},
                token=adapter.token,
                tokenizer=getattr(pipeline, tokenizer),
                text_encoder=getattr(pipeline, encoder),
            )
    except ValueError as error:
        raise ModelError(
            f"{adapter.path} teaches the word {adapter.token}, which cannot be added: {error}; train it with another "
            "`placeholder`"
        ) from error


def describe(pipeline: Any, source: Source) -> dict[str, Any]:
    """What an adapter's config says of the model it was made for. No paths: a folder goes by its name and hash."""
    told: dict[str, Any] = {"name": source.name, "licence": source.licence}
    told |= {"revision": source.details["revision"]} if "revision" in source.details else {"sha256": source.sha256}
    return told | {"architecture": architecture(pipeline)}
