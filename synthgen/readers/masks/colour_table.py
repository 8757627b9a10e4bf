"""The table of what the colours of masks mean: a .csv file with the columns r, g, b and name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.fields import IGNORE
from synthgen.readers.masks.files import BACKGROUND, UNKNOWN, Colour
from synthgen.readers.problems import Problems
from synthgen.readers.text_table import load_table

COLUMNS = ("r", "g", "b", "name")
TABLES = Path(__file__).with_name("tables")
"""Well-known colours of classes, in files of the same form."""


def place(folder: str | Path, name: str) -> Path:
    """The table that `colours: NAME` means: a file in the folder of the data, or a well-known one."""
    own, known = local_path(folder) / name, TABLES / f"{name}.csv"
    return known if known.is_file() and not own.is_file() else own


def fitting(colours: Collection[Colour]) -> list[str]:
    """The well-known tables that list all of some colours."""
    return [path.stem for path in sorted(TABLES.glob("*.csv")) if set(colours) <= names(path).keys()]


def palette(path: Path) -> list[str]:
    """The first colour of each class of objects, as '#rrggbb'."""
    first: dict[str, str] = {}
    for (r, g, b), name in names(path).items():
        first.setdefault(name, f"#{r:02x}{g:02x}{b:02x}")
    return [first[name] for name in objects(path)]


def names(path: Path) -> dict[Colour, str]:
    """What each colour stands for, in the order of the file; several colours may stand for one name.

    Raises:
        DataError: names every row that is wrong.
    """
    table, problems = load_table(path), Problems()
    table.require(*COLUMNS)
    words = table.names("name", problems)
    found: dict[Colour, str] = {}
    for row, values in enumerate(table.rows):
        texts = [str(values[column]).strip() for column in COLUMNS[:3]]
        if not all(text.isascii() and text.isdigit() and len(text) < 4 and int(text) < 256 for text in texts):
            problems.add(f"{table.where(row)}: r, g and b must be whole numbers from 0 to 255 (got {', '.join(texts)})")
            continue
        colour = (int(texts[0]), int(texts[1]), int(texts[2]))
        if found.setdefault(colour, words[row]) != words[row]:
            problems.add(f"{table.where(row)}: the colour {','.join(texts)} stands for `{found[colour]}` already")
    problems.check()
    return found


def objects(path: Path) -> list[str]:
    """The classes of objects that a table names, in its order."""
    return [name for name in dict.fromkeys(names(path).values()) if name not in (BACKGROUND, UNKNOWN)]


def ids(path: Path, objects: Sequence[str]) -> Mapping[Colour, int]:
    """The class id of each colour: 0 for `background`, 255 for `unknown`, and from 1 on for `objects`.

    Raises:
        DataError: the table names other objects.
    """
    numbers = {BACKGROUND: 0, UNKNOWN: IGNORE} | {name: i for i, name in enumerate(objects, start=1)}
    found = names(path)
    strange = sorted(set(found.values()) - set(numbers))
    if strange:
        raise DataError(
            f"{path}: names {', '.join(strange)}, which `objects: {list(objects)}` does not; accepted beside objects "
            f"are `{BACKGROUND}` and `{UNKNOWN}`"
        )
    return {colour: numbers[name] for colour, name in found.items()}
