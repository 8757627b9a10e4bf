"""The texts of a generated dataset, as measures compare them with real ones of one kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthgen.dataset.loading import Dataset
from synthgen.errors import DataError
from synthgen.fields import Acts, Answers, Chat, Label, Schema, Spans, Text, Translation
from synthgen.measures.texts.corpus import FACT, Corpus, Fact, Reading, Turn
from synthgen.readers.texts.reader import Texts

NEEDS: Mapping[str, str] = {
    "utterances": "a text `text`",
    "passages": "a text `text`",
    "pairs": "a translation, or texts `source` and `target`",
    "facts": "texts `relation` and `question` (or `subject` and `answer`, where real ones have no questions)",
    "questions": "a text `question`",
    "dialogues": "a dialogue",
}
"""What a dataset must have to be compared with real texts of a kind."""


def from_dataset(dataset: Dataset, folder: str, real: Texts, name: str) -> tuple[Corpus, tuple[str, ...]]:
    """The texts of a dataset in `folder`, and the parts that the condition gave, which are not measured.

    Args:
        real: what they are compared with, which messages call `name`.

    Raises:
        DataError: the dataset has no texts of that kind, other languages, or classes or slots that the real ones lack.
    """
    fields, kind = dataset.fields, real.kind
    columns = _columns(fields, real)
    if not columns:
        raise DataError(
            f"{folder} cannot be compared with {name}, whose records are {kind}: they need {NEEDS[kind]}, and its "
            f"fields are {', '.join(fields)}"
        )
    samples: list[Mapping[str, Any]] = list(dataset)
    if not samples:
        raise DataError(f"{folder}: has no samples in the split that is measured")
    given = {role for sample in samples for role in sample["meta"]["condition"]}
    parts = {part: tuple(_text(sample, field, key) for sample in samples) for part, (field, key) in columns.items()}
    roles = dict(zip(("source", "target"), parts, strict=True)) if kind == "pairs" else {part: part for part in parts}
    apart = tuple(part for role, part in roles.items() if role in given)
    measured = {part: values for part, values in parts.items() if part not in apart and part != "relation"}
    if not measured:
        raise DataError(f"{folder}: all its texts were given by the condition; there is nothing to measure")
    labels = _labels(dataset, samples, parts, real, folder, name)
    made = Corpus(
        kind=kind,
        parts=measured,
        labels=labels,
        spans=_spans(fields, samples, real, folder, name),
        pairs=tuple(zip(*parts.values(), strict=True)) if kind == "pairs" else None,
        readings=_readings(fields, samples) if kind == "questions" else None,
        facts=_facts(fields, samples) if kind == "facts" else None,
        dialogues=_dialogues(fields, samples) if kind == "dialogues" else None,
    )
    return made, apart


def _columns(fields: Schema, real: Texts) -> dict[str, tuple[str, str]]:
    """Parts of a record by name: the field that each is in, and the key inside it, if it has one; empty if it lacks."""
    texts = {name for name, field in fields.items() if isinstance(field, Text)}
    if real.kind == "dialogues":
        chats = [name for name, field in fields.items() if isinstance(field, Chat)]
        return {"messages": (chats[0], "")} if chats else {}
    if real.kind == "pairs":
        return _pair_columns(fields, texts, real.languages)
    asked = ("question",) if "question" in real.texts else ("subject", "answer")
    wanted = {"facts": ("relation", *asked), "questions": ("question",)}.get(real.kind, ("text",))
    if not set(wanted) <= texts:
        return {}
    more = ("context",) if real.kind == "questions" and "context" in texts and "context" in real.texts else ()
    return {role: (role, "") for role in (*wanted, *more)}


def _pair_columns(fields: Schema, texts: set[str], languages: tuple[str, str] | None) -> dict[str, tuple[str, str]]:
    """Source and target: a translation between the languages of the real pairs, if they are known, or two texts."""
    for name, field in fields.items():
        if isinstance(field, Translation) and len(field.languages) == 2:
            if languages is None:
                return dict(zip(("source", "target"), ((name, key) for key in field.languages), strict=True))
            if set(field.languages) == set(languages):
                return {language: (name, language) for language in languages}
    both = ("source", "target")
    return {role: (role, "") for role in both} if set(both) <= texts else {}


def _text(sample: Mapping[str, Any], field: str, key: str) -> str:
    value = sample[field]
    if isinstance(value, str):
        return value
    return str(value[key]) if key else "\n".join(message["content"] for message in value)


def _labels(
    dataset: Dataset,
    samples: Sequence[Mapping[str, Any]],
    parts: Mapping[str, tuple[str, ...]],
    real: Texts,
    folder: str,
    name: str,
) -> tuple[str, ...] | None:
    """The class of each sample: of facts its relation, else what `label` says, or what the condition asked for."""
    if real.kind == "facts":
        return parts["relation"]
    if real.labels is None:
        return None
    field = dataset.fields.get("label")
    if isinstance(field, Label):
        found = [field.classes[sample["label"]] for sample in samples]
    elif all("label" in sample["meta"]["condition"] for sample in samples):
        found = [str(sample["meta"]["condition"]["label"]) for sample in samples]
    else:
        return None
    _refuse("classes", found, real.classes, folder, name)
    return tuple(found)


def _spans(
    fields: Schema, samples: Sequence[Mapping[str, Any]], real: Texts, folder: str, name: str
) -> tuple[tuple[tuple[int, int, str], ...], ...] | None:
    chosen = [(key, field) for key, field in fields.items() if isinstance(field, Spans) and field.of == "text"]
    if real.spans is None or not chosen:
        return None
    key, field = chosen[0]
    _refuse(
        "slots", (field.classes[span["label"]] for s in samples for span in s[key]), real.slot_classes, folder, name
    )
    return tuple(tuple((s["start"], s["end"], field.classes[s["label"]]) for s in sample[key]) for sample in samples)


def _refuse(what: str, found: Iterable[str], known: Sequence[str], folder: str, name: str) -> None:
    if strange := sorted(set(found) - set(known)):
        raise DataError(f"{folder} has the {what} {strange}, which {name} lacks; it has {list(known)}")


def _readings(fields: Schema, samples: Sequence[Mapping[str, Any]]) -> tuple[Reading, ...] | None:
    answers = next((name for name, field in fields.items() if isinstance(field, Answers)), None)
    if answers is None or not {"context", "question"} <= set(fields):
        return None
    return tuple(Reading(s["context"], s["question"], tuple(s[answers]["text"])) for s in samples)


def _facts(fields: Schema, samples: Sequence[Mapping[str, Any]]) -> tuple[Fact, ...] | None:
    if not all(isinstance(fields.get(name), Text) for name in FACT):
        return None
    return tuple(Fact(*(sample[name] for name in FACT)) for sample in samples)


def _dialogues(fields: Schema, samples: Sequence[Mapping[str, Any]]) -> tuple[tuple[Turn, ...], ...]:
    chat = next(name for name, field in fields.items() if isinstance(field, Chat))
    about = next((name for name, field in fields.items() if isinstance(field, Acts) and field.of == chat), None)
    found = []
    for sample in samples:
        messages = sample[chat]
        acts = sample[about] if about else [()] * len(messages)
        found.append(
            tuple(
                Turn(message["role"], message["content"], tuple((a["act"], a["slot"], a["value"]) for a in some))
                for message, some in zip(messages, acts, strict=True)
            )
        )
    return tuple(found)
