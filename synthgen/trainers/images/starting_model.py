"""Going on from a finished model: its weights, its network's shape and its classes, with room for new ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from diffusers import UNet2DModel

from synthgen.errors import DataError, ModelError
from synthgen.models import folders, registry
from synthgen.parts.protocols import Source
from synthgen.readers.images.labelled import LabelledImages
from synthgen.readers.masks.types import Examples
from synthgen.seeds import seed_of
from synthgen.trainers.images import styles
from synthgen.trainers.images.crop_settings import check_multiple
from synthgen.trainers.images.diffusion import DiffusionConfig, NetworkConfig
from synthgen.trainers.images.styles import Styles

Config = TypeVar("Config", bound=DiffusionConfig)
SPREAD = 1.0
"""Deviation of the embeddings of classes where a training starts from nothing."""


@dataclass(frozen=True, slots=True)
class Base:
    """A finished pipeline of synthgen on the CPU, and where it came from."""

    name: str
    pipeline: Any
    source: Source

    @property
    def classes(self) -> list[str]:
        found: list[str] = self.pipeline.classes
        return found

    @property
    def deviation(self) -> float:
        """What EDM's preconditioning was built on: another number would be another network."""
        return float(self.pipeline.scheduler.config.get("sigma_data", 1.0))

    def all_classes(self, names: Sequence[str]) -> list[str]:
        """The base's classes, which keep their ids, then those of `names` that are new."""
        return list(dict.fromkeys([*self.classes, *names]))

    def settings(self, config: Config) -> Config:
        """`config` with the base's network and objective.

        Raises:
            ModelError: the recipe asks for others.
        """
        unet, scheduler = self.pipeline.unet.config, self.pipeline.scheduler
        network = NetworkConfig(
            patch_size=self.pipeline.config.patch_size,
            channels=list(unet.block_out_channels),
            layers=unet.layers_per_block,
            attention_levels=sum("Attn" in block for block in unet.down_block_types),
            dropout=unet.dropout,
            padding=self.pipeline.config.padding,
        )
        found = {"network": network, "objective": "edm" if "sigma_data" in scheduler.config else "v-prediction"}
        for name, value in found.items():
            if name in config.model_fields_set and getattr(config, name) != value:
                raise ModelError(f"{name}: comes from the base {self.name} and is {value}; leave it out")
        return config.model_copy(update=found)

    def check_shape(self, shape: tuple[int, int], setting: str) -> None:
        """Raises DataError if images of (height, width) do not fit the base's levels."""
        check_multiple(shape, self.pipeline.cell, setting, f"the base {self.name}")

    def check_objects(self, objects: Sequence[str], stuff: Sequence[str]) -> None:
        """Raises DataError if layouts of these objects, some of them regions, do not have the base's channels."""
        known, regions = list(self.pipeline.config.objects), list(self.pipeline.config.stuff)
        if list(objects) != known:
            raise DataError(
                f"data.objects: are {', '.join(objects)}, and the layouts of the base {self.name} have a channel each "
                f"for {', '.join(known)}, in this order; name the same ones, or train without `base`"
            )
        if list(stuff) != regions:
            raise DataError(
                f"data.stuff: regions without objects are {', '.join(stuff) or '(none)'}, and those of the base "
                f"{self.name} are {', '.join(regions) or '(none)'}; give the same ones, or train without `base`"
            )

    def network(self, rows: torch.Tensor) -> UNet2DModel:
        """The base's network with the embeddings `rows` (N, D) of classes in place of its own."""
        unet = self.pipeline.unet
        made: UNet2DModel = UNet2DModel.from_config({**unet.config, "num_class_embeds": len(rows)})
        made.load_state_dict({**unet.state_dict(), "class_embedding.weight": rows})
        return made

    @property
    def embeddings(self) -> torch.Tensor:
        """Embeddings of the base's classes, (N, D): copies."""
        rows: torch.Tensor = self.pipeline.unet.class_embedding.weight.detach().clone()
        return rows

    def with_new_classes(self, n: int, seed: int) -> torch.Tensor:
        """Embeddings of old classes, of `n` new ones, and of no class, which is last.

        New ones start around "no class", as far from it as old classes are from each other: if they started there, and
        with them all the same, it would take thousands of steps until the network told them apart.
        """
        rows = self.embeddings
        old, null = rows[:-1], rows[-1:]
        return torch.cat([old, scattered(null.expand(n, -1), old, seed), null])


