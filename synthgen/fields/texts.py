"""Fields whose values are texts: one text, a text in several languages, a dialogue and what its messages do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from synthgen.errors import DataError
from synthgen.fields.cells import Column
from synthgen.fields.field import Field
from synthgen.fields.names import quoted
from synthgen.fields.shown import Bubbles, Pairs, Remarks, Shown, Words
from synthgen.fields.values import Value

ROLES = ("system", "user", "assistant")
"""Who says a message of a dialogue, as chat templates name them."""

ACT_KEYS = ("act", "slot", "value")
"""The keys of an act of a message."""

STRING: Mapping[str, Any] = {"dtype": "string", "_type": "Value"}
_SURROGATE = re.compile("[\ud800-\udfff]")


def check_text(name: str, value: Any, what: str = "must be a text") -> None:
    """Raises DataError, which calls the field `name`, unless `value` is a text that UTF-8 can hold."""
    if not isinstance(value, str):
        raise DataError(f"field `{name}`: {what} (got {type(value).__name__})")
    if found := _SURROGATE.search(value):
        raise DataError(
            f"field `{name}`: has half of a surrogate pair at character {found.start()}, which UTF-8 cannot hold"
        )


@dataclass(frozen=True, slots=True)
class Text(Value):
    """A text of any length and script, kept to the character: no line end and no accent is normalised.

    One with `own_file` is a `.txt` member of its own in a tar, as long documents are kept; else it stands with the
    sample's other values.
    """

    own_file: bool = False
    type: ClassVar[str] = "text"
    python = str
    dtype: ClassVar[str] = "string"

    @property
    def suffix(self) -> str | None:
        return "txt" if self.own_file else None

    def from_member(self, raw: bytes) -> str:
        return raw.decode()

    def check(self, name: str, value: Any) -> None:
        check_text(name, value)

    def decode(self, stored: Any) -> str:
        return stored.decode() if isinstance(stored, bytes) else str(stored)

    def columns(self, name: str) -> list[Column]:
        return [Column(name, "string")]

    def describe(self) -> dict[str, Any]:
        return {"type": self.type, **({"own_file": True} if self.own_file else {})}

    def text(self, quote: Callable[[str], str]) -> str:
        return "text"

    @property
    def shown(self) -> Shown:
        return Words()


@dataclass(frozen=True, slots=True)
class Translation(Field):
    """The same text in several languages: a dict of one text for each of `languages`, tags such as `en` or `pt-BR`."""

    languages: tuple[str, ...]
    type: ClassVar[str] = "translation"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, Mapping) or set(value) != set(self.languages):
            raise DataError(f"field `{name}`: must be a dict with a text for each of {', '.join(self.languages)}")
        for language in self.languages:
            check_text(name, value[language], f"`{language}` must be a text")

    def encode(self, value: Mapping[str, str]) -> dict[str, str]:
        return {language: str(value[language]) for language in sorted(self.languages)}

    def decode(self, stored: Mapping[str, str]) -> dict[str, str]:
        return {language: stored[language] for language in self.languages}

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.struct([(language, pa.string()) for language in sorted(self.languages)])  # as `datasets` has them

    def hf_feature(self) -> dict[str, Any]:
        return {"languages": list(self.languages), "_type": "Translation"}

    def columns(self, name: str) -> list[Column]:
        return [Column(f"{name}.{language}", "string") for language in self.languages]

    def rows(self, value: Mapping[str, str]) -> list[list[str]]:
        return [[value[language]] for language in self.languages]

    def text(self, quote: Callable[[str], str]) -> str:
        return f"the same text in {quoted(self.languages, quote)}"

    def task(self, schema: Mapping[str, Field]) -> str:
        return "translation"

    @property
    def shown(self) -> Shown:
        return Pairs()


@dataclass(frozen=True, slots=True)
class Chat(Field):
    """A dialogue: a list of one message or more, `{"role": ..., "content": ...}`, as chat templates take it."""

    type: ClassVar[str] = "chat"
    croissant_type: ClassVar[str] = "sc:StructuredValue"
    repeated: ClassVar[bool] = True

    def check(self, name: str, value: Any) -> None:
        if not _dicts(value, ("role", "content")) or not value:
            raise DataError(f"field `{name}`: must be a list of messages with the keys role, content, one or more")
        for i, message in enumerate(value):
            if message["role"] not in ROLES:
                raise DataError(
                    f"field `{name}`: message {i} has the role {message['role']!r}; accepted: {', '.join(ROLES)}"
                )
            check_text(name, message["content"], f"the content of message {i} must be a text")

    def encode(self, value: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        return [{"role": str(message["role"]), "content": str(message["content"])} for message in value]

    def decode(self, stored: Any) -> list[dict[str, str]]:
        return self.encode(stored)  # a tar's JSON has its keys sorted

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "List", "feature": {"role": dict(STRING), "content": dict(STRING)}}

    def text(self, quote: Callable[[str], str]) -> str:
        return f"dialogue: messages with `role` ({', '.join(ROLES)}) and `content`"

    def task(self, schema: Mapping[str, Field]) -> str:
        return "text-generation"

    @property
    def shown(self) -> Shown:
        return Bubbles()


@dataclass(frozen=True, slots=True)
class Acts(Field):
    """What each message of the dialogue in field `of` does: for every message a list of dicts, which may be empty.

    `act` is one of `acts`; `slot` is one of `slots`, or empty for an act without one, such as a greeting; `value` is
    a text, empty where the act has none, as in a request.
    """

    of: str
    acts: tuple[str, ...]
    slots: tuple[str, ...]
    type: ClassVar[str] = "acts"
    croissant_type: ClassVar[str] = "sc:StructuredValue"
    repeated: ClassVar[bool] = True

    @property
    def refers_to(self) -> str:
        return self.of

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, Sequence) or not all(_dicts(acts, ACT_KEYS) for acts in value):
            raise DataError(f"field `{name}`: must be a list, for each message, of dicts with {', '.join(ACT_KEYS)}")
        for i, act in ((i, act) for i, acts in enumerate(value) for act in acts):
            if act["act"] not in self.acts:
                raise DataError(
                    f"field `{name}`: message {i} has the act {act['act']!r}; accepted: {', '.join(self.acts)}"
                )
            if act["slot"] not in ("", *self.slots):
                raise DataError(
                    f"field `{name}`: message {i} has the slot {act['slot']!r}; accepted: {', '.join(self.slots)}, "
                    "or an empty text for none"
                )
            check_text(name, act["value"], f"the value of an act of message {i} must be a text")

    def check_beside(self, name: str, value: Any, other: Any) -> None:
        if not _dicts(other, ("role", "content")):
            raise DataError(f"field `{name}`: is about the dialogue in `{self.of}`, which is none")
        if len(value) != len(other):
            raise DataError(f"field `{name}`: has acts of {len(value)} messages, and `{self.of}` has {len(other)}")

    def encode(self, value: Any) -> list[list[dict[str, str]]]:
        return [[{key: str(act[key]) for key in ACT_KEYS} for act in acts] for acts in value]

    def decode(self, stored: Any) -> list[list[dict[str, str]]]:
        return self.encode(stored)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.list_(pa.list_(pa.struct([(key, pa.string()) for key in ACT_KEYS])))

    def hf_feature(self) -> dict[str, Any]:
        act = {key: dict(STRING) for key in ACT_KEYS}
        return {"_type": "List", "feature": {"_type": "List", "feature": act}}

    def text(self, quote: Callable[[str], str]) -> str:
        return (
            f"what each message of {quote(self.of)} does: `act` ({quoted(self.acts, quote)}), `slot` "
            f"({quoted(self.slots, quote)}, or empty) and `value`"
        )

    @property
    def object_classes(self) -> tuple[str, ...]:
        return self.acts

    def objects(self, stored: Any) -> list[str]:
        return [act["act"] for acts in stored for act in acts]

    @property
    def shown(self) -> Shown:
        return Remarks(self.of)

    def show(self, value: Any) -> list[list[str]]:
        return [[_phrase(**act) for act in acts] for acts in value]


@dataclass(frozen=True, slots=True)
class Plan(Field):
    """What a dialogue shall be: a list of one turn or more, each a dict of `role` and `acts`, as `Acts` has them.

    Args:
        roles: of the turns.
        acts, slots, counts: each act with its slot, which may be empty, and how many dialogues have it.
    """

    roles: tuple[str, ...]
    acts: tuple[str, ...]
    slots: tuple[str, ...]
    counts: tuple[int, ...]
    type: ClassVar[str] = "plan"
    croissant_type: ClassVar[str] = "sc:StructuredValue"
    repeated: ClassVar[bool] = True

    def check(self, name: str, value: Any) -> None:
        if not _dicts(value, ("role", "acts")) or not value:
            raise DataError(f"field `{name}`: must be a list of turns with the keys role, acts, one or more")
        known = set(zip(self.acts, self.slots, strict=True))
        for i, turn in enumerate(value):
            if turn["role"] not in self.roles:
                accepted = ", ".join(self.roles)
                raise DataError(f"field `{name}`: turn {i} has the role {turn['role']!r}; accepted: {accepted}")
            if not _dicts(turn["acts"], ACT_KEYS):
                raise DataError(f"field `{name}`: acts of turn {i} must be a list of dicts with {', '.join(ACT_KEYS)}")
            for act in turn["acts"]:
                if (act["act"], act["slot"]) not in known:
                    said = _phrase(act["act"], act["slot"], "")
                    raise DataError(f"field `{name}`: turn {i} has an act that no plan has, `{said}`")
                check_text(name, act["value"], f"the value of an act of turn {i} must be a text")

    def encode(self, value: Any) -> list[dict[str, Any]]:
        return [
            {"role": str(turn["role"]), "acts": [{key: str(act[key]) for key in ACT_KEYS} for act in turn["acts"]]}
            for turn in value
        ]

    def decode(self, stored: Any) -> list[dict[str, Any]]:
        return self.encode(stored)

    def arrow(self) -> Any:
        import pyarrow as pa

        act = pa.struct([(key, pa.string()) for key in ACT_KEYS])
        return pa.list_(pa.struct([("role", pa.string()), ("acts", pa.list_(act))]))

    def hf_feature(self) -> dict[str, Any]:
        act = {key: dict(STRING) for key in ACT_KEYS}
        return {"_type": "List", "feature": {"role": dict(STRING), "acts": {"_type": "List", "feature": act}}}

    def text(self, quote: Callable[[str], str]) -> str:
        return f"what each turn of a dialogue shall do: `role` ({quoted(self.roles, quote)}) and `acts`"

    @property
    def shown(self) -> Shown:
        return Bubbles()

    def show(self, value: Any) -> list[dict[str, str]]:
        return [
            {"role": turn["role"], "content": ", ".join(_phrase(**act) for act in turn["acts"])}
            for turn in self.encode(value)
        ]


def _phrase(act: str, slot: str, value: str) -> str:
    """`inform(city = Paris)`, `request(city)`, `greet`."""
    inside = f"{slot} = {value}" if slot and value else slot or value
    return f"{act}({inside})" if inside else act


def _dicts(value: Any, keys: tuple[str, ...]) -> bool:
    """Whether a value is a list of dicts with exactly these keys."""
    is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return is_list and all(isinstance(entry, Mapping) and set(entry) == set(keys) for entry in value)
