"""The one listing of people's folders: which images, files and subfolders are read, and what stops a reader."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from synthgen.errors import DataError
from synthgen.readers.images.opening import SUFFIXES
from synthgen.readers.problems import Problems

ENDINGS = ", ".join(sorted(SUFFIXES))
"""The endings of images, in words."""

SPLIT_WORDS = {"train": ("train", "training"), "val": ("val", "validation", "valid"), "test": ("test", "testing")}
"""What the splits are called, by folders and by columns, in any capitals."""

UNREAD = frozenset(
    {".heic", ".heif", ".avif", ".jfif", ".jp2", ".j2k", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".psd"}
    | {".svg", ".tga", ".ppm", ".pgm", ".pbm", ".pnm", ".exr", ".hdr", ".dcm", ".npy", ".npz"}
)
"""Endings of images that no reader reads, which people should know."""

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
    """The subfolder of a split, under any of its names in any capitals; None if there is none.

    Raises:
        DataError: there are several.
    """
    found = [path for path in _walk(Path(folder), nested=False)[0] if split_of(path.name) == split and path.is_dir()]
    if len(found) > 1:
        raise DataError(f"{found[0]} and {found[1]}: both are called after the split `{split}`; keep one of them")
    return found[0] if found else None


def split_of(word: object) -> str | None:
    """The split that a word stands for, in any capitals; None for other words."""
    lower = str(word).strip().lower()
    return next((split for split, words in SPLIT_WORDS.items() if lower in words), None)


def split_problem(word: object) -> str:
    """What is wrong with a value of a column `split`; empty if it is the word of one."""
    accepted = ", ".join(known for words in SPLIT_WORDS.values() for known in words)
    return "" if split_of(word) else f"split: `{word}` is no split; {accepted} are accepted"


def unread(paths: Iterable[Path]) -> str:
    """How many images, of those that were found, have endings that are not read, in words; empty if none have."""
    endings = Counter(path.suffix.lower() for path in paths if path.suffix.lower() in UNREAD)
    listed = ", ".join(f"{n} {ending}" for ending, n in sorted(endings.items()))
    return f"images that are not read, because of their format: {listed}; {ENDINGS} are" if listed else ""


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
