"""Chat: dialogues as lines of JSON, in the layouts that trainers of language models read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.dataset.view import Sample
from synthgen.errors import UsageError
from synthgen.exporters.text_samples import TextSamples, left_out
from synthgen.fields import Chat as ChatField
from synthgen.fields import Text

SHAREGPT: Mapping[str, str] = {"system": "system", "user": "human", "assistant": "gpt"}
PREFERENCE = ("prompt", "chosen", "rejected")

Messages = Sequence[Mapping[str, str]]


class Chat:
    """A line for each sample. Of a dataset without dialogues, the texts `prompt` and `completion` are two messages.

    Layouts: `messages` as OpenAI and trl's SFT trainer name them; `prompt-completion`, whose completion is the last
    message of the assistant, what comes behind it left out; `conversations` with `from` and `value`, as ShareGPT has
    them; `preference`, of datasets with the fields `prompt`, `chosen` and `rejected`, for DPO.

    Source: trl documentation, "Dataset formats and types".
    """

    description: ClassVar[str] = "<split>.jsonl with a dialogue in each line, as trainers of language models read them"
    roles: ClassVar[Sequence[str]] = ("chat", "completion", *PREFERENCE)

    class Config(Settings):
        """Options of `--to chat`."""

        layout: Literal["messages", "prompt-completion", "conversations", "preference"] = Field(
            "messages", description="What a line holds: messages, prompt-completion, conversations or preference."
        )

    def __init__(self, config: Config) -> None:
        self._layout = config.layout

    def samples(self, folder: str, split: str | None, fields: Mapping[str, str], allow_incomplete: bool) -> TextSamples:
        found = TextSamples(folder, split, allow_incomplete, fields)
        if self._layout == "preference":
            self._names = self._preference(found)
            return found
        chat = None if {"prompt", "completion"} & set(fields) else found.find("chat", (ChatField,))
        names = [chat] if chat else [fields.get(role, role) for role in ("prompt", "completion")]
        if chat is None and not all(isinstance(found.fields.get(name), Text) for name in names):
            raise UsageError(
                f"{folder}: `--to chat` is of dialogues, or of two texts `prompt` and `completion` (`--field "
                f"completion=NAME` chooses another one); it holds {', '.join(found.fields)}"
            )
        self._names = names
        return found

    def _preference(self, found: TextSamples) -> list[str]:
        names = [found.chosen.get(role, role) for role in PREFERENCE]
        kinds = [type(found.fields.get(name)) for name in names]
        if len(set(kinds)) > 1 or kinds[0] not in (Text, ChatField):
            raise UsageError(
                f"{found.folder}: `--option layout=preference` needs the fields {', '.join(PREFERENCE)}, all texts or "
                f"all dialogues (`--field chosen=NAME` chooses another one); it holds {', '.join(found.fields)}"
            )
        return names

    def write(self, samples: TextSamples, out: Path, tick: Callable[[int], Any]) -> list[str]:
        unanswered = []
        with ExitStack() as stack:
            files = samples.files(stack, out, "jsonl")
            for sample in samples:
                line = self._line(sample)
                if line is None:
                    unanswered.append(sample["key"])
                else:
                    files[sample["split"]].write(_json(line) + "\n")
                tick(1)
        return left_out(unanswered, "having no message before one of the assistant")

    def _line(self, sample: Sample) -> dict[str, Any] | None:
        if self._layout == "preference":
            return {role: sample[name] for role, name in zip(PREFERENCE, self._names, strict=True)}
        values = [sample[name] for name in self._names]
        messages: Messages = values[0]
        if len(values) == 2:
            if self._layout == "prompt-completion":
                return dict(zip(("prompt", "completion"), values, strict=True))
            roles = ("user", "assistant")
            messages = [{"role": role, "content": text} for role, text in zip(roles, values, strict=True)]
        if self._layout == "messages":
            return {"messages": messages}
        if self._layout == "conversations":
            return {"conversations": [{"from": SHAREGPT[m["role"]], "value": m["content"]} for m in messages]}
        last = max((i for i, message in enumerate(messages) if message["role"] == "assistant"), default=0)
        return {"prompt": messages[:last], "completion": [messages[last]]} if last else None


def _json(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085")
