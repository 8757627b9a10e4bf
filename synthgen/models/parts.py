"""What parts share that stand on one model, `config.model`: their sources, their identity, and how it is loaded."""

from __future__ import annotations

from typing import Any, ClassVar

from synthgen.fields import Schema
from synthgen.models import folders, hub
from synthgen.parts.protocols import Source


class FolderPart:
    """A part that stands on a model folder of our own: a starter, or what `synthgen train` made.

    Raises:
        ModelError: the folder holds no model of the class `wanted`, or of one of those; says which `trainer` makes one.
    """

    wanted: ClassVar[str | tuple[str, ...]]
    trainer: ClassVar[str]
    config: Any
    fields: Schema

    def __init__(self, config: Any) -> None:
        self.config = config
        self.folder = folders.resolve(config.model)
        self.index = folders.check_class(self.folder, config.model, self.wanted, self.trainer)
        self.fields = {}
        self._network: Any = None

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model"}) | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [folders.source(self.config.model)]

    def setup(self, device: str) -> None:
        """Loads the network. A part that stands on a pipeline loads that instead."""
        from synthgen.models import registry

        self._network = registry.load_network(self.folder, device)


class HubPart:
    """A part that stands on a model of another library, of one of `types`, or of any type if there are none.

    Args:
        reference: to the model, if it is none of transformers.

    Raises:
        ModelError: `config.model` names no such model.
    """

    types: ClassVar[tuple[str, ...]] = ()
    config: Any
    fields: Schema

    def __init__(self, config: hub.ModelSettings, reference: hub.Reference | None = None) -> None:
        self.config = config
        self.reference = reference or hub.reference(config, *self.types)
        self.fields = {}
        self._model: Any = None
        self._processor: Any = None

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model", "licence"}) | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [self.reference.source]
