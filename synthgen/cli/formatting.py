"""Words: how commands print counts, sizes, times and two-column tables."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthgen.base import units
from synthgen.base.names import printable

COMMAND = "SYNTHGEN_COMMAND"
"""In the environment of a job: the command that submits it again, which takes the place of the job's own."""

duration, size, counts, plural = units.duration, units.size, units.counts, units.plural


def prefix() -> str:
    """What to type before a command of this environment: `uv run ` under uv, else nothing."""
    return "uv run " if os.environ.get("UV_RUN_RECURSION_DEPTH") else ""


def given() -> str:
    """The command line of this process, to be given again; in a job, the one that submitted it."""
    return os.environ.get(COMMAND) or prefix() + shlex.join(["synthgen", *sys.argv[1:]])


def yaml_word(text: str) -> str:
    """Text as it stands in YAML between braces: quoted if it needs to be."""
    return text if re.fullmatch(r"[A-Za-z0-9_./-]+", text) else json.dumps(text, ensure_ascii=False)


def quoted(text: str) -> str:
    """One word of a shell, in double quotes if that is enough, which reads better around Python's single ones."""
    return f'"{text}"' if not set(text) & set('"$`\\!') else shlex.quote(text)


def regions(found: Mapping[str, Mapping[str, int]], n_samples: int) -> list[tuple[str, str]]:
    """Share of all pixels and number of images of each class, most frequent first, as rows of `table`."""
    total = sum(counts["pixels"] for counts in found.values())
    names = sorted(found, key=lambda name: -found[name]["pixels"])
    width = max(map(len, map(printable, names)), default=0)
    return [
        (
            "" if i else "pixels",
            f"{printable(name):<{width}}  {100 * found[name]['pixels'] / total:5.2f} %"
            f"  in {found[name]['images']} of {plural(n_samples, 'image')}",
        )
        for i, name in enumerate(names)
    ]


def slots(named: Iterable[Mapping[str, Any]]) -> str:
    """Keys of slots, with their classes where they have some."""
    return ", ".join(f"{slot['key']} ({slot['label']})" if slot.get("label") else slot["key"] for slot in named)


def more(items: Sequence[Any], shown: int) -> str:
    """` and 3 more`, or nothing."""
    return f" and {len(items) - shown} more" if len(items) > shown else ""


def known(value: int | None) -> str:
    return "an unknown number" if value is None else str(value)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equal length, aligned; the first one is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def table(rows: Iterable[tuple[str, str]]) -> str:
    """Name and value, aligned; rows without a value are left out."""
    kept = [(name, value) for name, value in rows if value]
    width = max((len(name) for name, _ in kept), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in kept)


def data_rows(columns: Mapping[str, str], rows: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the columns of a table are used as, and further facts on it, as rows of `table`."""
    roles = [("" if i else "columns", printable(f"{role}: {names}")) for i, (role, names) in enumerate(columns.items())]
    return [*roles, *((name, printable(text)) for name, text in rows.items())]
