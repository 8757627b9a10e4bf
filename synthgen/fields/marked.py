"""Fields that mark parts of a text in another field: spans with classes, and answers to questions.

Offsets count characters (code points), as `text[start:end]` in Python does, not bytes and not UTF-16 units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from synthgen.errors import DataError
from synthgen.fields.field import Field
from synthgen.fields.names import numbered
from synthgen.fields.shown import Highlights, Shown
from synthgen.fields.texts import STRING, check_text

ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Spans(Field):
    """Parts of the text in field `of`, each with a class: a list of `{"start": ..., "end": ..., "label": ...}`.

    `end` is exclusive, `label` a class id from 0 to len(classes) - 1. Spans are sorted, have a character or more, and
    do not overlap; they may touch.
    """

    of: str
    classes: tuple[str, ...]
    type: ClassVar[str] = "spans"
    croissant_type: ClassVar[str] = "sc:StructuredValue"
    repeated: ClassVar[bool] = True

    @property
    def refers_to(self) -> str:
        return self.of

    def check(self, name: str, value: Any) -> None:
        keys = {"start", "end", "label"}
        if not isinstance(value, Sequence) or not all(isinstance(s, Mapping) and set(s) == keys for s in value):
            raise DataError(f"field `{name}`: must be a list of dicts with the keys start, end, label")
        before = 0
        for span in value:
            if not all(_whole(span[key]) for key in keys):
                raise DataError(f"field `{name}`: start, end and label must be whole numbers (got {dict(span)})")
            if not 0 <= span["label"] < len(self.classes):
                raise DataError(f"field `{name}`: has the class id {span['label']}; 0 to {len(self.classes) - 1} exist")
            if not 0 <= span["start"] < span["end"]:
                raise DataError(
                    f"field `{name}`: a span must end after its start (got {span['start']} to {span['end']})"
                )
            if span["start"] < before:
                raise DataError(
                    f"field `{name}`: spans must be sorted and must not overlap (one starts at {span['start']}, "
                    f"the one before it ends at {before})"
                )
            before = span["end"]

    def check_beside(self, name: str, value: Any, other: Any) -> None:
        length = len(_text(name, self.of, other))
        if value and value[-1]["end"] > length:
            raise DataError(
                f"field `{name}`: a span ends at {value[-1]['end']}, and `{self.of}` has {length} characters"
            )

    def encode(self, value: Sequence[Mapping[str, Any]]) -> list[dict[str, int]]:
        return [{key: int(span[key]) for key in ("start", "end", "label")} for span in value]

    def decode(self, stored: Any) -> list[dict[str, int]]:
        return self.encode(stored)  # a tar's JSON has its keys sorted

    def arrow(self) -> Any:
        import pyarrow as pa

        # sorted, as features are in the metadata of a file: `datasets` takes them only if the order is the same
        return pa.list_(pa.struct([(key, pa.int64()) for key in ("end", "label", "start")]))

    def from_cells(self, cells: Any) -> list[list[dict[str, int]]]:
        return [self.encode(value) for value in cells.to_pylist()]

    def hf_feature(self) -> dict[str, Any]:
        place = {"dtype": "int64", "_type": "Value"}
        label = {"names": list(self.classes), "_type": "ClassLabel"}
        return _list({"start": place, "end": dict(place), "label": label})

    def text(self, quote: Callable[[str], str]) -> str:
        listed = numbered([quote(name) for name in self.classes])
        return f"spans of {quote(self.of)}: `start` and `end` in characters (end exclusive), `label`: {listed}"

    def task(self, schema: Mapping[str, Field]) -> str:
        return "token-classification"

    @property
    def object_classes(self) -> tuple[str, ...]:
        return self.classes

    def objects(self, stored: Sequence[Mapping[str, int]]) -> list[str]:
        return [self.classes[span["label"]] for span in stored]

    @property
    def shown(self) -> Shown:
        return Highlights(self.of, self.classes)

    def show(self, value: Sequence[Mapping[str, int]]) -> list[tuple[int, int, int]]:
        return [(span["start"], span["end"], span["label"]) for span in value]


@dataclass(frozen=True, slots=True)
class Answers(Field):
    """Answers that stand word for word in the text of field `of`: `{"text": [...], "answer_start": [...]}`.

    Both lists are of one length; none for a question that the text does not answer. As in SQuAD, several are several
    ways to answer the same question.

    Source: Rajpurkar et al., SQuAD (arXiv 1606.05250) and SQuAD 2.0 (arXiv 1806.03822).
    """

    of: str
    type: ClassVar[str] = "answers"
    croissant_type: ClassVar[str] = "sc:StructuredValue"

    @property
    def refers_to(self) -> str:
        return self.of

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, Mapping) or set(value) != {"text", "answer_start"}:
            raise DataError(f"field `{name}`: must be a dict with the keys text, answer_start")
        texts, starts = value["text"], value["answer_start"]
        if not isinstance(texts, list | tuple) or not isinstance(starts, list | tuple) or len(texts) != len(starts):
            raise DataError(f"field `{name}`: text and answer_start must be lists of one length")
        for text, start in zip(texts, starts, strict=True):
            check_text(name, text, "an answer must be a text")
            if not text or not _whole(start) or start < 0:
                raise DataError(f"field `{name}`: an answer must have a character or more, and a start of 0 or more")

    def check_beside(self, name: str, value: Any, other: Any) -> None:
        context = _text(name, self.of, other)
        for text, start in zip(value["text"], value["answer_start"], strict=True):
            if (found := context[start : start + len(text)]) != text:
                raise DataError(f"field `{name}`: has {text!r} at {start}, where `{self.of}` has {found!r}")

    def encode(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {"answer_start": list(map(int, value["answer_start"])), "text": list(map(str, value["text"]))}

    def decode(self, stored: Any) -> dict[str, Any]:
        return {"text": list(stored["text"]), "answer_start": list(stored["answer_start"])}

    def from_cells(self, cells: Any) -> list[dict[str, Any]]:
        return [self.encode(value) for value in cells.to_pylist()]

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])

    def hf_feature(self) -> dict[str, Any]:
        start = {"dtype": "int32", "_type": "Value"}
        return {"text": _list(dict(STRING)), "answer_start": _list(start)}

    def text(self, quote: Callable[[str], str]) -> str:
        return f"answers in {quote(self.of)}: `text`, and `answer_start` in characters"

    def task(self, schema: Mapping[str, Field]) -> str:
        return "question-answering"

    @property
    def shown(self) -> Shown:
        return Highlights(self.of, (ANSWER,))

    def show(self, value: Mapping[str, Any]) -> list[tuple[int, int, int]]:
        found: list[tuple[int, int, int]] = []
        for start, text in sorted(zip(value["answer_start"], value["text"], strict=True)):
            end = start + len(text)
            if found and start < found[-1][1]:  # another way to say the same
                found[-1] = (found[-1][0], max(found[-1][1], end), 0)
            else:
                found.append((start, end, 0))
        return found


def _list(feature: dict[str, Any]) -> dict[str, Any]:
    return {"_type": "List", "feature": feature}


def _whole(number: Any) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def _text(name: str, of: str, other: Any) -> str:
    if not isinstance(other, str):
        raise DataError(f"field `{name}`: marks parts of `{of}`, which is no text")
    return other
