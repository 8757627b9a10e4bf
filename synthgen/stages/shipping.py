"""What a job needs of this machine: the files that travel with it, and what the cluster's nodes must see."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.base.places import is_address
from synthgen.base.units import size
from synthgen.errors import UsageError
from synthgen.models import folders
from synthgen.parts.problem import Location
from synthgen.recipe.yaml_text import RecipeText

MOST_BYTES = 100_000_000
"""Ray's job server takes no more than 100 MiB."""

_PASSWORD = re.compile(r"://[^/\s@]+:[^/\s@]+@")
_WORDS = {"use", "kind", "name", "description", "licence"}  # keys whose values are never paths
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # zip knows no time before it; equal files make equal archives, which Ray keeps


@dataclass(frozen=True)
class Shipment:
    """The files of a job.

    Attributes:
        folder: where the job runs, if every node sees that; None for a folder of its own, which holds `files`.
        files: what travels, by its name in the job's folder.
        names: how the job calls the files that the command was given.
    """

    folder: Path | None
    files: Mapping[str, Path]
    names: Mapping[str, str]

    @property
    def n_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.files.values())

    def write(self, path: Path) -> None:
        """Writes a zip archive of the files; equal files give equal bytes."""
        with zipfile.ZipFile(path, "w") as archive:
            for name, file in sorted(self.files.items()):
                entry = zipfile.ZipInfo(name, _EARLIEST)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, file.read_bytes())


def ship(
    text: RecipeText,
    given: Sequence[str],
    out: str | None,
    shared: Sequence[str],
    models: Sequence[Path] = (),
    makes: Sequence[str] = (),
) -> Shipment:
    """Decides what travels with a job. Every path is read from the present folder, as `synthgen run` reads it.

    In a shared folder nothing travels: the job runs there. Elsewhere it gets a folder of its own, with the files that
    were given and whatever the recipe names by a relative path. Hidden files, and what trainings keep beside
    models, stay here.

    Args:
        given: files that the command names: the recipe and plug-ins.
        out: the output folder, as it was given.
        shared: folders that every node sees at the same path.
        models: folders of models that the recipe has without naming them.
        makes: what the run would make in the folder that it runs in, and every node must see.

    Raises:
        UsageError: all that the nodes would not see, and what to do about it.
    """
    here = Path.cwd()
    seen = [Path(os.path.normpath(each)) for each in shared]
    folder = here if _below(here, seen) else None
    wrong = [f"--shared {each}: must be an absolute path" for each in seen if not each.is_absolute()]
    if wrong := [*wrong, *_passwords(text, [out] if out else [])]:
        raise UsageError(*wrong)
    problems = _out_problems(out, folder)
    if not folder:
        problems += [f"{what} would be in the job's own folder, which only one node sees" for what in makes]
    names, files = _given(given, here, seen)
    if folder:
        problems += [f"{word}: only this machine sees it" for word in given if names[word] in files]
    for where, name in _named_paths(text):
        path = _placed(name, here)
        if _below(path, seen):
            if not folder and not Path(name).is_absolute():
                problems.append(f"{where}: {name} is in a shared folder, and the job is not; name it {path}")
        elif folder or Path(name).is_absolute() or ".." in Path(name).parts:
            problems.append(f"{where}: only this machine sees {name}")
        else:
            files |= _files_of(path, here)
    for model in [] if folder else models:
        files |= _files_of(here / model, here)
    shipment = Shipment(folder, files, names)
    problems += _too_large(shipment)
    if problems:
        raise UsageError(*problems, _WAYS_OUT)
    return shipment


def _given(given: Sequence[str], here: Path, seen: Sequence[Path]) -> tuple[dict[str, str], dict[str, Path]]:
    """What the job calls the files of the command, and those of them that travel, by these names."""
    names: dict[str, str] = {}
    files: dict[str, Path] = {}
    for i, word in enumerate(given):
        path = _placed(word, here)
        if _below(path, seen):
            names[word] = word if _below(here, seen) else str(path)
        else:
            names[word] = path.relative_to(here).as_posix() if path.is_relative_to(here) else f"given/{i}/{path.name}"
            files[names[word]] = path
    return names, files


