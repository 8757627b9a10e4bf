"""Keep rules: `agreement >= 0.7` decides, from scores that were recorded before, whether a try is accepted."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from synthgen.parts.registry import unknown

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_RULE = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Rule:
    """`score operator threshold`, compared in float64."""

    score: str
    operator: str
    threshold: float

    def holds(self, scores: Mapping[str, float]) -> bool:
        return OPERATORS[self.operator](scores[self.score], self.threshold)

    def __str__(self) -> str:
        return f"{self.score} {self.operator} {self.threshold!r}".removesuffix(".0")


def parse(text: str, scores: Iterable[str] | None) -> Rule:
    """The rule that `text` states about one of `scores`; None if it is not known which there are.

    Raises:
        ValueError: with what is accepted.
    """
    match = _RULE.fullmatch(text)
    if not match:
        raise ValueError(f"must have the form `score >= number` with one of {' '.join(OPERATORS)} (got {text!r})")
    name, comparison, threshold = match.groups()
    if not math.isfinite(float(threshold)):
        raise ValueError(f"the threshold {threshold} is too large for a number (float64)")
    if scores is not None and name not in (known := list(scores)):
        raise ValueError(unknown(name, known, "score"))
    return Rule(name, comparison, float(threshold))


def first_broken(rules: Sequence[Rule], scores: Mapping[str, float]) -> Rule | None:
    """The first rule that does not hold, None if the try is kept."""
    return next((rule for rule in rules if not rule.holds(scores)), None)
