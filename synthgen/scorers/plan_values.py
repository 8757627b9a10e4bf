"""`use: plan-values`: whether the messages of a dialogue say the values that its plan has for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Chat, Columns, Number, Plan, Schema
from synthgen.language.words import mentions
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem


class PlanValues(PlainAnnotator):
    """Adds the share of a plan's values that the message of their turn says, 0 to 1; 1 if there are none.

    A message says a value if it holds it as whole words, whatever the capitals and blanks. Turns that the dialogue
    does not have say nothing.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: plan-values`."""

        plan: str = Setting(default="plan", description="The condition's field with the plan.")
        messages: str = Setting(default="messages", description="The dialogue.")
        ignore: list[str] = Setting(
            default=[], description="Slots whose values no message says in these words, such as names of intents."
        )
        name: FieldName = Setting(default="plan_values", description="Name of the score.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.fields: Mapping[str, Number] = {config.name: Number("1")}

    def bind(self, columns: Schema) -> list[Problem]:
        plan = f"condition.{self.config.plan}"
        problems = []
        for key, name, kind, what in (
            ("plan", plan, Plan, "plan; a condition such as `use: dialogue-plans` gives one"),
            ("messages", self.config.messages, Chat, "dialogue"),
        ):
            if not isinstance(columns.get(name), kind):
                there = [each.removeprefix("condition.") for each, field in columns.items() if isinstance(field, kind)]
                text = f"`{name}` is no {what}; there are: {', '.join(there) or 'none'}"
                problems.append(Problem(text, (name,), (key,)))
        return problems

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        rows = zip(columns[f"condition.{self.config.plan}"], columns[self.config.messages], strict=True)
        return {self.config.name: [self._share(plan, messages) for plan, messages in rows]}

    def _share(self, plan: Sequence[Mapping[str, Any]], messages: Sequence[Mapping[str, str]]) -> float:
        found = list(self._said(plan, messages))
        return sum(found) / len(found) if found else 1.0

    def _said(self, plan: Sequence[Mapping[str, Any]], messages: Sequence[Mapping[str, str]]) -> Iterator[bool]:
        """For each value whether its turn's message says it."""
        for turn, planned in enumerate(plan):
            content = messages[turn]["content"] if turn < len(messages) else ""
            for act in planned["acts"]:
                if act["value"] and act["slot"] not in self.config.ignore:
                    yield mentions(content, act["value"])
