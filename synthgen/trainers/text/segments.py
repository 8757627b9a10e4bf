"""Texts as records of segments, which is what a model learns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from synthgen.models.text import roles
from synthgen.models.text.records import Record, Segment
from synthgen.readers.texts.records import Message, Texts


def records_of(texts: Texts) -> list[Record]:
    """A record for each of N, its segments in the order of `synthgen.models.text.roles`."""
    labels = [None] * len(texts) if texts.labels is None else [texts.classes[i] for i in texts.labels.tolist()]
    bodies: Iterator[Sequence[Segment]]
    if texts.kind == "utterances":
        bodies = _utterances(texts)
    elif texts.kind == "dialogues":
        assert texts.dialogues is not None
        bodies = (_dialogue(messages) for messages in texts.dialogues)
    elif texts.kind == "questions":
        bodies = _questions(texts)
    else:
        order = {
            "pairs": (roles.SOURCE, roles.TARGET),
            "facts": (roles.RELATION, roles.SUBJECT, roles.ANSWER, roles.QUESTION),
            "passages": (roles.TEXT,),
        }[texts.kind]
        columns = [(role, texts.texts[role]) for role in order if role in texts.texts]
        bodies = ([Segment(role, values[i]) for role, values in columns] for i in range(len(texts)))
    return [
        (*([Segment(roles.LABEL, label)] if label is not None else []), *body)
        for label, body in zip(labels, bodies, strict=True)
    ]


def classes_of(texts: Texts) -> dict[str, tuple[str, ...]]:
    """Names of the classes of each role that is no text: the label, and relations of facts, sorted."""
    found: dict[str, tuple[str, ...]] = {}
    if texts.labels is not None:
        found[roles.LABEL] = texts.classes
    if texts.kind == "facts":
        found[roles.RELATION] = tuple(sorted(set(texts.texts[roles.RELATION])))
    return found


def roles_of(records: Sequence[Record]) -> list[str]:
    """All roles by first appearance."""
    found: Mapping[str, None] = {segment.role: None for record in records for segment in record}
    return list(found)


def _utterances(texts: Texts) -> Iterator[list[Segment]]:
    spans = texts.spans or [()] * len(texts)
    for text, slots in zip(texts.texts[roles.TEXT], spans, strict=True):
        values = [Segment(roles.slot(texts.slot_classes[slot]), text[start:end]) for start, end, slot in slots]
        yield [*values, Segment(roles.TEXT, text)]


def _questions(texts: Texts) -> Iterator[list[Segment]]:
    contexts = texts.texts.get(roles.CONTEXT)
    for i, question in enumerate(texts.texts[roles.QUESTION]):
        answers = texts.answers[i] if texts.answers else ()
        before = [Segment(roles.CONTEXT, contexts[i])] if contexts else []
        yield [
            *before,
            *(Segment(roles.ANSWER, answer.text) for answer in answers[:1]),
            Segment(roles.QUESTION, question),
        ]


def _dialogue(messages: Sequence[Message]) -> list[Segment]:
    found = []
    for message in messages:
        found += [Segment(roles.act(act.act, act.slot), act.value) for act in message.acts]
        found.append(Segment(message.role, message.content))
    return found
