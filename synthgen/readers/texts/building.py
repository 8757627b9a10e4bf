"""Tables into one value `Texts`: cells by role, checked; what is too long left out; classes numbered; splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from synthgen.base.cache import with_addresses
from synthgen.errors import DataError
from synthgen.readers.problems import Problems
from synthgen.readers.texts import answers, cells, chats, slots
from synthgen.readers.texts.dividing import HELD_OUT, divided
from synthgen.readers.texts.places import Place
from synthgen.readers.texts.records import Span, Texts
from synthgen.readers.texts.remarks import remarks
from synthgen.readers.texts.roles import Meaning
from synthgen.readers.texts.table import Table
from synthgen.readers.texts.types import SPLITS, VALIDATION, Split, TextData

TEXT_ROLES = ("text", "source", "target", "context", "question", "subject", "relation", "answer")
GROUP_ROLES = ("id", "group")
FILES_NAMED = 3
FILES_THAT_GROUP = 10
"""Passages of one file stay in one split where there are at least so many files."""

Read = tuple[Place, Table, Meaning]


@dataclass(slots=True)
class _Columns:
    """The cells of all tables by role; lists of equal length, or empty where no table has the role."""

    by_role: dict[str, list[Any]] = field(default_factory=dict)
    file_of: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)

    def drop(self, kept: np.ndarray) -> None:
        rows = kept.tolist()
        self.by_role = {role: [values[row] for row in rows] for role, values in self.by_role.items()}
        self.file_of, self.lines, self.given = (
            [values[row] for row in rows] for values in (self.file_of, self.lines, self.given)
        )


def build(tables: Sequence[Read], data: TextData) -> Texts:
    """The records of all tables.

    Raises:
        DataError: cells that cannot be what their role needs, files of one folder whose roles differ; all of them.
    """
    roles = tables[0][2].roles
    problems = Problems()
    found = _Columns()
    for number, (place, table, meaning) in enumerate(tables):
        if meaning.roles.keys() != roles.keys():
            problems.add(
                f"{table.path}: has {_said(meaning.roles)}, and {tables[0][1].path.name} has {_said(roles)}; all files "
                "must have the same ones"
            )
            continue
        own = _cells_of(table, meaning, problems)
        for role, values in own.items():
            found.by_role.setdefault(role, []).extend(values)
        found.file_of += [number] * len(table)
        found.lines += table.lines
        found.given += own.pop("split", [SPLITS.index(place.split) if place.split else -1] * len(table))
    problems.check()
    found.by_role.pop("split", None)
    left_out: Counter[str] = Counter()
    for _, table, _ in tables:
        left_out.update(table.left_out)
    _drop_long(found, data, left_out)
    texts = _of_columns(found, tables, data, left_out)
    return _with_splits(texts, found, data)


def _said(roles: Mapping[str, str]) -> str:
    return ", ".join(f"{role}: {name}" for role, name in roles.items())


def _cells_of(table: Table, meaning: Meaning, problems: Problems) -> dict[str, list[Any]]:
    """The checked cells of a table by role."""
    roles = meaning.roles
    found: dict[str, list[Any]] = {
        role: cells.texts(table, roles[role], problems) for role in TEXT_ROLES if role in roles
    }
    if "slots" in roles:
        found["text"], found["slots"] = slots.spans(table, roles["slots"], found.get("text"), problems)
    if "answers" in roles:
        found["answers"] = answers.answers(table, roles["answers"], found.get("context"), problems)
    if "messages" in roles:
        found["messages"] = chats.dialogues(table, roles["messages"], problems)
    elif "prompt" in roles:
        both = [cells.texts(table, roles[role], problems) for role in ("prompt", "completion")]
        found["messages"] = chats.exchanges(*both)
    if "label" in roles:
        found["label"] = cells.labels(table, roles["label"], problems)
    if "split" in roles:
        found["split"] = cells.splits(table, roles["split"], problems)
    for role in GROUP_ROLES:
        if role in roles:
            found[role] = cells.keys(table, roles[role], problems)
    return found


def _drop_long(found: _Columns, data: TextData, left_out: Counter[str]) -> None:
    if data.max_characters is None:
        return
    longest = np.zeros(len(found.lines), dtype=np.int64)
    for role, values in found.by_role.items():
        if role in TEXT_ROLES:
            longest = np.maximum(longest, [len(text) for text in values])
        elif role == "messages":
            longest = np.maximum(longest, [max(len(message.content) for message in one) for one in values])
        elif role == "answers":
            longest = np.maximum(longest, [max((len(answer.text) for answer in one), default=0) for one in values])
    kept = np.flatnonzero(longest <= data.max_characters)
    if len(kept) < len(longest):
        left_out[f"longer than `max_characters: {data.max_characters}`"] += len(longest) - len(kept)
        found.drop(kept)
    if not len(kept):
        raise DataError(
            f"{data.texts}: all {len(longest):,} records have a text of more than `max_characters: "
            f"{data.max_characters}`; the longest one of the shortest record has {longest.min():,}"
        )


def _of_columns(found: _Columns, tables: Sequence[Read], data: TextData, left_out: Counter[str]) -> Texts:
    by_role = found.by_role
    classes, labels = _numbered(by_role["label"]) if "label" in by_role else ((), None)
    slot_classes: tuple[str, ...] = ()
    spans = None
    if "slots" in by_role:
        slot_classes = tuple(sorted({name for one in by_role["slots"] for _, _, name in one}))
        ids = {name: i for i, name in enumerate(slot_classes)}
        spans = tuple(tuple(Span(start, end, ids[name]) for start, end, name in one) for one in by_role["slots"])
    n = len(found.lines)
    return Texts(
        kind=tables[0][2].kind,
        texts={role: tuple(by_role[role]) for role in TEXT_ROLES if role in by_role},
        files=tuple(with_addresses(str(table.path)) for _, table, _ in tables),
        file_of=_constant(np.array(found.file_of, dtype=np.int32)),
        lines=_constant(np.array(found.lines, dtype=np.int32)),
        splits=_constant(np.zeros(n, dtype=np.int8)),
        labels=None if labels is None else _constant(labels),
        classes=classes,
        spans=spans,
        slot_classes=slot_classes,
        answers=tuple(by_role["answers"]) if "answers" in by_role else None,
        dialogues=tuple(by_role["messages"]) if "messages" in by_role else None,
        languages=data.languages or tables[0][1].languages,
        roles=tables[0][2].roles,
        left_out=dict(left_out),
        notes=tuple(_of_files(tables)),
    )


def _of_files(tables: Sequence[Read]) -> Iterator[str]:
    """The notes on files, each once, with the files that it is on."""
    files: dict[str, list[str]] = {}
    for _, table, _ in tables:
        for note in table.notes:
            files.setdefault(note, []).append(table.path.name)
    for note, names in files.items():
        more = f" and {len(names) - FILES_NAMED} more" if len(names) > FILES_NAMED else ""
        yield f"{', '.join(names[:FILES_NAMED])}{more}: {note}"


def _numbered(names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names, sorted, and the id of each record."""
    classes = tuple(sorted(set(names)))
    ids = {name: i for i, name in enumerate(classes)}
    return classes, np.array([ids[name] for name in names], dtype=np.int64)


def _with_splits(texts: Texts, found: _Columns, data: TextData) -> Texts:
    given = np.array(found.given, dtype=np.int8)
    there = {split for i, split in enumerate(SPLITS) if (given == i).any()}
    shares: dict[Split, float] = {"validation": VALIDATION, "test": 0.0, **data.shares}
    for split in there & data.shares.keys():
        raise DataError(f"{data.texts}: has records of the split `{split}`; leave out the share of `{split}`")
    groups = [found.by_role[role] for role in GROUP_ROLES if role in found.by_role]
    notes = []
    if texts.kind == "passages" and len(texts.files) >= FILES_THAT_GROUP:
        groups.append([str(number) for number in found.file_of])
        notes.append(f"passages of one file stay in one split ({len(texts.files):,} files)")
    drawn = {split: shares[split] for split in HELD_OUT if split not in there}
    splits, more = divided(texts, given, groups, drawn, data.seed)
    return replace(texts, splits=_constant(splits), notes=(*texts.notes, *notes, *more, *remarks(texts)))


def _constant(values: np.ndarray) -> np.ndarray:
    values.flags.writeable = False
    return values
