"""Previews: a few samples of a recipe, drawn by the code that `run` uses, or of a dataset, read back."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from synthgen.dataset.ledger import Ledger
from synthgen.dataset.view import View
from synthgen.errors import UsageError
from synthgen.fields import Schema, class_field, classes_of, first_shown
from synthgen.fields.shown import Curves, Marks, Picture, Regions
from synthgen.generate.batching import PREVIEWED
from synthgen.generate.loop import Try, annotate, batches, draw, judge
from synthgen.generate.plan import Plan
from synthgen.parts.protocols import Slot
from synthgen.report import curves, overlay, shown_series, texts
from synthgen.report.sheet import Legend, Tile
from synthgen.report.texts import Entry, TextGroups

Groups = dict[str, list[Tile]]
Caption = tuple[str, str, bool]
"""Of a tile: the line under its image, the smaller ones below it, and whether it was rejected."""
Sample = Mapping[str, Any]
"""Values of a sample by the names of their fields."""

T = TypeVar("T")

REAL = "real windows"
N_CLASSES, N_EACH = 10, 2
MAX_SCANNED = 20_000
MAX_FILES = 50


@dataclass(frozen=True, slots=True)
class Drawn:
    """First tries of a recipe: as images in `groups` or, if they are texts, as such in `texts`.

    `seconds_each` is the time of one sample at the recipe's batch size, without loading the
    models; `rejected` counts by rule.
    """

    groups: Groups
    texts: TextGroups
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
    name, classes = class_field(plan.parts.condition.fields), classes_of(plan.parts.condition.fields)
    if n is not None or name is None:
        return [plan.slot(index) for index in range(min(n or N_CLASSES * N_EACH, plan.n_samples))]
    chosen: dict[int, list[Slot]] = {i: [] for i in spread(len(classes), N_CLASSES)}
    for index in range(min(plan.n_samples, MAX_SCANNED)):
        slot = plan.slot(index)
        group = chosen.get(slot.condition[name])
        if group is not None and len(group) < N_EACH:
            group.append(slot)
        if all(len(group) == N_EACH for group in chosen.values()):
            break
    return sorted((slot for group in chosen.values() for slot in group), key=lambda slot: slot.index)


def draw_first_tries(plan: Plan, slots: Sequence[Slot], device: str, channels: Sequence[str] = ()) -> Drawn:
    """Loads the models and draws the first try of each slot, with the verdict that a run would give it.

    Args:
        channels: of series, those that are shown; all by default.

    Raises:
        UsageError: the recipe makes nothing that can be shown, or no such channel.
        SynthgenError: a model cannot be loaded, or a part breaks its promise.
    """
    if not can_show(plan.schema):
        raise UsageError(f"{plan.recipe.name}: makes {', '.join(plan.schema)}, none of which can be shown")
    shown = shown_series.choose_channels(plan.schema, channels)
    started = time.perf_counter()
    plan.parts.setup(device)
    setup_s = time.perf_counter() - started
    seconds: defaultdict[str, float] = defaultdict(float)
    drawn: list[dict[str, Any]] = []
    captions: list[tuple[str, Caption]] = []
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
            drawn.append({key: values[i] for key, values in columns.items() if key in plan.schema})
            caption = _caption(group, slot.key, _verdict_text(plan, verdict))
            captions.append((group, (*caption, bool(verdict.rejected_by))))
    names, under = [group for group, _ in captions], [words for _, words in captions]
    order = classes_of(plan.parts.condition.fields)
    groups: Groups = {}
    entries: TextGroups = {}
    if texts.is_shown_as_texts(plan.schema):
        entries = grouped(names, entries_of(drawn, under, plan.schema), order)
    else:
        groups = grouped(names, tiles_of(drawn, under, plan.schema, shown), order)
    return Drawn(groups, entries, len(slots), rejected, sum(seconds.values()) / max(n_drawn, 1), setup_s)


def from_dataset(
    book: Ledger,
    n: int | None = None,
    seed: int = 0,
    channels: Sequence[str] = (),
    real: Mapping[str, Sequence[Sample]] | None = None,
) -> Groups:
    """Samples of a dataset as images, chosen as `chosen_samples` says.

    Args:
        channels: of series, those that are shown; all by default.
        real: real windows by class, with fields as the dataset's samples have them, on one scale with those; each
            class's are a group behind its own, called as `real_group` says.

    Raises:
        UsageError: the dataset holds nothing that can be shown, no samples yet, or no such channel.
    """
    numbers = shown_series.choose_channels(book.fields, channels)
    values, captions, names = chosen_samples(book, n, seed)
    for name in dict.fromkeys(names):
        beside = (real or {}).get(name, ())
        values += beside
        captions += [("", "", False)] * len(beside)
        names += [real_group(name)] * len(beside)
    order = [title for name in classes_of(book.fields) or ("",) for title in (name, real_group(name))]
    return grouped(names, tiles_of(values, captions, book.fields, numbers), order)


def texts_from_dataset(book: Ledger, n: int | None = None, seed: int = 0) -> TextGroups:
    """Samples of a dataset of texts, chosen as `chosen_samples` says and with its errors."""
    values, captions, names = chosen_samples(book, n, seed)
    return grouped(names, entries_of(values, captions, book.fields), classes_of(book.fields))


def chosen_samples(book: Ledger, n: int | None, seed: int) -> tuple[list[Sample], list[Caption], list[str]]:
    """`n` samples of a dataset, spread evenly over its classes, chosen at random but the same for equal `seed`.

    Reads whole shards in random order until every class has enough, 50 files at most. Returns their values, as far as
    they are shown, the words about them, and their classes.

    Raises:
        UsageError: the dataset holds nothing that can be shown, or no samples yet.
    """
    view = View(book, None, None, None)
    label = class_field(book.fields)
    if not can_show(book.fields):
        raise UsageError(f"{book.place}: holds {', '.join(book.fields)}, none of which can be shown")
    classes = classes_of(book.fields) or ("",)
    shown = spread(len(classes), max(1, min(n or 20, 20, len(classes))))
    want = -(-(n or 80) // len(shown)) if n else max(2, min(10, 80 // len(shown)))
    ruled = [rule.split()[0] for rule in book.identity["keep"]]
    scores = [*ruled, *(field for field, kind in book.fields.items() if kind.is_number)]
    generator = random.Random(seed)
    chosen: dict[int, list[dict[str, Any]]] = {i: [] for i in shown}
    seen: Counter[int] = Counter()
    files = list(view.files)
    generator.shuffle(files)
    for file in files[:MAX_FILES]:
        for record in view.stored(file):
            group = book.fields[label].decode(record[label]) if label is not None else 0
            if group not in chosen:
                continue
            seen[group] += 1
            place = len(chosen[group]) if len(chosen[group]) < want else generator.randrange(seen[group])
            chosen[group][place : place + 1] = [record] if place < want else chosen[group][place : place + 1]
        if all(len(group) == want for group in chosen.values()):
            break
    if not any(chosen.values()):
        raise UsageError(f"{book.place}: holds no samples yet")
    records = [(i, record) for i, group in chosen.items() for record in group]
    visible = [name for name, kind in book.fields.items() if kind.shown]
    values: list[Sample] = [{name: book.fields[name].decode(record[name]) for name in visible} for _, record in records]
    captions = [(*_caption(classes[i], record["key"], _score_text(record, scores)), False) for i, record in records]
    names = [classes[i] for i, _ in records]
    return (values[:n], captions[:n], names[:n]) if n else (values, captions, names)


def real_group(name: str) -> str:
    """What the real windows of a class are called."""
    return f"{name}: {REAL}" if name else REAL


def can_show(schema: Schema) -> bool:
    """Whether samples with these fields can be looked at."""
    return any(first_shown(schema, way)[1] for way in (Picture, Curves)) or texts.is_shown_as_texts(schema)


def entries_of(samples: Sequence[Sample], captions: Sequence[Caption], schema: Schema) -> list[Entry]:
    """Every sample in words, with those about it."""
    return [Entry(texts.parts_of(values, schema), *about) for values, about in zip(samples, captions, strict=True)]


def tiles_of(
    samples: Sequence[Sample], captions: Sequence[Caption], schema: Schema, channels: Sequence[int]
) -> list[Tile]:
    """Every sample as a tile with the words under it; in a tile with a map of regions, their pixels are counted."""
    shown = pictures(samples, schema, channels)
    image, regions = first_shown(schema, Picture)[0], first_shown(schema, Regions)[0]
    if not (image and regions):
        exact = shown_series.is_shown_as_series(schema)
        return [Tile(one, *under, exact=exact) for one, under in zip(shown, captions, strict=True)]
    tiles = []
    for values, one, under in zip(samples, shown, captions, strict=True):
        height, width = values[image].shape[:2]
        n_panels = round(one.shape[1] * height / (one.shape[0] * width))
        tiles.append(Tile(one, *under, n_panels, _pixels(schema[regions].show(values[regions]))))
    return tiles


def _pixels(ids: np.ndarray) -> dict[int, int]:
    return {cls: n for cls, n in enumerate(np.bincount(ids.ravel()).tolist()) if n}


def pictures(samples: Sequence[Sample], schema: Schema, channels: Sequence[int]) -> list[np.ndarray]:
    """Every sample as uint8 (H, W, C): its image with its objects beside it, or its curves on one scale for all.

    Of curves, these `channels` are drawn.
    """
    shown = [
        {key: field.show(values[key]) for key, field in schema.items() if field.shown and key in values}
        for values in samples
    ]
    name, picture = first_shown(schema, Picture)
    if picture:
        return [overlay.with_objects(parts[name], parts, schema) for parts in shown]
    return shown_series.draw(shown, schema, channels)


def legend(schema: Schema, groups: Groups) -> Legend:
    """What colours mean in the images of these samples, or in texts."""
    if texts.is_shown_as_texts(schema):
        return texts.legend(schema)
    if not shown_series.is_shown_as_series(schema):
        pixels: Counter[int] = Counter()
        for tile in (tile for group in groups.values() for tile in group):
            pixels.update(tile.pixels)
        return overlay.legend(schema, pixels)
    _, marks = first_shown(schema, Marks)
    kinds = marks.classes if marks else ()
    return list(zip(kinds, curves.mark_colours(len(kinds)), strict=True))


def grouped(names: Sequence[str], made: Sequence[T], order: Sequence[str]) -> dict[str, list[T]]:
    """What was made of samples by their classes, `names`; classes in id order."""
    groups: dict[str, list[T]] = {name: [] for name in order}
    for group, one in zip(names, made, strict=True):
        groups.setdefault(group, []).append(one)
    return {name: group for name, group in groups.items() if group}


def spread(n: int, most: int) -> list[int]:
    """Up to `most` numbers below `n`, evenly spaced, ascending."""
    return list(range(n)) if n <= most else [i * n // most for i in range(most)]


def class_of(schema: Schema, condition: Mapping[str, Any]) -> str:
    """The class that a condition asks for, empty if it asks for none."""
    name = class_field(schema)
    return "" if name is None else schema[name].sample_classes[condition[name]]


def _caption(group: str, key: str, text: str) -> tuple[str, str]:
    """The line under an image and the smaller ones below it: class, key, scores."""
    return (group, f"{key}\n{text}".strip()) if group else (key, text)


def _verdict_text(plan: Plan, verdict: Try) -> str:
    """`agreement 0.98`, or what was broken: `agreement 0.41` and `rejected: not >= 0.7`."""
    if verdict.rejected_by:
        score, _, rest = verdict.rejected_by.partition(" ")
        return f"{score} {verdict.scores[score]:.3g}\nrejected: not {rest}"
    return _score_text(verdict.scores, [*(rule.score for rule in plan.rules), *verdict.scores])


def _score_text(values: Mapping[str, Any], names: Sequence[str]) -> str:
    return f"{names[0]} {float(values[names[0]]):.3g}" if names else ""
