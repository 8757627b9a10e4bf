"""What one case of the golden record runs, and what it keeps: commands of `synthgen`, hashes of what they write.

A case's record has two parts: `everywhere`, which may differ on no machine, and `here`, the bytes, which
are promised only where the environment's fingerprint is the same.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import forked, synthgen

Record = dict[str, dict[str, Any]]
OUT = Path("out")
PRIVATE = ("log", ".synthgen", "commits", "manifest.json", "reports")
"""Parts of a dataset that hold times, hosts and names of staging files, or what other commands add."""
OF_MANIFEST = ("samples", "planned", "splits", "classes", "objects", "tries", "rejected", "short", "fields", "scores")
EVALUATION = Path("reports/evaluation.json")


@dataclass(frozen=True)
class Case:
    """One entry of the record. `needs` are the names of cases that run before it, in the same folder."""

    name: str
    needs: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def out(self) -> Path:
        return OUT / self.name

    def record(self) -> Record:
        """Runs it in the working folder.

        Raises:
            FailedError: a command failed.
        """
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

    def record(self) -> Record:
        planned = json.loads(synthgen("plan", self.recipe, *self.words, "--json")).get("digest")
        smoke = ["--smoke"] if self.smoke else []
        synthgen("run", self.recipe, *self.words, *smoke, "-o", self.out, "--workers", "1", "--device", "cpu")
        synthgen("verify", self.out)
        manifest = json.loads((self.out / "manifest.json").read_text())
        counts = {name: manifest[name] for name in OF_MANIFEST}
        here = {"digest": manifest["digest"], "identity": text_sha256(manifest["identity"]), **counts}
        here |= {"files": tree(self.out, PRIVATE), "loaded": forked(lambda: print(loaded_sha256(self.out))).strip()}
        if (self.out / EVALUATION).exists():
            here["evaluation"] = json.loads((self.out / EVALUATION).read_text())
        own_models = sorted(str(path) for path in Path("models").glob(f"{manifest['name']}-*"))
        everywhere: dict[str, Any] = {"recipe": self.recipe} | ({} if self.trained else {"digest": planned})
        return {"everywhere": everywhere | ({"own_models": own_models} if own_models else {}), "here": here}


@dataclass(frozen=True)
class Model(Case):
    """A recipe of a model through `train`: every file of what it saves, without its work folder."""

    recipe: str
    words: tuple[str, ...] = ()

    def record(self) -> Record:
        synthgen("train", self.recipe, *self.words, "-o", self.out, "--device", "cpu", "--quiet")
        return {"everywhere": {"recipe": self.recipe}, "here": {"files": tree(self.out, ("training",))}}


@dataclass(frozen=True)
class Output(Case):
    """What a command prints as JSON (with `--json` among its words), and the file or folder that it writes to `{out}`.

    Attributes:
        words: the command; `{0}`, `{1}` are the outputs of the cases that it needs.
        everywhere: what it writes follows from no weights.
    """

    words: tuple[str, ...]
    everywhere: bool = False

    def record(self) -> Record:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        printed = synthgen(*(word.format(*(OUT / name for name in self.needs), out=self.out) for word in self.words))
        found: dict[str, Any] = {}
        if self.out.is_dir():
            files = tree(self.out)
            found = {"files": files} if len(files) <= 6 else {"n_files": len(files), "sha256": text_sha256(files)}
        elif self.out.is_file():
            found = {"sha256": sha256(self.out)}
        if "--json" in self.words:
            found["json"] = json.loads(printed)
        return {"everywhere": found, "here": {}} if self.everywhere else {"everywhere": {}, "here": found}


def tree(folder: Path, private: tuple[str, ...] = ()) -> dict[str, str]:
    """Hashes of the files in a folder, by relative path."""
    parts = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(part): sha256(folder / part) for part in parts if part.parts[0] not in private}


def loaded_sha256(folder: Path) -> str:
    """Hash of all values that `synthgen.load` reads from a dataset: names, types, shapes and bits."""
    import numpy as np

    import synthgen

    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype} {value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        elif isinstance(value, dict):
            for name in sorted(value):
                add(name)
                add(value[name])
        elif isinstance(value, list | tuple):
            for each in value:
                add(each)
        else:
            digest.update(repr(value).encode())

    for sample in synthgen.load(folder):
        add(dict(sample))
    return digest.hexdigest()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def text_sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
