"""Dialogues: messages in the shapes of chat logs, with what they do where annotations say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthgen.readers.problems import Problems
from synthgen.readers.text_table import kind_of
from synthgen.readers.texts.cells import parsed, rows_of, text_problem
from synthgen.readers.texts.records import ROLES, Act, Message
from synthgen.readers.texts.table import Table

SPEAKERS: Mapping[str, str] = {
    **{role: role for role in ROLES}, "human": "user", "customer": "user", "prompter": "user", "gpt": "assistant",
    "chatgpt": "assistant", "bot": "assistant", "model": "assistant", "agent": "assistant", "function": "tool",
    "observation": "tool", "developer": "system",
}  # fmt: skip
"""Whose a message is, by what chat logs call them, in any capitals."""

SPEAKER_KEYS = ("role", "from", "speaker")
CONTENT_KEYS = ("content", "value", "text", "utterance")


def dialogues(table: Table, column: str, problems: Problems) -> list[tuple[Message, ...]]:
    """The messages of every record: a list of objects with `role` and `content`, or ShareGPT's `from` and `value`.

    `acts` of a message are a list of [act, slot, value], value a text or a list of such, or of objects with these
    keys. A message without content must have acts.
    """
    found: list[tuple[Message, ...]] = []
    wrong: list[str] = []
    for row, cell in enumerate(table.columns[column]):
        messages: list[Message] = []
        try:
            entries = rows_of(parsed(cell))
            if not entries:
                raise ValueError("has no messages")
        except ValueError as error:
            wrong.append(f"{table.where(row)}: {column}: {error}")
            entries = []
        for number, entry in enumerate(entries, 1):
            try:
                messages.append(_message(entry))
            except ValueError as error:
                wrong.append(f"{table.where(row)}: {column}: message {number}: {error}")
        found.append(tuple(messages))
    problems.add_lines(wrong)
    return found


def exchanges(prompts: Sequence[str], completions: Sequence[str]) -> list[tuple[Message, ...]]:
    """Dialogues of one exchange each."""
    return [
        (Message("user", prompt), Message("assistant", completion))
        for prompt, completion in zip(prompts, completions, strict=True)
    ]


def _message(entry: Any) -> Message:
    if not isinstance(entry, dict):
        raise ValueError(f"holds {kind_of(entry)}; an object with `role` and `content` is needed")
    speaker = next((entry[key] for key in SPEAKER_KEYS if entry.get(key) is not None), None)
    role = SPEAKERS.get(speaker.strip().casefold()) if isinstance(speaker, str) else None
    if role is None:
        raise ValueError(f"its role is {speaker!r:.60}; accepted are {', '.join(SPEAKERS)}")
    key = next((key for key in CONTENT_KEYS if entry.get(key) is not None), "content")
    acts = _acts(entry.get("acts"))
    content = entry.get(key)
    is_blank = content is None or (isinstance(content, str) and not content.strip())
    if not (acts and is_blank) and (problem := text_problem(content)):
        raise ValueError(f"{key}: {problem}")
    return Message(role, content if isinstance(content, str) and content.strip() else "", acts)


def _acts(value: Any) -> tuple[Act, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"acts: holds {kind_of(value)}, and a list is needed")
    return tuple(act for number, entry in enumerate(value, 1) for act in _of_entry(number, entry))


def _of_entry(number: int, entry: Any) -> list[Act]:
    parts = [entry.get(key) for key in ("act", "slot", "value")] if isinstance(entry, dict) else entry
    if not isinstance(parts, list) or not 1 <= len(parts) <= 3:
        raise ValueError(f"acts: entry {number} must be [act, slot, value], as [INFORM, date, the 8th]")
    act, slot, value = (*parts, None, None)[:3]
    values = value if isinstance(value, list) else [value]
    texts = [act, *("" if each is None else each for each in (slot, *values))]
    if not all(isinstance(text, str) for text in texts) or not act.strip():
        raise ValueError(f"acts: entry {number}: act, slot and value must be texts (got {entry!r:.60})")
    return [Act(act, slot or "", each or "") for each in values or [""]]
