"""`use: text`: texts from a masked diffusion model: whole, or around what the condition gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.fields import Columns, Label, Number, Schema
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.models.text.kinds import KINDS, Known
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot


class TextSampler(FolderPart):
    """Generates what the condition does not give of a record of the model's kind.

    A condition gives segments by fields of their names: `label`, or such as `source`, `subject` and `context`, as
    `use: real-texts` has them; values of slots, as `use: slot-values` has them; or a plan of a dialogue, as
    `use: dialogue-plans` has it. A model without classes takes any `label`, which then only counts samples.

    | kind of the model | fields |
    |---|---|
    | utterances | `text`; `slots`, if it knows some: where their values stand, those that are given letter by letter |
    | pairs | `translation`, or `source` and `target` where the languages are not known |
    | facts | `relation`, `subject`, `answer`, `question` |
    | questions | `question`, and `context` with `answers` |
    | passages | `text` |
    | dialogues | `messages`; `acts`, if it knows some: those of the plan, or those that it generated |

    `log_likelihood` is the mean natural logarithm of the probabilities of the tokens that were drawn, 0 if there are
    none; `lowest_log_likelihood`, of dialogues, that of the least likely message.
    """

    version: ClassVar[int] = 3
    wanted: ClassVar[str] = "TextPipeline"
    trainer: ClassVar[str] = "text"

    class Config(Settings):
        """Settings of `use: text`."""

        model: str = Field(description="The folder of a trained model.")
        steps: int = Field(
            default=32, gt=0, le=1000, description="Steps in which masks are taken away, of a dialogue in each message."
        )
        temperature: float = Field(
            default=1.0, ge=0, le=4, description="Less makes likely tokens likelier; 0 takes the likeliest."
        )
        order_noise: float = Field(
            default=0.5,
            ge=0,
            le=100,
            description="Chance in the order in which masks are taken away: 0 takes the surest token first, much takes "
            "any.",
        )
        guidance: float = Field(
            default=1.0,
            ge=0,
            le=20,
            description="Towards what is given, by moving away from what would be generated without it; 1 is none and "
            "costs half as much.",
        )
        candidates: int = Field(
            default=1,
            ge=1,
            le=100,
            description="Records that are generated for each sample, with other lengths of the first text; that which "
            "the model finds likeliest stays. For translations, with `temperature: 0`.",
        )

        no_repeat: bool = Field(default=False, description="Whether no word may be generated beside itself.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        about = folders.component_config(self.folder, "tokenizer")
        kind, languages = str(self.index["kind"]), tuple(self.index["languages"])
        self._known = Known(f"model {config.model}", kind, tuple(about["roles"]), about["classes"] or {}, languages)
        self._kind = KINDS[kind]
        self.fields = {**self._kind.fields(self._known), "log_likelihood": Number()}
        if self._kind.part:
            self.fields["lowest_log_likelihood"] = Number()
        self._given: Schema = {}
        self._pipeline: Any = None

    def bind(self, condition: Schema) -> list[Problem]:
        self._given = {name: condition[name] for name in self._kind.asked(condition, self._known)}
        return self._kind.problems(condition, self._known)

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        self._pipeline = registry.load_pipeline(self.folder, device, torch.float32)
        self._pipeline.set_progress_bar_config(disable=True)

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        asked = [
            self._kind.record(self._values(slot.condition), partial(self._pipeline.form, seed), self._known)
            for slot, seed in zip(slots, seeds, strict=True)
        ]
        made = self._pipeline(
            asked,
            seeds,
            num_inference_steps=self.config.steps,
            temperature=self.config.temperature,
            order_noise=self.config.order_noise,
            guidance_scale=self.config.guidance,
            candidates=self.config.candidates,
            no_repeat=self.config.no_repeat,
        )
        rows = [self._kind.values(record, self._known) for record in made.records]
        columns: dict[str, Sequence[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
        likely = {"log_likelihood": made.log_likelihoods, "lowest_log_likelihood": made.lowest}
        return {**columns, **{name: likely[name].tolist() for name in likely if name in self.fields}}

    def _values(self, condition: Mapping[str, Any]) -> dict[str, Any]:
        """What is given of a record, classes by their names."""
        return {
            name: field.classes[condition[name]] if isinstance(field, Label) else condition[name]
            for name, field in self._given.items()
        }
