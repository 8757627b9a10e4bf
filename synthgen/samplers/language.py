"""What samplers share that generate texts with foundation models: settings, prompts, and the fields of samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field, model_validator

from synthgen.base.settings import FieldName
from synthgen.fields import Columns, Number, Schema, Text
from synthgen.models import hub
from synthgen.models.gpu_memory import check_memory, gpu_memory_gb
from synthgen.models.language.reader import check_system, has_template
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot, Source
from synthgen.samplers import parsed
from synthgen.samplers.parsed import Kind
from synthgen.samplers.prompt_template import PromptTemplate

SCORES = ("log_likelihood", "finished")
_TAKEN = (*SCORES, "valid", "prompt")


class LanguageSettings(hub.ModelSettings):
    """Settings of samplers that prompt a language model."""

    model: str = Field(description="A folder with a model of transformers and its tokenizer, or owner/name@commit.")
    prompt: str | None = Field(
        default=None,
        description='The prompt, condition fields in braces: "A {mood} review:"; by default the condition\'s own.',
    )
    system: str = Field(default="", description="System message before every prompt; needs a chat template.")
    chat_template: bool = Field(
        default=True,
        description="Puts prompts into the tokenizer's chat template, if it has one; false continues plain text.",
    )
    template_options: dict[str, bool | int | float | str] = Field(
        default={}, description="Values that the chat template knows, such as {enable_thinking: false}."
    )
    max_new_tokens: int = Field(default=256, ge=1, le=32768, description="Tokens of a generated text, at most.")
    stop: list[str] = Field(default=[], description="Texts at which a generated text ends, not part of it.")
    parse: Literal["text", "chat", "json"] = Field(
        default="text",
        description="What the generated text becomes: the field `text`, the answer in `messages`, or the fields of a "
        "JSON object.",
    )
    fields: dict[FieldName, Kind] = Field(
        default={},
        description="With `parse: json`, the object's keys: each `text`, `number`, or a list of classes.",
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="Number format of the network; bfloat16 and float16 are for GPUs."
    )
    gpu_memory_gb: float = Field(
        default=0,
        ge=0,
        description="GPU memory that this needs; less is refused before anything is generated. 0 asks none.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> LanguageSettings:
        parsed.check_kinds(self.parse, self.fields, _TAKEN)
        if "" in self.stop:
            raise ValueError("`stop`: every text would stop at an empty one")
        return self


class Generator(Protocol):
    """What makes texts of prompts; see `synthgen.models.language`."""

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> Sequence[Any]: ...


class LanguageSampler(ABC):
    """A sampler that prompts a language model, and makes fields of what it writes."""

    config: Any
    fields: Schema

    def __init__(self, config: LanguageSettings, reference: hub.Reference) -> None:
        self.config, self.reference = config, reference
        self._prompt = PromptTemplate(config.prompt)
        prompt: dict[str, Any] = {"prompt": Text()} if config.prompt is not None and config.parse != "chat" else {}
        made = parsed.parsed_fields(config.parse, config.fields)
        self.fields = {**prompt, **made, **{name: Number() for name in SCORES}}
        self._generator: Any = None

    def identity(self) -> dict[str, Any]:
        """Everything that decides texts."""
        found: dict[str, Any] = self.config.model_dump(mode="json", exclude={"model", "licence", "gpu_memory_gb"})
        return found | {"model": self.reference.source.sha256}

    @property
    def sources(self) -> list[Source]:
        return [self.reference.source]

    def bind(self, condition: Schema) -> list[Problem]:
        return self._prompt.bind(condition)

    def setup(self, device: str) -> None:
        """Loads the weights.

        Raises:
            ModelError: they cannot be loaded, are of another kind than this needs, or do not fit this machine.
        """
        less = "a smaller `max_new_tokens`, `dtype: bfloat16`"
        check_memory(self.config.model, self.config.gpu_memory_gb, gpu_memory_gb(device), less)
        self._generator = self.made_generator(device)

    def check_template(self) -> None:
        """Raises ModelError if a system message has no place in a model folder."""
        if self.config.system and self.reference.revision is None:
            check_system(self.config.model, self.config.chat_template and has_template(Path(self.reference.place)))

    @abstractmethod
    def made_generator(self, device: str) -> Generator:
        """The model on its device, ready to generate."""

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        prompts = [self._prompt.text(slot.condition) for slot in slots]
        made = self._generator.generate(prompts, seeds)
        rows = [self._values(prompt, one.text.strip()) for prompt, one in zip(prompts, made, strict=True)]
        columns: dict[str, Sequence[Any]] = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
        return {
            **({"prompt": prompts} if "prompt" in self.fields else {}),
            **columns,
            "log_likelihood": [one.log_likelihood for one in made],
            "finished": [float(one.finished) for one in made],
        }

    def _values(self, prompt: str, text: str) -> Mapping[str, Any]:
        if self.config.parse == "json":
            return parsed.as_object(text, self.config.fields)
        if self.config.parse == "chat":
            return {"messages": parsed.as_chat(self.config.system, prompt, text)}
        return {"text": text}


def small(settings: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The settings with a small model of random weights, and few tokens."""
    left_out = ("dtype", "gpu_memory_gb", "licence", "template_options")
    kept = {name: value for name, value in settings.items() if name not in left_out}
    return {**kept, "model": model, "max_new_tokens": min(24, int(settings.get("max_new_tokens", 24)))}
