"""What the settings of measures have in common, and numbers that were measured with several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.recipe.sections import Steps, Trick


class MeasureSettings(Settings):
    """Settings of a measure that trains networks on parts of the dataset and of the real data."""

    seeds: int = Field(default=3, ge=1, description="Repeats of every training.")
    split: str = Field(default="train", description="Split of the dataset that is measured; `all` for all.")

    @property
    def part(self) -> str | None:
        """The split as `synthgen.load` takes it."""
        return None if self.split == "all" else self.split


@dataclass(frozen=True, slots=True)
class Way:
    """How a network is trained."""

    steps: int
    trick: Trick | None = None

    def __str__(self) -> str:
        return f"{self.steps} steps" + (f", {self.trick}" if self.trick else "")


def ways(steps: Steps, tricks: Sequence[Trick]) -> list[Way]:
    """Every number of steps, plain and with each trick."""
    return [Way(n, trick) for trick in (None, *tricks) for n in ([steps] if isinstance(steps, int) else steps)]


def chosen_text(found: Mapping[str, Any], what: str = "images") -> str:
    """`600, 2000 steps`, and on how many samples, in a word, the best of several ways was chosen."""
    steps = found["steps"]
    said = (", ".join(map(str, steps)) if isinstance(steps, list) else str(steps)) + " steps"
    return said + (f", the best on {found['n_validation']} real validation {what}" if "n_validation" in found else "")


@dataclass(frozen=True, slots=True)
class Spread:
    """A number measured with several seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """Sample standard deviation; 0 for one value."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0


def gain(values: Sequence[float], others: Sequence[float], unit: str = "points") -> str:
    """By how much numbers are greater than others of the same seeds, with the 95 % interval of the mean, in words.

    The interval is Student's, of the differences of pairs; one pair has none.
    """
    from scipy import stats

    differences = np.subtract(values, others)
    mean, n = float(differences.mean()), len(differences)
    if n < 2:
        return f"{mean:+.2f} {unit}"
    half = float(stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / n**0.5)
    return f"{mean:+.2f} {unit}, 95 % interval {mean - half:+.2f} to {mean + half:+.2f} over {n} seeds"


def gain_lines(values: Mapping[str, Sequence[float]], metric: str) -> list[str]:
    """By how much synthetic samples, and both, are better than real ones by `metric`, as lines; none without values."""
    named = [(name, values[name]) for name in ("synthetic", "both") if values[name] and values["real"]]
    return [f"  {metric} of {name} less real: {gain(some, values['real'])}" for name, some in named]


def how(found: Mapping[str, Any], name: str) -> str:
    """How the networks of one set were trained, behind its numbers; nothing if there was one way."""
    return f"  in {'; '.join(dict.fromkeys(found['chosen'][name]))}" if name in found.get("chosen", ()) else ""


def arm_lines(found: Mapping[str, Any], metric: str) -> list[str]:
    """What networks reach that were trained on each set, and by `metric`, synthetic over real, as lines to print."""
    lines = [f"on {found['n_test']} real test images, {found['seeds']} seeds, {chosen_text(found)}:"]
    for name, values in found["scores"].items():
        shown = ", ".join(f"{m} {v['mean']:.2f} +- {v['deviation']:.2f} %" for m, v in values.items())
        lines.append(f"  trained on {found['n_train'][name]:>5} {name:<9} {shown}{how(found, name)}")
    means = {name: values[metric]["mean"] for name, values in found["scores"].items()}
    lines.append(f"  {metric} of synthetic over real: {means['synthetic'] / max(means['real'], 1e-9):.3f}")
    return lines + gain_lines({name: one[metric].get("values", ()) for name, one in found["scores"].items()}, metric)


def in_percent(values: Sequence[float]) -> dict[str, Any]:
    """Mean, sample standard deviation and values of shares, each in percent with three decimals."""
    spread = Spread(tuple(values))
    return {
        "mean": round(100 * spread.mean, 3),
        "deviation": round(100 * spread.deviation, 3),
        "values": [round(100 * value, 3) for value in values],
    }
