"""What of a text-to-image pipeline is trained: its whole network, low-rank changes to it, or a new word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from synthgen.errors import DataError, ModelError
from synthgen.models.hub import INSTALL
from synthgen.models.text_to_image import adapters
from synthgen.trainers.text_to_image.settings import LoraSettings, TuningConfig, WordSettings


class Method(Protocol):
    """Made around a frozen pipeline; `model` holds what is trained, and the pipeline draws with it as it is."""

    model: nn.Module
    changes_words: bool
    """Whether training changes what texts mean, so that they are encoded at every step."""

    def save(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Writes the result; `facts` describe the base (`adapters.describe`)."""
        ...


def made(config: TuningConfig, pipeline: Any) -> Method:
    """The method of the settings, around a frozen pipeline."""
    if config.word is not None:
        return TextualInversion(pipeline, config.word)
    return Lora(pipeline, config.lora) if config.method == "lora" else Full(pipeline)


class Full:
    """All weights of the network; the result is a whole pipeline."""

    changes_words = False

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.model: nn.Module = pipeline.unet.requires_grad_(True)

    def save(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self.pipeline.to("cpu").save_pretrained(folder)


class Lora:
    """Low-rank changes to linear layers of the network.

    Source: Hu et al. 2022, "LoRA: low-rank adaptation of large language models": W + alpha / rank * B A,
    B zero at first, so that training starts from what the base generates.
    """

    changes_words = False

    def __init__(self, pipeline: Any, settings: LoraSettings) -> None:
        try:
            from peft import LoraConfig
        except ModuleNotFoundError as error:
            raise ModelError(f"`method: lora` needs the package peft; install it: {INSTALL}") from error
        self.pipeline, self.targets = pipeline, settings.target_modules
        self.rank, self.alpha = settings.rank, settings.alpha or settings.rank
        config = LoraConfig(
            r=self.rank, lora_alpha=self.alpha, init_lora_weights="gaussian", target_modules=self.targets
        )
        try:
            pipeline.unet.add_adapter(config)
        except ValueError as error:
            raise ModelError(
                f"target_modules: {', '.join(self.targets)}: the base has no such layers ({error})"
            ) from error
        self.model: nn.Module = pipeline.unet
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.float()  # 16 bits are too coarse for small steps

    def save(self, folder: Path, facts: Mapping[str, Any]) -> None:
        from peft.utils import get_peft_model_state_dict
        from safetensors.torch import save_file

        # under peft's names: diffusers' own exist for attention alone, and of a mixture its loader drops a part
        layers = get_peft_model_state_dict(self.pipeline.unet)
        adapter = {**self.pipeline.unet.peft_config["default"].to_dict(), "target_modules": sorted(self.targets)}
        save_file(
            {f"unet.{name}": value.detach().cpu().contiguous() for name, value in layers.items()},
            folder / adapters.LORA,
            # one entry: the order of several is random, and the same weights are to be the same bytes
            {"lora_adapter_metadata": json.dumps({f"unet.{key}": adapter[key] for key in sorted(adapter)})},
        )
        settings = {"rank": self.rank, "alpha": self.alpha, "target_modules": self.targets}
        _write_config(folder, "LoraAdapter", {**settings, "base": dict(facts)})


class TextualInversion:
    """Vectors of a new word, in each text encoder; everything else stays as it is.

    Source: Gal et al. 2023, "An image is worth one word". A word of several vectors stands for the tokens
    `<word>`, `<word>_1` and so on, as diffusers' loader reads it.
    """

    changes_words = True

    def __init__(self, pipeline: Any, settings: WordSettings) -> None:
        self.settings = settings
        placeholder, n_vectors = settings.placeholder, settings.vectors
        names = [placeholder, *(f"{placeholder}_{i}" for i in range(1, n_vectors))]
        words = []
        for end in ("", "_2"):
            tokenizer = getattr(pipeline, f"tokenizer{end}", None)
            if tokenizer is None:
                continue
            encoder = getattr(pipeline, f"text_encoder{end}")
            old = encoder.get_input_embeddings()
            ids = tokenizer(settings.initialize_from, add_special_tokens=False)["input_ids"]
            known = tokenizer.get_vocab()
            if any(word in known for name in names for word in (name, f"{name}</w>")):
                raise DataError(
                    f"placeholder: {placeholder} is a word that the base knows; take one that it cannot, such as <mine>"
                )
            tokenizer.add_tokens(names)
            start = old.weight.detach()[ids].float().mean(0)
            new = NewWords(old, start.expand(n_vectors, -1).clone(), tokenizer.convert_tokens_to_ids(placeholder))
            encoder.set_input_embeddings(new)
            words.append(new)
        self.words = words
        self.model: nn.Module = nn.ModuleList(words)

    def save(self, folder: Path, facts: Mapping[str, Any]) -> None:
        from safetensors.torch import save_file

        vectors = [words.vectors.detach().float().cpu().contiguous() for words in self.words]
        names = [self.settings.placeholder] if len(vectors) == 1 else adapters.PER_ENCODER
        save_file(dict(zip(names, vectors, strict=True)), folder / adapters.EMBEDDINGS)
        _write_config(folder, "TextualInversionAdapter", {**self.settings.model_dump(), "base": dict(facts)})


class NewWords(nn.Module):
    """An embedding of words, and trained `vectors` (N, D) for the ids from `first` on."""

    def __init__(self, known: nn.Embedding, vectors: torch.Tensor, first: int) -> None:
        super().__init__()
        self.first = first
        self.known = known.requires_grad_(False)
        self.vectors = nn.Parameter(vectors)

    @property
    def weight(self) -> torch.Tensor:
        return self.known.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        embedded: torch.Tensor = self.known(ids.clamp_max(self.known.num_embeddings - 1))
        new = self.vectors[(ids - self.first).clamp_min(0)].to(embedded.dtype)
        return torch.where((ids >= self.first)[..., None], new, embedded)


def _write_config(folder: Path, name: str, values: Mapping[str, Any]) -> None:
    text = json.dumps({"_class_name": name, **values}, indent=2) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
