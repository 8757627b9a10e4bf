"""Previews: a few samples of a recipe, drawn by the code that `run` uses, or of a dataset, read back."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.dataset.ledger import Ledger
from synthgen.dataset.view import View
from synthgen.errors import UsageError
from synthgen.fields import Field, Image, Label, Number, Series, StepClasses, Times
from synthgen.generate.batching import PREVIEWED
from synthgen.generate.loop import Try, annotate, batches, draw, judge
from synthgen.generate.plan import Plan
from synthgen.parts.protocols import Slot
from synthgen.report import curves, overlay
from synthgen.report.sheet import Legend, Tile

Groups = dict[str, list[Tile]]
N_CLASSES, N_EACH = 10, 2
MAX_SCANNED = 20_000
MAX_FILES = 50
SHOWN = (Image, Series, StepClasses, Times)


@dataclass(frozen=True, slots=True)
class Drawn:
    """First tries of a recipe.

    `seconds_each` is the time of one sample at the recipe's batch size, without loading the
    models; `rejected` counts by rule.
    """

    groups: Groups
    n: int
    rejected: Mapping[str, int]
    seconds_each: float
    setup_s: float

    @property
    def acceptance(self) -> float:
        """Share of the first tries that were kept."""
        return 1 - sum(self.rejected.values()) / self.n


def choose_slots(plan: Plan, n: int | None = None) -> list[Slot]:
    """The first `n` slots; without `n`, two of each class for up to ten classes spread over all of them."""
    name, label = first(plan.parts.condition.fields, Label)
    if n is not None or label is None:
        return [plan.slot(index) for index in range(min(n or N_CLASSES * N_EACH, plan.n_samples))]
    chosen: dict[int, list[Slot]] = {i: [] for i in spread(len(label.classes), N_CLASSES)}
    for index in range(min(plan.n_samples, MAX_SCANNED)):
        slot = plan.slot(index)
        group = chosen.get(slot.condition[name])
        if group is not None and len(group) < N_EACH:
            group.append(slot)
        if all(len(group) == N_EACH for group in chosen.values()):
            break
    return sorted((slot for group in chosen.values() for slot in group), key=lambda slot: slot.index)


def draw_first_tries(plan: Plan, slots: Sequence[Slot], device: str) -> Drawn:
    """Loads the models and draws the first try of each slot, with the verdict that a run would give it.

    Raises:
        UsageError: the recipe makes no pictures.
        SynthgenError: a model cannot be loaded, or a part breaks its promise.
    """
    if not can_show(plan.schema):
        raise UsageError(f"{plan.recipe.name}: makes neither pictures nor series, so there is nothing to look at")
    started = time.perf_counter()
    plan.parts.setup(device)
    setup_s = time.perf_counter() - started
    seconds: defaultdict[str, float] = defaultdict(float)
    drawn: list[dict[str, Any]] = []
    captions: list[tuple[str, tuple[str, str, bool]]] = []
    rejected: Counter[str] = Counter()
    n_drawn = 0
    batch_size = plan.recipe.batch_size
    for batch in batches(slots, PREVIEWED if batch_size == "auto" else batch_size):
        columns = annotate(plan, batch, 0, draw(plan, batch, 0, seconds), seconds)
        n_drawn += len(batch.padded)
        for i, slot in enumerate(batch.slots):
            verdict = judge(plan, slot, 0, columns, i)
            if verdict.rejected_by:
                rejected[verdict.rejected_by] += 1
            group = class_of(plan.parts.condition.fields, slot.condition)
            drawn.append({key: values[i] for key, values in columns.items()})
            words = _caption(group, slot.key, _verdict_text(plan, verdict))
            captions.append((group, (*words, bool(verdict.rejected_by))))
    shown = pictures(drawn, plan.schema)
    tiles = [(group, Tile(one, *words)) for one, (group, words) in zip(shown, captions, strict=True)]
    groups = grouped(tiles, _class_names(plan.parts.condition.fields))
    return Drawn(groups, len(slots), rejected, sum(seconds.values()) / max(n_drawn, 1), setup_s)


def from_dataset(book: Ledger, n: int | None = None, seed: int = 0) -> Groups:
    """`n` samples of a dataset, spread evenly over its classes, chosen at random but the same for equal `seed`.

    Reads whole shards in random order until every class has enough, 50 files at most.

    Raises:
        UsageError: the dataset holds no pictures, or no samples yet.
    """
    view = View(book, None, None, None)
    label_name, label = first(book.fields, Label)
    if not can_show(book.fields):
        raise UsageError(f"{book.root}: holds neither pictures nor series, so there is nothing to look at")
    classes = label.classes if label else ("",)
    shown = spread(len(classes), max(1, min(n or 20, 20, len(classes))))
    want = -(-(n or 80) // len(shown)) if n else max(2, min(10, 80 // len(shown)))
    ruled = [rule.split()[0] for rule in book.identity["keep"]]
    scores = [*ruled, *(field for field, kind in book.fields.items() if isinstance(kind, Number))]
    generator = random.Random(seed)
    chosen: dict[int, list[dict[str, Any]]] = {i: [] for i in shown}
    seen: Counter[int] = Counter()
    files = list(view.files)
    generator.shuffle(files)
    for file in files[:MAX_FILES]:
        for record in view.stored(file):
            group = label.decode(record[label_name]) if label else 0
            if group not in chosen:
                continue
            seen[group] += 1
            place = len(chosen[group]) if len(chosen[group]) < want else generator.randrange(seen[group])
            chosen[group][place : place + 1] = [record] if place < want else chosen[group][place : place + 1]
        if all(len(group) == want for group in chosen.values()):
            break
    if not any(chosen.values()):
        raise UsageError(f"{book.root}: holds no samples yet")
    records = [(i, record) for i, group in chosen.items() for record in group]
    shows = [name for name, kind in book.fields.items() if isinstance(kind, SHOWN) or overlay.shows(kind)]
    values = [{name: book.fields[name].decode(record[name]) for name in shows} for _, record in records]
    tiles = [
        (classes[i], Tile(shown, *_caption(classes[i], record["key"], _score_text(record, scores))))
        for (i, record), shown in zip(records, pictures(values, book.fields), strict=True)
    ]
    return grouped(tiles[:n] if n else tiles, classes)


def can_show(schema: Mapping[str, Field]) -> bool:
    """Whether samples with these fields can be looked at."""
    return any(isinstance(kind, Image | Series) for kind in schema.values())


def pictures(samples: Sequence[Mapping[str, Any]], schema: Mapping[str, Field]) -> list[np.ndarray]:
    """Every sample as uint8 (H, W, C): its picture with its objects beside it, or its series on one scale for all."""
    name, image = first(schema, Image)
    if image is not None:
        return [overlay.with_objects(values[name], values, schema) for values in samples]
    time, times = first(schema, Times)
    kinds, marks = first(schema, StepClasses)
    named = [key for key, kind in schema.items() if isinstance(kind, Series)]
    if marks:  # the series with anomalies stands behind the normal one
        named = [key for key in named if schema[key].channels == marks.channels][::-1]  # type: ignore[attr-defined]
    name = named[0]
    limits = curves.ranges([values[name] for values in samples])
    return [
        curves.draw(values[name], values[time] if times else None, limits, values[kinds] if marks else None)
        for values in samples
    ]


def legend(schema: Mapping[str, Field]) -> Legend:
    """What colours mean in the pictures of such samples."""
    _, series = first(schema, Series)
    if not series or first(schema, Image)[1] is not None:
        return overlay.legend(schema)
    _, marks = first(schema, StepClasses)
    kinds = marks.classes if marks else ()
    return curves.legend(series) + list(zip(kinds, curves.mark_colours(len(kinds)), strict=True))


def grouped(tiles: Sequence[tuple[str, Tile]], order: Sequence[str]) -> Groups:
    """Tiles by class, classes in id order."""
    groups: Groups = {name: [] for name in order}
    for group, tile in tiles:
        groups.setdefault(group, []).append(tile)
    return {name: group for name, group in groups.items() if group}


def first(schema: Mapping[str, Field], kind: type[Any]) -> tuple[str, Any]:
    """Name and type of the first field of a kind; ("", None) if there is none."""
    return next(((name, field) for name, field in schema.items() if isinstance(field, kind)), ("", None))


def spread(n: int, most: int) -> list[int]:
    """Up to `most` numbers below `n`, evenly spaced, ascending."""
    return list(range(n)) if n <= most else [i * n // most for i in range(most)]


def class_of(schema: Mapping[str, Field], condition: Mapping[str, Any]) -> str:
    """The class that a condition asks for, empty if it asks for none."""
    name, label = first(schema, Label)
    return str(label.classes[condition[name]]) if label else ""


def _class_names(schema: Mapping[str, Field]) -> Sequence[str]:
    _, label = first(schema, Label)
    return label.classes if label else ()


def _caption(group: str, key: str, text: str) -> tuple[str, str]:
    """The line under a picture and the smaller ones below it: class, key, scores."""
    return (group, f"{key}\n{text}".strip()) if group else (key, text)


def _verdict_text(plan: Plan, verdict: Try) -> str:
    """`agreement 0.98`, or what was broken: `agreement 0.41` and `rejected: not >= 0.7`."""
    if verdict.rejected_by:
        score, _, rest = verdict.rejected_by.partition(" ")
        return f"{score} {verdict.scores[score]:.3g}\nrejected: not {rest}"
    return _score_text(verdict.scores, [*(rule.score for rule in plan.rules), *verdict.scores])


def _score_text(values: Mapping[str, Any], names: Sequence[str]) -> str:
    return f"{names[0]} {float(values[names[0]]):.3g}" if names else ""