def scattered(rows: torch.Tensor, old: torch.Tensor, seed: int) -> torch.Tensor:
    """Embeddings (N, D), each moved at random as far as `old` ones (M, D) are from their mean."""
    spread = float((old - old.mean(0)).std()) if len(old) > 1 else SPREAD
    random = torch.Generator().manual_seed(seed_of(seed, "new classes", 0) % 2**63)
    return rows + spread * torch.randn(rows.shape, generator=random)


def open_base(config: DiffusionConfig, wanted: str, trainer: str) -> Base | None:
    """The model that `config.base` names, None if it names none.

    Raises:
        ModelError: it is another kind of model; says which trainer goes on from it.
    """
    if config.base is None:
        return None
    folder = folders.resolve(config.base)
    folders.check_class(folder, config.base, wanted, trainer)
    pipeline = registry.load_pipeline(folder, "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return Base(config.base, pipeline, folders.source(config.base))


def relabelled(images: LabelledImages, classes: Sequence[str]) -> LabelledImages:
    """The images with ids as `classes` numbers them."""
    ids = np.array([classes.index(name) for name in images.classes], dtype=np.int64)
    return dataclasses.replace(images, labels=ids[images.labels], classes=tuple(classes))


def relabelled_examples(examples: Examples, classes: Sequence[str]) -> Examples:
    """The images with objects, with ids as `classes` numbers them."""
    ids = np.array([classes.index(name) for name in examples.classes], dtype=np.int64)
    labels = ids[[item.label for item in examples.items]]
    return dataclasses.replace(styles.relabelled(examples, labels), classes=tuple(classes))


def restyled(
    base: Base, found: Styles, classes: Sequence[str], own_classes: Sequence[str], share: float, seed: int
) -> tuple[Styles, torch.Tensor]:
    """Examples with all styles, old and new, and their embeddings (N, D).

    Those of the data stand behind those of the base, which keep their ids.
    A new style starts as its class does on average; one of a new class as all styles do, but as far from the others as
    old ones are. A class that
    has one style in the base and one in the data keeps it, so that tuning changes the class itself. Of
    a class that the data have, the base's styles are generated as often as `share` says, the new ones else.

    Args:
        classes: names of all classes in id order; own_classes: those of the data, as `found` numbers them.
        share: part of a class that its old styles keep: the share of replayed images.
    """
    config = base.pipeline.config
    class_of, shares, rows = list(config.class_of_style), list(config.style_shares), list(base.embeddings)
    n_old, ids, strange = len(class_of), [], list[int]()
    weights = torch.tensor(shares)
    for style, own in enumerate(found.class_of):
        cls = classes.index(own_classes[own])
        old = [i for i in range(n_old) if class_of[i] == cls]
        if len(old) == 1 and found.class_of.count(own) == 1:
            ids.append(old[0])
            continue
        ids.append(len(class_of))
        near = old or list(range(n_old))
        part = weights[near] / weights[near].sum()
        if not old:
            strange.append(len(rows))
        rows.append((part[:, None] * torch.stack([rows[i] for i in near])).sum(0))
        class_of.append(cls)
        shares.append(found.shares[style] * ((1 - share) if old else 1.0))
    for cls in {class_of[i] for i in ids if i >= n_old}:
        for i in range(n_old):
            if class_of[i] == cls:
                shares[i] *= share
    training, held_out = (
        styles.relabelled(part, np.array(ids)[[item.label for item in part.items]])
        for part in (found.training, found.held_out)
    )
    embeddings = torch.stack(rows)
    embeddings[strange] = scattered(embeddings[strange], base.embeddings, seed)
    return Styles(training, held_out, class_of, shares), embeddings
