"""What real images score: the rules that most of them pass, measured with a filter model on held-out images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

PASSING = 0.95
"""Share of the real images that pass a rule."""
LEAST = 20
"""Images that must show a class for a rule of its own: of fewer, the quantile is that of none."""
DIGITS = 2
KEY = "real_scores"
"""Where they are in the front matter of a model's card."""
NAME = "filter"
"""The `name` of the scorer in the recipes that `synthgen init` writes, with which its scores begin."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One keep rule: `score` is compared with `threshold` by `operator`, `>=` or `<=`.

    `n` images were looked at for the threshold: all, or those that show the class of the score. `passed` is the share
    of all images that pass.
    """

    score: str
    operator: str
    threshold: float
    n: int
    passed: float

    def __str__(self) -> str:
        return f"{self.score} {self.operator} {self.threshold:g}"


@dataclass(frozen=True, slots=True)
class RealScores:
    """Rules for the scores of a filter model, each passed by `PASSING` of its images.

    `images` says what they were measured on, in words, and `n` on how many. `together` is the share that passes all of
    `rules`. `of_classes` are of single classes, for those who ask for them. `scorer` has the settings of the scorer,
    empty if the model is part of it.
    """

    images: str
    n: int
    together: float
    rules: tuple[Rule, ...]
    of_classes: tuple[Rule, ...]
    scorer: Mapping[str, Any]

    @classmethod
    def measured(
        cls,
        images: str,
        scores: Sequence[Mapping[str, float]],
        at_least: Sequence[str],
        at_most: Sequence[str] = (),
        shown: Mapping[str, Sequence[bool]] | None = None,
        scorer: Mapping[str, Any] | None = None,
    ) -> RealScores:
        """The rules for scores as the scorer gives them, one mapping for each real image.

        Args:
            scores: without the start that the scorer's `name` gives them.
            at_least: names of the scores that are large where model and labels agree; a rule that passes everything
                is left out.
            at_most: names of those that are small there, which are counts.
            shown: of scores of single classes, which images show the class; only those decide on the threshold.
            scorer: the settings of the scorer but for its `name`; none if its scores have no such start.
        """
        rules: list[Rule] = []
        of_classes: list[Rule] = []
        all_passed = np.ones(len(scores), dtype=bool)
        for name in (*at_least, *at_most):
            values = np.array([one[name] for one in scores], dtype=np.float64)
            of_class = shown is not None and name in shown
            deciding = values[np.asarray(shown[name], dtype=bool)] if shown and of_class else values
            if len(deciding) < (LEAST if of_class else 1):
                continue
            if name in at_least:
                low = float(np.quantile(deciding, 1 - PASSING, method="inverted_cdf"))
                threshold, operator = float(np.floor(low * 10**DIGITS) / 10**DIGITS), ">="
                if threshold <= 0:
                    continue
                passed = values >= threshold
            else:
                threshold, operator = float(np.quantile(deciding, PASSING, method="inverted_cdf")), "<="
                passed = values <= threshold
            rule = Rule(
                f"{NAME}_{name}" if scorer else name, operator, threshold, len(deciding), round(float(passed.mean()), 4)
            )
            (of_classes if of_class else rules).append(rule)
            all_passed &= passed | of_class
        together = round(float(all_passed.mean()), 4) if len(scores) else 1.0
        settings = {"use": scorer["use"], "name": NAME, **scorer} if scorer else {}
        return cls(images, len(scores), together, tuple(rules), tuple(of_classes), settings)

    def as_json(self) -> dict[str, Any]:
        """JSON values, of which `from_json` makes it again."""
        rows = {name: [asdict(rule) for rule in getattr(self, name)] for name in ("rules", "of_classes")}
        return {"images": self.images, "n": self.n, "together": self.together, **rows, "scorer": dict(self.scorer)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> RealScores:
        rows = {name: tuple(Rule(**rule) for rule in found[name]) for name in ("rules", "of_classes")}
        return cls(**{**found, **rows})

    @property
    def title(self) -> str:
        """What the rules are, in words."""
        where = f"{self.n} {self.images}"
        if not self.rules:
            return f"no rule rejects anything: of more than {_percent(1 - PASSING)} of {where}, it finds nothing right"
        if self.n < LEAST:
            return f"rules that pass all of only {where}"
        together = f"; {_percent(self.together)} pass all of them" if len(self.rules) > 1 else ""
        return f"rules that {_percent(PASSING)} or more of {where} pass{together}"

    @property
    def lines(self) -> list[str]:
        """The rules as lines of a recipe, with their scorer; those of single classes as comments."""
        import yaml

        settings = dict(self.scorer)
        scorer = yaml.safe_dump(settings, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
        found = ["scorers:", f"  - {scorer.strip()}"] if self.scorer and (self.rules or self.of_classes) else []
        found += ["keep:", *(f"  - {rule}" for rule in self.rules)] if self.rules else []
        if self.of_classes:
            found.append("# for datasets that must show a class; measured on the images that show it:")
            found += [
                f"#  - {rule}  # {rule.n} images; {_percent(rule.passed)} of all pass" for rule in self.of_classes
            ]
        return found


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
