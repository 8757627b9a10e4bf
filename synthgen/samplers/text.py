"""`use: text`: texts from a masked diffusion model: whole, or around what the condition gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.fields import Answers, Chat, Columns, Label, Number, Schema, Spans, Text, Translation
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.models.text import roles
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot
from synthgen.parts.registry import unknown

TALKERS = ("system", "user", "assistant")


class TextSampler(FolderPart):
    """Generates what the condition does not give of a record of the model's kind.

    A condition gives segments by fields of their names: `label`, or such as `source`, `subject` and `context`, as
    `use: real-texts` has them. A model without classes takes any `label`, which then only counts samples.

    | kind of the model | fields |
    |---|---|
    | utterances | `text`; `slots`, if it knows some: where the values of slots stand that it generated first |
    | pairs | `translation`, or `source` and `target` where the languages are not known |
    | facts | `relation`, `subject`, `answer`, `question` |
    | questions | `question`, and `context` with `answers` |
    | passages | `text` |
    | dialogues | `messages` |

    `log_likelihood` is the mean natural logarithm of the probabilities of the tokens that were drawn, 0 if there are
    none.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "TextPipeline"
    trainer: ClassVar[str] = "text"

    class Config(Settings):
        """Settings of `use: text`."""

        model: str = Field(description="The folder of a trained model.")
        steps: int = Field(default=32, gt=0, le=1000, description="Steps in which masks are taken away.")
        temperature: float = Field(
            default=1.0, ge=0, le=4, description="Less makes likely tokens likelier; 0 takes the likeliest."
        )
        guidance: float = Field(
            default=1.0,
            ge=0,
            le=20,
            description="Towards what is given, by moving away from what would be generated without it; 1 is none and "
            "costs half as much.",
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        about = folders.component_config(self.folder, "tokenizer")
        self._roles: tuple[str, ...] = tuple(about["roles"])
        self._classes: Mapping[str, Sequence[str]] = about["classes"] or {}
        self._kind, self._languages = str(self.index["kind"]), tuple(self.index["languages"])
        self._slots = tuple(sorted(role.removeprefix(roles.slot("")) for role in self._roles if _is_slot(role)))
        self.fields = self._fields()
        self._given: tuple[str, ...] = ()
        self._names: Sequence[str] = ()
        self._pipeline: Any = None

    def _fields(self) -> Schema:
        text = {role: Text() for role in self._roles}
        found: dict[str, Any]
        if self._kind == "pairs" and self._languages:
            found = {"translation": Translation(self._languages)}
        elif self._kind == "dialogues":
            found = {"messages": Chat()}
        elif self._kind == "utterances":
            found = {"text": Text(), **({"slots": Spans("text", self._slots)} if self._slots else {})}
        elif self._kind == "questions" and roles.CONTEXT in text:
            found = {roles.CONTEXT: Text(), "answers": Answers(roles.CONTEXT), roles.QUESTION: Text()}
        else:
            found = {role: field for role, field in text.items() if role != roles.LABEL}
        return {**found, "log_likelihood": Number()}

    def bind(self, condition: Schema) -> list[Problem]:
        model, problems = f"model {self.config.model}", []
        self._given = tuple(name for name in self._roles if name in condition)
        label = condition.get(roles.LABEL)
        self._names = label.classes if isinstance(label, Label) else ()
        if roles.LABEL in self._classes:
            known = self._classes[roles.LABEL]
            if not isinstance(label, Label):
                problems.append(Problem("needs a condition with classes, such as `use: classes`", (roles.LABEL,)))
            else:
                wrong = [name for name in label.classes if name not in known]
                problems += [Problem(f"{model}: {unknown(name, known, 'class')}", (roles.LABEL,)) for name in wrong]
        for name in self._given:
            if name != roles.LABEL and not isinstance(condition[name], Text):
                problems.append(Problem(f"`{name}` must be a text", (name,)))
        return problems

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        self._pipeline = registry.load_pipeline(self.folder, device, torch.float32)
        self._pipeline.set_progress_bar_config(disable=True)

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        asked = [
            self._pipeline.form(self._contents(slot.condition), seed) for slot, seed in zip(slots, seeds, strict=True)
        ]
        made = self._pipeline(
            asked,
            seeds,
            num_inference_steps=self.config.steps,
            temperature=self.config.temperature,
            guidance_scale=self.config.guidance,
        )
        rows = [self._values(record) for record in made.records]
        columns: dict[str, Sequence[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
        return {**columns, "log_likelihood": [float(value) for value in made.log_likelihoods]}

    def _contents(self, condition: Mapping[str, Any]) -> dict[str, str]:
        """What is given of a record, by role."""
        return {
            name: self._names[condition[name]] if name == roles.LABEL else str(condition[name]) for name in self._given
        }

    def _values(self, record: Any) -> dict[str, Any]:
        """The fields of a generated record."""
        by_role = {segment.role: segment.content for segment in record}
        if self._kind == "pairs" and self._languages:
            pair = (by_role[roles.SOURCE], by_role[roles.TARGET])
            return {"translation": dict(zip(self._languages, pair, strict=True))}
        if self._kind == "dialogues":
            said = [segment for segment in record if segment.role in TALKERS]
            return {"messages": [{"role": segment.role, "content": segment.content} for segment in said]}
        if self._kind == "utterances":
            values = [(segment.role, segment.content) for segment in record if _is_slot(segment.role)]
            text = by_role[roles.TEXT]
            return {"text": text, **({"slots": spans(text, values, self._slots)} if self._slots else {})}
        if self._kind == "questions" and roles.CONTEXT in self._roles:
            context, answer = by_role[roles.CONTEXT], by_role.get(roles.ANSWER)
            start = context.find(answer) if answer else -1
            answers = {"text": [answer] if start >= 0 else [], "answer_start": [start] if start >= 0 else []}
            return {roles.CONTEXT: context, "answers": answers, roles.QUESTION: by_role[roles.QUESTION]}
        return {role: by_role.get(role, "") for role in self._roles if role != roles.LABEL}


def spans(text: str, values: Sequence[tuple[str, str]], names: Sequence[str]) -> list[dict[str, int]]:
    """Where the values of slots stand in a text: each at its first place that no other has, in order of their starts.

    Values that do not stand there have no span.

    Args:
        values: (role, value); names: of the slots, by id.
    """
    found: list[dict[str, int]] = []
    for role, value in values:
        start = text.find(value) if value else -1
        while start >= 0 and any(start < span["end"] and span["start"] < start + len(value) for span in found):
            start = text.find(value, start + 1)
        if start >= 0:
            label = names.index(role.removeprefix(roles.slot("")))
            found.append({"start": start, "end": start + len(value), "label": label})
    return sorted(found, key=lambda span: span["start"])


def _is_slot(role: str) -> bool:
    return role.startswith(roles.slot(""))
