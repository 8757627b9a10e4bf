"""What records are and what their columns mean: by settings, by the format, or by the names of the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synthgen.errors import DataError
from synthgen.parts.registry import unknown
from synthgen.readers.texts.table import Table
from synthgen.readers.texts.types import Kind, TextData

ALIASES: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "utterance", "sentence", "query", "passage", "paragraph"),
    "label": ("label", "intent", "category", "class"),
    "slots": ("slots", "parts", "entities", "spans"),
    "source": ("source", "src", "source_text"),
    "target": ("target", "tgt", "trg", "target_text", "translation"),
    "context": ("context", "passage", "paragraph"),
    "question": ("question",),
    "answers": ("answers", "answer"),
    "messages": ("messages", "conversations", "conversation", "turns", "dialogue", "dialog"),
    "prompt": ("prompt",),
    "completion": ("completion", "response"),
    "subject": ("subject",),
    "relation": ("relation", "predicate", "property"),
    "answer": ("answer", "object"),
    "id": ("dialogue_id", "dialog_id", "conversation_id", "id"),
    "split": ("split",),
}
"""Names by which columns are found, in any capitals, the likeliest first."""

NEEDED: Mapping[Kind, tuple[tuple[str, ...], ...]] = {
    "utterances": (("text",), ("slots",)),
    "pairs": (("source", "target"),),
    "questions": (("question", "answers"),),
    "dialogues": (("messages",), ("prompt", "completion")),
    "facts": (("subject", "relation", "answer"),),
    "passages": (("text",),),
}
"""The roles that make records of a kind: any one of these sets."""

MORE: Mapping[Kind, tuple[str, ...]] = {
    "utterances": ("label", "slots"),
    "pairs": (),
    "questions": ("context",),
    "dialogues": ("id",),
    "facts": ("question",),
    "passages": (),
}
"""The further roles of a kind whose columns are found by their names."""

BY_NUMBER: Mapping[Kind, tuple[str, ...]] = {
    "utterances": ("text", "label"),
    "pairs": ("source", "target"),
    "questions": ("question", "answers"),
    "facts": ("subject", "relation", "answer", "question"),
    "passages": ("text",),
}
"""What the columns of a file without a header are, in order."""

ASKED = ("label", "id", "split")
"""Roles that records of every kind have where `columns` names a column for them."""

Roles = Mapping[str, str]
"""Columns by role."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What records are, and the column of each role."""

    kind: Kind
    roles: Roles


def known_names() -> set[str]:
    """Names, in small letters, that say what a column is."""
    return {name for names in ALIASES.values() for name in names}


def meaning_of(table: Table, data: TextData) -> Meaning:
    """The kind of a table's records and its columns by role.

    Raises:
        DataError: a column that the settings name is not there, the table lacks one that its kind needs, or it could be
            of several kinds or of none: lists them all.
    """
    asked = dict(data.columns.named)
    names = list(table.columns)
    lacking = [
        f"columns: {role}: {unknown(name, names, 'column')}" for role, name in asked.items() if name not in names
    ]
    lacking += [f"group: {unknown(data.group, names, 'column')}"] if data.group and data.group not in names else []
    if lacking:
        hint = [] if table.named else [_number_hint(table)]
        raise DataError(*(f"{table.path}: {text}" for text in lacking), *hint)
    if data.kind and table.kind and data.kind != table.kind and {data.kind, table.kind} != {"utterances", "passages"}:
        raise DataError(f"{table.path}: holds {table.kind}, and `kind: {data.kind}` asks for others")
    kind = data.kind or table.kind or ("pairs" if data.languages else None)
    kinds: Sequence[Kind] = (kind,) if kind else tuple(NEEDED)
    found = {one: roles for one in kinds if (roles := _roles(table, one, data)) is not None}
    if kind is None:
        found = _likely(found, table)
    if len(found) == 1:
        return next(Meaning(one, roles) for one, roles in found.items())
    raise DataError(*(_ambiguous(table, found) if found else _none(table, kinds)))