def unseen(text: RecipeText, shared: Sequence[str]) -> bool:
    """Whether the recipe names something in a shared folder that is not there on this machine."""
    seen = [Path(os.path.normpath(each)) for each in shared]
    values = [value for _, value in _strings(text.data) if Path(value).is_absolute()]
    return any(_below(Path(value), seen) and not _exists(value) for value in values)


def in_stores(text: RecipeText) -> bool:
    """Whether the recipe names something in an object store, which nodes fetch with credentials of their own."""
    return any(is_address(value) for _, value in _strings(text.data))


def _out_problems(out: str | None, folder: Path | None) -> list[str]:
    if folder or (out and ("://" in out or Path(out).is_absolute())):
        return []
    where = "give -o an absolute path that every node sees, or a URL"
    if out is None:
        return [f"-o is missing: the dataset would be in the job's own folder, and lost with it; {where}"]
    return [f"-o {out}: would be in the job's own folder, and lost with it; {where}"]


_WAYS_OUT = (
    "What a job reads must travel with it (files below the present folder, named by a relative path, "
    f"{size(MOST_BYTES)} at most), or be on storage that every node sees at the same absolute path (say so with "
    "--shared FOLDER), or on a hub. Submitted from a shared folder, the job runs there and nothing travels"
)


def _placed(name: str, here: Path) -> Path:
    """The path, absolute and without `..`, in which links are as they are written."""
    return Path(os.path.normpath(here / name))


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except OSError:  # a text that is too long for a name
        return False


def _below(path: Path, parents: Sequence[Path]) -> bool:
    """Whether a path is one of these folders or in one, as it is written or by where links lead."""
    real = Path(os.path.realpath(path))
    return any(path.is_relative_to(each) or real.is_relative_to(os.path.realpath(each)) for each in parents)


def _named_paths(text: RecipeText) -> Iterator[tuple[str, str]]:
    """Every value of a recipe that is the name of a file or folder that exists, and where it stands."""
    for place, value in _strings(text.data):
        if value and place[-1] not in _WORDS and not value.startswith(folders.PREFIX) and _exists(value):
            yield f"{text.where(place)}: {'.'.join(map(str, place))}", value


def _strings(content: Any, place: Location = ()) -> Iterator[tuple[Location, str]]:
    if isinstance(content, str) and "\0" not in content:
        yield place, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _strings(value, (*place, key))
    elif isinstance(content, list):
        for i, value in enumerate(content):
            yield from _strings(value, (*place, i))


def _files_of(path: Path, here: Path) -> dict[str, Path]:
    """A file, or all of a folder, by its name from `here`; links are followed, hidden files are left out."""
    if path.is_file():
        return {path.relative_to(here).as_posix(): path}
    is_model = any((path / name).is_file() for name in folders.INDEXES)
    found: dict[str, Path] = {}
    for parent, subfolders, names in os.walk(path, followlinks=True):
        top_of_model = is_model and Path(parent) == path
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and not (top_of_model and name == "training")
        )
        files = [Path(parent) / name for name in names if not name.startswith(".")]
        found |= {file.relative_to(here).as_posix(): file for file in files if file.is_file()}
    return found


def _passwords(text: RecipeText, words: Sequence[str]) -> list[str]:
    """Job files can be read by everybody on the cluster."""
    said = [(word, word) for word in words]
    said += [(f"{text.where(place)}: {'.'.join(map(str, place))}", value) for place, value in _strings(text.data)]
    return [
        f"{_PASSWORD.sub('://...@', where)} has a password in it, and everybody on the cluster can read a job; give "
        "the nodes credentials of their own"
        for where, value in said
        if _PASSWORD.search(value)
    ]


def _too_large(shipment: Shipment) -> list[str]:
    if shipment.n_bytes <= MOST_BYTES:
        return []
    tops: dict[str, int] = {}
    for name, file in shipment.files.items():
        top = name.rpartition("/")[0] or name
        tops[top] = tops.get(top, 0) + file.stat().st_size
    largest = sorted(tops, key=lambda top: -tops[top])[:5]
    listed = ", ".join(f"{top} {size(tops[top])}" for top in largest)
    return [f"{size(shipment.n_bytes)} are too much to travel with a job; the largest: {listed}"]
