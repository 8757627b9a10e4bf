"""What one case of the golden record runs, and what it keeps: commands of `synthgen`, hashes of what they write.

A case's record has two parts: `everywhere`, which may differ on no machine, and `here`, the bytes, which
are promised only where the environment's fingerprint is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Call = Callable[..., str]
"""Runs `synthgen` with these words in the working folder; returns what it printed."""
Record = dict[str, dict[str, Any]]
OUT = Path("out")
PRIVATE = ("log", ".synthgen", "commits", "manifest.json")
"""Parts of a dataset that hold times, hosts and names of staging files. The manifest is read, not hashed."""
OF_MANIFEST = ("samples", "planned", "splits", "classes", "objects", "tries", "rejected", "short", "fields", "scores")


@dataclass(frozen=True)
class Case:
    """One entry of the record. `needs` are the names of cases that run before it, in the same folder."""

    name: str
    needs: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def out(self) -> Path:
        return OUT / self.name

    def record(self, call: Call) -> Record:
        raise NotImplementedError


@dataclass(frozen=True)
class Dataset(Case):
    """A recipe through `plan`, `run` and `verify`.

    Attributes:
        words: options of `plan` and `run`.
        smoke: run with small random models; what is planned is the recipe as it is.
        trained: it stands on weights that were trained here, so that its digest follows from the machine.
    """

    recipe: str
    words: tuple[str, ...] = ()
    smoke: bool = False
    trained: bool = False

    def record(self, call: Call) -> Record:
        plan = json.loads(call("plan", self.recipe, *self.words, "--json"))
        planned = plan.get("digest")
        smoke = ["--smoke"] if self.smoke else []
        call("run", self.recipe, *self.words, *smoke, "-o", self.out, "--workers", "1", "--device", "cpu")
        call("verify", self.out)
        manifest = json.loads((self.out / "manifest.json").read_text())
        assert manifest["complete"] or self.name.endswith("short"), self.name
        counts = {name: manifest[name] for name in OF_MANIFEST}
        here = {"digest": manifest["digest"], **counts, "identity": _text_sha(manifest["identity"]), "files": tree(self.out)}
        return {"everywhere": {} if self.trained else {"digest": planned}, "here": here}


@dataclass(frozen=True)
class Model(Case):
    """A recipe of a model through `train`: every file of what it saves, without its work folder."""

    recipe: str
    words: tuple[str, ...] = ()

    def record(self, call: Call) -> Record:
        call("train", self.recipe, *self.words, "-o", self.out, "--device", "cpu", "--quiet")
        return {"everywhere": {}, "here": {"files": tree(self.out, ("training",))}}


@dataclass(frozen=True)
class Export(Case):
    """A dataset through `export`."""

    words: tuple[str, ...]

    def record(self, call: Call) -> Record:
        call("export", OUT / self.needs[0], *self.words, "-o", self.out)
        return {"everywhere": {}, "here": {"tree": _text_sha(tree(self.out)), "n_files": len(tree(self.out))}}


@dataclass(frozen=True)
class Output(Case):
    """What a command prints as JSON (with `--json` among its words) and the files that it writes to `{out}`."""

    words: tuple[str, ...]
    everywhere: bool = False

    def record(self, call: Call) -> Record:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        printed = call(*(word.format(out=self.out) for word in self.words))
        found: dict[str, Any] = {"files": tree(self.out)} if self.out.is_dir() else {}
        if self.out.is_file():
            found["sha256"] = _sha(self.out)
        if "--json" in self.words:
            found["json"] = json.loads(printed)
        return {"everywhere": found, "here": {}} if self.everywhere else {"everywhere": {}, "here": found}


def tree(folder: Path, private: tuple[str, ...] = PRIVATE) -> dict[str, str]:
    """Hashes of the files in a folder, by relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = {path: path.relative_to(folder) for path in paths}
    return {str(part): _sha(path) for path, part in parts.items() if part.parts[0] not in private}


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _text_sha(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
