"""Parts by name: `use: name` in a recipe is looked up among entry points and files given with --plugin."""

from __future__ import annotations

import difflib
import hashlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from synthgen.errors import PluginError

PARTS = ("conditions", "samplers", "labelers", "scorers", "writers", "trainers")
"""Roles that recipes name with `use`."""

ROLES = (*PARTS, "fields", "readers", "measures", "exporters", "pipelines")
"""All roles; those after `PARTS` are found by what a dataset, a folder or a model holds."""

ATTRIBUTE = "SYNTHGEN_PLUGINS"


@dataclass(frozen=True, slots=True)
class LocalPlugin:
    """A class from a file named on the command line, and the hash of that file's text."""

    cls: type
    sha256: str
    file: str


class Plugins:
    """The parts that this process can use: installed ones and those of `files`.

    A plug-in file is Python that defines `SYNTHGEN_PLUGINS = {"scorers": {"my-score": MyScorer}}`.
    A recipe can never name one; only whoever types the command can.
    """

    def __init__(self, files: Iterable[str] = ()) -> None:
        self.files = tuple(str(Path(file).resolve()) for file in files)
        self._local: dict[tuple[str, str], LocalPlugin] = {}
        for file in self.files:
            self._load(Path(file))

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process reads the files again, and then knows their classes."""
        return Plugins, (self.files,)

    def names(self, role: str) -> list[str]:
        """All names of a role, sorted."""
        local = {name for kind, name in self._local if kind == role}
        return sorted(set(_entry_points(role)) | local)

    def find(self, role: str, name: str) -> type:
        """The class behind `use: name`.

        Raises:
            PluginError: unknown name (with the near misses), or a package that it needs is missing.
        """
        if (role, name) in self._local:
            return self._local[role, name].cls
        entry = _entry_points(role).get(name)
        if entry is None:
            raise PluginError(unknown(name, self.names(role), role[:-1]))
        try:
            loaded = entry.load()
        except ModuleNotFoundError as error:
            package = entry.dist.name if entry.dist else entry.value
            raise PluginError(
                f"{role[:-1]} `{name}` needs the Python package `{error.name}`, which is not installed; "
                f"install it with: pip install '{package}' {error.name}"
            ) from None
        assert isinstance(loaded, type)
        return loaded

    def origin(self, role: str, name: str) -> str:
        """What identifies the code of a local plug-in: its file's sha256; empty for an installed one."""
        local = self._local.get((role, name))
        return local.sha256 if local else ""

    def _load(self, path: Path) -> None:
        if not path.is_file():
            raise PluginError(f"--plugin {path}: no such file")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        module_name = f"synthgen_plugin_{digest[:16]}"
        module = sys.modules.get(module_name) or self._executed(path, module_name)  # once: its classes are the same
        table = getattr(module, ATTRIBUTE, None)
        if not isinstance(table, Mapping) or not set(table) <= set(ROLES):
            raise PluginError(
                f"--plugin {path}: must define {ATTRIBUTE} = {{role: {{name: class}}}} "
                f"with roles from {', '.join(ROLES)}"
            )
        for role, parts in table.items():
            for name, cls in parts.items():
                self._local[role, name] = LocalPlugin(cls, digest, str(path))
        _GIVEN.update(self._local)

    @staticmethod
    def _executed(path: Path, module_name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise PluginError(f"--plugin {path}: not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # whatever a user's file does wrong
            del sys.modules[module_name]
            line = next(
                (f.lineno for f in traceback.extract_tb(error.__traceback__)[::-1] if f.filename == str(path)), 1
            )
            raise PluginError(f"--plugin {path}:{line}: {type(error).__name__}: {error}") from error
        return module


_GIVEN: dict[tuple[str, str], LocalPlugin] = {}


def of_process() -> Plugins:
    """All parts that this process can use: installed ones, and those of every file given to it so far.

    For what is found by name in stored files (fields, models, data), wherever it is read.
    """
    plugins = Plugins()
    plugins._local.update(_GIVEN)
    plugins.files = tuple(dict.fromkeys(part.file for part in _GIVEN.values()))
    return plugins


def unknown(name: str, accepted: Iterable[str], what: str) -> str:
    """`unknown sampler `x`; accepted: a, b; did you mean `a`?`"""
    accepted = list(accepted)
    near = difflib.get_close_matches(name, accepted, n=1, cutoff=0.6)
    text = f"unknown {what} `{name}`"
    if near:
        text += f"; did you mean `{near[0]}`?"
    shown = accepted if len(accepted) <= 30 else [*accepted[:30], "..."]
    return f"{text} Accepted: {', '.join(shown)}" if near else f"{text}; accepted: {', '.join(shown) or 'none'}"


@cache
def _entry_points(role: str) -> Mapping[str, Any]:
    return {entry.name: entry for entry in _installed().select(group=f"synthgen.{role}")}


@cache
def _installed() -> Any:
    """All entry points: one look through all installed packages, which takes its time."""
    return importlib.metadata.entry_points()
