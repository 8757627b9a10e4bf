"""Which files texts are read from, the split that each belongs to, and the class that its folder stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.texts.cells import WORDS
from synthgen.readers.texts.types import SPLITS, Split, TextData

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".tmx", ".conll", ".bio", ".iob")
ENDINGS = (*TABLES, ".txt")
ACCEPTED = f"accepted are {', '.join(ENDINGS)} files, alone or in a folder, and a folder of .txt files a class"
PART_OF_SEVERAL = re.compile(r"-\d+-of-\d+$")


@dataclass(frozen=True, slots=True)
class Place:
    """A file: the split that its name or a setting says, and the class that its folder stands for."""

    path: Path
    split: Split | None = None
    label: str | None = None


def places_of(data: TextData) -> list[Place]:
    """All files that are read, in order of their paths; those of `validation` and `test` last.

    Raises:
        DataError: there is nothing to read, or what there is is of several kinds; or a split has two places.
    """
    found = _below(data.texts)
    own = {place.split for place in found if place.split}
    for split, name in data.own_files.items():
        if split in own:
            raise DataError(f"{data.texts}: has files of the split `{split}`; leave out `{split}: {name}`")
        found += _of_split(name, split)
    if own and "train" not in own:
        first = next(place.path for place in found if place.split)
        raise DataError(f"{data.texts}: has files of splits such as {first.name}, and none called train")
    for split in data.shares:
        if split in own:
            raise DataError(
                f"{data.texts}: has files of the split `{split}`; leave out the share `{split}: {data.shares[split]}`"
            )
    twice = [
        place.path for i, place in enumerate(found) if place.path.resolve() in {p.path.resolve() for p in found[:i]}
    ]
    if twice:
        raise DataError(f"{twice[0]}: is named for two splits; every split needs files of its own")
    return [Place(p.path, p.split or ("train" if own else None), p.label) for p in found]


def _of_split(name: str, split: Split) -> list[Place]:
    """The files of a place that is named for one split: those of its own split of this name, or all of them."""
    there = _below(name)
    chosen = [place for place in there if place.split == split] if any(place.split for place in there) else there
    if not chosen:
        raise DataError(f"{name}: has files of other splits, and none of `{split}`; name the file that is meant")
    return [Place(place.path, split, place.label) for place in chosen]


def _below(name: str) -> list[Place]:
    root = local_path(name)
    if root.is_file():
        if root.suffix.lower() not in ENDINGS:
            raise DataError(f"{name}: is of no kind that is read; {ACCEPTED}")
        return [Place(root)]
    if not root.is_dir():
        raise DataError(f"{name}: no such file or folder; {ACCEPTED}")
    files = [path for path in listing.files(root) if path.suffix.lower() in ENDINGS]
    tables = [path for path in files if path.suffix.lower() in TABLES]
    if tables:
        return _split(root, _of_one_kind(name, tables))
    if not files:
        raise DataError(f"{name}: has no files that are read; {ACCEPTED}")
    return _classes(name, root, _split(root, files))


def _of_one_kind(name: str, files: Sequence[Path]) -> list[Path]:
    endings = sorted({path.suffix.lower() for path in files})
    if len(endings) > 1:
        raise DataError(f"{name}: has files of several kinds ({', '.join(endings)}); name one of them in `texts`")
    return list(files)


def _split(root: Path, files: Sequence[Path]) -> list[Place]:
    """Files with the split that their name or their topmost folder says; all of them, or none.

    Raises:
        DataError: some files say a split, and others do not.
    """
    splits = [_word(path.relative_to(root)) for path in files]
    rest = [path for path, split in zip(files, splits, strict=True) if split is None]
    if rest and len(rest) < len(files):
        named = next(path for path, split in zip(files, splits, strict=True) if split)
        raise DataError(
            f"{root}: {named.relative_to(root)} is called as a split, and {rest[0].relative_to(root)} is not; name the "
            "file of the training data in `texts`, and others in `validation` and `test`"
        )
    return [Place(path, split) for path, split in zip(files, splits, strict=True)]


def _word(path: Path) -> Split | None:
    first = path.parts[0] if len(path.parts) > 1 else PART_OF_SEVERAL.sub("", path.stem)
    place = WORDS.get(first.casefold())
    return None if place is None else SPLITS[place]


def _classes(name: str, root: Path, places: Sequence[Place]) -> list[Place]:
    """Text files with the class that their folder stands for, if they are in folders."""
    found: list[Place] = []
    for place in places:
        folders = place.path.relative_to(root).parts[:-1]
        folders = folders[1:] if place.split and folders else folders
        found.append(Place(place.path, place.split, folders[0] if folders else None))
    loose = [place.path for place in found if place.label is None]
    if loose and len(loose) < len(found):
        raise DataError(
            f"{name}: {loose[0].name} is in no folder of a class, and others are; put it into one, or move it away"
        )
    return found
