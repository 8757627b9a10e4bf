"""Classes: the table beside an export that says which name stands for which class."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

FILE = "classes.csv"


def write_classes(out: Path, classes: Sequence[str], used: Sequence[str], first_id: int, what: str) -> list[str]:
    """Writes `id,class,name` with the name that the export uses; says so where it is not the class's own.

    Args:
        what: such as `folders`: what bears the names.
    """
    if not classes:
        return []
    with open(out / FILE, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "class", "name"])
        table.writerows(zip(range(first_id, first_id + len(classes)), classes, used, strict=True))
    n_changed = sum(name != cls for name, cls in zip(used, classes, strict=True))
    return [f"{n_changed} {what} bear another name than their class; {FILE} says which"] if n_changed else []
