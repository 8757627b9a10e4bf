"""What a kind of text knows: the segments that a record has, what a condition asks of it, the fields of a sample."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from synthgen.fields import Field, Label, Plan, Schema, Text, first
from synthgen.models.text import roles
from synthgen.models.text.segments import Record, Segment
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


@dataclass(frozen=True, slots=True)
class Known:
    """What a model was trained on.

    Attributes:
        model: what messages call it; kind: of its records.
        roles: of segments; classes: their names, of each role that is no text.
        languages: of source and target of pairs, empty where they are not known.
    """

    model: str
    kind: str
    roles: tuple[str, ...]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    languages: tuple[str, ...] = ()


class Texts(Protocol):
    """Records of one kind as readers have them: see `synthgen.readers.texts.records.Texts`."""

    @property
    def kind(self) -> str: ...
    @property
    def texts(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def labels(self) -> np.ndarray | None: ...
    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def spans(self) -> Sequence[Sequence[tuple[int, int, int]]] | None: ...
    @property
    def slot_classes(self) -> Sequence[str]: ...
    @property
    def answers(self) -> Sequence[Sequence[Any]] | None: ...
    @property
    def dialogues(self) -> Sequence[Sequence[Any]] | None: ...
    def __len__(self) -> int: ...


class Form(Protocol):
    """The record that a model makes around what is given: `TextPipeline.form` with a seed."""

    def __call__(self, given: Mapping[str, str], closed: Collection[str] = ()) -> Record: ...


class Kind:
    """One kind of text. A new one derives from this, in a file of its own, and is listed in `KINDS`.

    What is here serves kinds whose records are the texts of some columns.

    Attributes:
        order: roles of the columns, in the order of a record's segments.
        given: what a condition of real texts gives by default.
        part: what the parts are called that a record is written in, one after another; empty if it is written whole.
        written: roles of the texts that a model is mostly asked to write where all else is given; empty if any.
    """

    order: ClassVar[Sequence[str]] = ()
    given: ClassVar[Sequence[str]] = ()
    part: ClassVar[str] = ""
    written: ClassVar[Sequence[str]] = ()

    # From data to what a model learns.

    def segments(self, texts: Texts, row: int) -> list[Segment]:
        """The segments of a record in order, without its label."""
        return [Segment(role, texts.texts[role][row]) for role in self.order if role in texts.texts]

    def classes(self, texts: Texts) -> dict[str, tuple[str, ...]]:
        """Names of the classes of each role that is no text, without the label."""
        return {}

    def parts(self, record: Record) -> list[int]:
        """Where the parts of a record end that are written one after another, as numbers of its segments."""
        return [len(record)]

    # From a condition to what a model is asked.

    def asked(self, condition: Schema, known: Known) -> tuple[str, ...]:
        """The fields of a condition that say what a record holds."""
        return tuple(name for name in known.roles if name in condition)

    def problems(self, condition: Schema, known: Known) -> list[Problem]:
        """What a model cannot do of what a condition asks."""
        found = []
        if roles.LABEL in known.classes and not isinstance(condition.get(roles.LABEL), Label):
            found.append(Problem("needs a condition with classes, such as `use: classes`", (roles.LABEL,)))
        for name in self.asked(condition, known):
            field, classes = condition[name], known.classes.get(name)
            if isinstance(field, Label) and classes is not None:
                what = "class" if name == roles.LABEL else name
                wrong = [unknown(each, classes, what) for each in field.classes if each not in classes]
                found += [Problem(f"{known.model}: {text}", (name,)) for text in wrong]
            elif name in known.roles and name != roles.LABEL and not isinstance(field, Text):
                found.append(Problem(f"`{name}` must be a text", (name,)))
        return [*found, *self.slot_problems(condition, known), *self.plan_problems(condition, known)]

    def slot_problems(self, condition: Schema, known: Known) -> list[Problem]:
        """Slots that a condition asks for and a model of this kind does not know."""
        asked = [name for name in condition if name.startswith(roles.SLOT)]
        return [Problem(f"{known.model} is one of {known.kind}, which have no slots", (name,)) for name in asked[:1]]

    def plan_problems(self, condition: Schema, known: Known) -> list[Problem]:
        """Plans of dialogues that a model of this kind cannot follow."""
        name, plan = first(condition, Plan)
        text = f"{known.model} is one of {known.kind}, and the condition plans dialogues"
        return [] if plan is None else [Problem(text, (name,))]

    def record(self, given: Mapping[str, Any], form: Form, known: Known) -> Record:
        """The record to generate.

        Args:
            given: values of the fields `asked`, classes by their names.
        """
        return form({role: str(value) for role, value in given.items()})

    # From a generated record to a sample.

    def fields(self, known: Known) -> dict[str, Field]:
        """The fields of a sample."""
        return {role: Text() for role in known.roles if role != roles.LABEL}

    def values(self, record: Record, known: Known) -> dict[str, Any]:
        """The values of these fields."""
        found = contents(record)
        return {role: found.get(role, "") for role in known.roles if role != roles.LABEL}


def contents(record: Record) -> dict[str, str]:
    """The last content of each role of a generated record."""
    return {segment.role: segment.content or "" for segment in record}
