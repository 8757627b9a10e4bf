"""The one listing of people's folders: which images, files and subfolders are read, and what stops a reader."""

from __future__ import annotations

import os
from pathlib import Path

from synthgen.readers.images.opening import SUFFIXES
from synthgen.readers.problems import Problems

ENDINGS = ", ".join(sorted(SUFFIXES))
"""The endings of images, in words."""

SPLIT_WORDS = {"train": ("train", "training"), "val": ("val", "validation", "valid"), "test": ("test", "testing")}
"""What folders of the splits are called."""

UNLABELLED = {"unlabelled", "unlabeled"}
"""What a folder of images without labels is called, beside those of classes."""

LEFT_BEHIND = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}
"""What Windows, macOS and network drives put beside people's files, apart from names that begin with a dot."""


def pictures(folder: str | Path, nested: bool = True) -> list[Path]:
    """The image files of a folder, and with `nested` those of its subfolders, sorted by path.

    Endings count in any capitals. Hidden files and what operating systems leave behind are left out. Links are
    followed, and one that leads back to a folder around it is not entered twice.

    Raises:
        DataError: there is no such folder, it cannot be read, or some of its links lead nowhere.
    """
    return [path for path in files(folder, nested) if is_picture(path)]


def files(folder: str | Path, nested: bool = True) -> list[Path]:
    """The same of files of all kinds."""
    found, problems = _walk(Path(folder), nested)
    _check(problems)
    return sorted(path for path in found if path.is_file())


def folders(folder: str | Path) -> list[Path]:
    """The subfolders of a folder, which may be links, sorted by name: the classes, where there is one for each.

    Raises:
        DataError: as `pictures`.
    """
    found, problems = _walk(Path(folder), nested=False)
    _check(problems)
    return sorted(path for path in found if path.is_dir())


def class_folders(folder: str | Path) -> list[Path]:
    """The subfolders that stand for classes: all but one of images without labels.

    Raises:
        DataError: as `pictures`.
    """
    return [path for path in folders(folder) if path.name.lower() not in UNLABELLED]


def unlabelled_folder(folder: str | Path) -> Path | None:
    """The subfolder of images without labels, None if there is none; raises DataError as `pictures`."""
    return next((path for path in folders(folder) if path.name.lower() in UNLABELLED), None)


def split_folder(folder: str | Path, split: str) -> Path | None:
    """The subfolder of a split, under any of its names; None if there is none."""
    return next((path for word in SPLIT_WORDS[split] if (path := Path(folder) / word).is_dir()), None)


def is_picture(path: Path) -> bool:
    """Whether a file is an image, by its ending."""
    return path.suffix.lower() in SUFFIXES


def _check(problems: list[str]) -> None:
    collected = Problems()
    collected.add_lines(sorted(problems))
    collected.check()


def _walk(folder: Path, nested: bool, around: tuple[str, ...] = ()) -> tuple[list[Path], list[str]]:
    """Files and, unless they are entered, folders; and what is wrong with others. `around`: real paths of parents."""
    real = os.path.realpath(folder)
    parent = os.path.realpath(folder.parent)
    if real in around or (folder.is_symlink() and around and f"{parent}/".startswith(f"{real}/")):
        return [], []
    found: list[Path] = []
    problems: list[str] = []
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return [], [f"{folder}: no such folder"]
    except OSError as error:
        return [], [f"{folder}: cannot be read as a folder: {error.strerror or error}"]
    for path in (folder / name for name in names if not _left_out(name)):
        problem = _problem(path)
        if problem:
            problems.append(problem)
        elif nested and path.is_dir():
            more, worse = _walk(path, nested, (*around, real))
            found, problems = [*found, *more], [*problems, *worse]
        else:
            found.append(path)
    return found, problems


def _left_out(name: str) -> bool:
    return name.startswith(".") or name.lower() in LEFT_BEHIND


def _problem(path: Path) -> str:
    """What is wrong with a name in a folder, before it is opened; empty if nothing is."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return f"{str(path)!a}: its name is no UTF-8; rename it"
    if path.is_symlink() and not path.exists():
        return f"{path}: is a link to {path.readlink()}, which is not there; mend or remove the link"
    if not path.is_file() and not path.is_dir() and is_picture(path):
        return f"{path}: is no regular file; remove it"
    return ""