def _roles(table: Table, kind: Kind, data: TextData) -> Roles | None:
    """The columns of a kind's roles; None if one is lacking, or the settings name one that the kind does not have."""
    asked, names = data.columns.named, list(table.columns)
    allowed = {role for roles in NEEDED[kind] for role in roles} | set(MORE[kind]) | set(ASKED)
    if not asked.keys() <= allowed:
        return None
    taken = {*asked.values(), *([data.group] if data.group else [])}
    found = dict(asked)
    if not table.named:
        by_number = dict(zip(BY_NUMBER.get(kind, ()), (name for name in names if name not in taken), strict=False))
        found |= {role: name for role, name in by_number.items() if role not in found} if not asked else {}
    for roles in NEEDED[kind]:
        whole = _named(found, (*roles, *MORE[kind], "split"), names, taken, data)
        if whole.keys() >= set(roles):
            return {**whole, **({"group": data.group} if data.group else {})}
    return None


def _named(found: Roles, roles: Sequence[str], names: Sequence[str], taken: set[str], data: TextData) -> dict[str, str]:
    """`found`, and for each other role a column that is called so."""
    whole, used = dict(found), set(taken) | set(found.values())
    small = {name.casefold(): name for name in reversed(names)}
    for role in roles:
        if role in whole:
            continue
        aliases = ALIASES[role]
        if data.languages and role in ("source", "target"):
            aliases = (data.languages[role == "target"].casefold(), *aliases)
        name = next((small[alias] for alias in aliases if alias in small and small[alias] not in used), None)
        if name is not None:
            whole[role] = name
            used.add(name)
    return whole


def _likely(found: Mapping[Kind, Roles], table: Table) -> dict[Kind, Roles]:
    """Without the kinds that a table fits only because it fits another one that says more."""
    kinds = dict(found)
    if "facts" in kinds:
        kinds.pop("questions", None)
    if table.named and "utterances" in kinds and not kinds["utterances"].keys().isdisjoint(("label", "slots")):
        kinds.pop("passages", None)
    if "questions" in kinds and kinds["questions"].get("context") == kinds.get("passages", {}).get("text"):
        kinds.pop("passages", None)
        if kinds.get("utterances", {}).keys().isdisjoint(("label", "slots")):
            kinds.pop("utterances", None)
    if not table.named:
        width = len(table.columns)
        kinds = {kind: roles for kind, roles in kinds.items() if len(set(roles.values())) == width}
    return kinds


def _ambiguous(table: Table, found: Mapping[Kind, Roles]) -> list[str]:
    lines = [f"{table.path}: could hold {' or '.join(found)}; set `kind`, or name the columns in `columns`:"]
    for kind, roles in found.items():
        lines.append(f"  `kind: {kind}` with {', '.join(f'{role}: {name}' for role, name in roles.items())}")
    return lines if table.named else [*lines, _number_hint(table)]


def _none(table: Table, kinds: Sequence[Kind]) -> list[str]:
    what = "has the columns" if table.named else "has no header, and columns numbered"
    lines = [f"{table.path}: {what} {', '.join(table.columns)}; name those that are meant in `columns`:"]
    for kind in kinds:
        sets = [" and ".join(f"`{role}`" for role in roles) for roles in NEEDED[kind]]
        more = " (or `languages`, where columns are called as languages)" if kind == "pairs" else ""
        more += f" ({', '.join(f'`{role}`' for role in MORE[kind])} if there are any)" if MORE[kind] else ""
        lines.append(f"  {kind}: {', or '.join(sets)}{more}")
    if table.named and table.path.suffix.lower() in (".csv", ".tsv", ".tab"):
        return [*lines, "  if its first line is a record, set `header: false`"]
    return lines if table.named else [*lines, _number_hint(table)]


def _number_hint(table: Table) -> str:
    first = ", ".join(f"{name}: {str(cells[0])[:30]!r}" for name, cells in table.columns.items())
    return f"  its first line is a record ({first}); `header: true` makes it the names of the columns"
