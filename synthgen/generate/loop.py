"""The loop: a shard's slots are generated, labelled, scored, kept or generated again, and encoded."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synthgen import seeds
from synthgen.errors import DataError, NonFiniteError
from synthgen.fields import Columns, Schema, check_columns
from synthgen.generate.plan import Plan
from synthgen.parts.protocols import Encoded, Slot
from synthgen.recipe import rules

N_ENCODERS = 2


@dataclass(frozen=True, slots=True)
class Try:
    """What happened to one try at one slot; the index keeps every one, accepted or not."""

    slot: Slot
    attempt: int
    seed: int
    scores: Mapping[str, float]
    rejected_by: str | None


@dataclass
class Rendered:
    """A shard in memory: samples in stored form by slot order, all tries, seconds by stage."""

    number: int
    batch_size: int
    samples: list[Encoded]
    tries: list[Try]
    short: list[Slot]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def rejected(self) -> dict[str, int]:
        """Rejected tries by rule."""
        counts = Counter(t.rejected_by for t in self.tries if t.rejected_by is not None)
        return {rule: counts[rule] for rule in sorted(counts)}


def render_shard(
    plan: Plan,
    number: int,
    pool: ThreadPoolExecutor,
    batch_size: int,
    ahead: ThreadPoolExecutor | None = None,
    after_batch: Callable[[Sequence[Try]], None] = lambda tries: None,
) -> Rendered:
    """Renders one shard: a pure function of the plan, the shard's number and the batch size.

    Batches are formed inside the shard in slot order. What one try rejects is pooled and generated
    again with the next seed, until nothing is left or `tries` is spent; the slots that are left
    then are `short`. `pool` encodes; `ahead`, of one thread, generates the next batch while this one
    is decoded, labelled and scored, which pays where the sampler has a device of its own.
    `after_batch` hears of the tries of every batch.

    Raises:
        DataError: a part returned something else than it declares, or numbers that are not finite.
    """
    done: dict[int, Future[Encoded]] = {}
    log: list[Try] = []
    seconds: dict[str, float] = defaultdict(float)
    waiting = plan.slots(number)
    for attempt in range(plan.recipe.tries):
        rejected: list[Slot] = []
        for batch, drawn in draw_all(plan, waiting, attempt, batch_size, seconds, ahead):
            columns = annotate(plan, batch, attempt, drawn, seconds)
            verdicts = [judge(plan, slot, attempt, columns, i) for i, slot in enumerate(batch.slots)]
            for i, verdict in enumerate(verdicts):
                if verdict.rejected_by is None:
                    done[verdict.slot.index] = pool.submit(encode, plan, verdict, columns, i)
                else:
                    rejected.append(verdict.slot)
            log += verdicts
            after_batch(verdicts)
        waiting = rejected
        if not waiting:
            break
    started = time.perf_counter()
    samples = [done[index].result() for index in sorted(done)]
    seconds["encode (waiting)"] += time.perf_counter() - started
    return Rendered(number, batch_size, samples, sorted(log, key=lambda t: (t.slot.index, t.attempt)), waiting, seconds)


def padded_size(n: int, batch_size: int) -> int:
    """The size that a batch of `n` is generated at: `batch_size`, or the smallest of its halves that holds `n`.

    It depends on `n` alone, so that a sample's bytes do not depend on how it came to stand in a
    short batch: results of networks are bit-equal only at equal batch size.
    """
    size = batch_size
    while size // 2 >= n:
        size //= 2
    return size


@dataclass(frozen=True, slots=True)
class Batch:
    """Slots that are generated together; `padded` repeats the last one up to the size that networks see."""

    slots: Sequence[Slot]
    padded: Sequence[Slot]

    def seeds(self, plan: Plan, stream: str, attempt: int) -> list[int]:
        return [seeds.seed_of(plan.recipe.seed, stream, slot.index, attempt) for slot in self.padded]


def batches(slots: Sequence[Slot], size: int) -> Iterator[Batch]:
    for start in range(0, len(slots), size):
        some = slots[start : start + size]
        yield Batch(some, [*some, *[some[-1]] * (padded_size(len(some), size) - len(some))])


def draw_all(
    plan: Plan,
    slots: Sequence[Slot],
    attempt: int,
    batch_size: int,
    seconds: dict[str, float],
    ahead: ThreadPoolExecutor | None,
) -> Iterator[tuple[Batch, Columns]]:
    """Every batch with what the sampler drew for it, in order; at most one batch is generated ahead."""
    if ahead is None:
        for batch in batches(slots, batch_size):
            yield batch, draw(plan, batch, attempt, seconds)
        return
    flying: deque[tuple[Batch, Future[Columns]]] = deque()
    try:
        for batch in batches(slots, batch_size):
            flying.append((batch, ahead.submit(draw, plan, batch, attempt, seconds)))
            if len(flying) > 1:
                done, drawn = flying.popleft()
                yield done, drawn.result()
        while flying:
            done, drawn = flying.popleft()
            yield done, drawn.result()
    finally:
        wait([drawn for _, drawn in flying])  # a shard that failed leaves nobody drawing behind it


def draw(plan: Plan, batch: Batch, attempt: int, seconds: dict[str, float]) -> Columns:
    """What the sampler generates for one batch at one try, padding included."""
    started = time.perf_counter()
    with blamed(sampler_name(plan)):
        drawn = plan.parts.sampler.sample(batch.padded, batch.seeds(plan, "sampler", attempt))
    seconds["sample"] += time.perf_counter() - started
    return drawn


def annotate(plan: Plan, batch: Batch, attempt: int, drawn: Columns, seconds: dict[str, float]) -> Columns:
    """All columns of one batch: condition, what was generated, labels and scores; the padding is removed last."""
    n = len(batch.padded)
    columns: dict[str, Sequence[Any]] = {
        f"condition.{name}": [slot.condition[name] for slot in batch.padded] for name in plan.parts.condition.fields
    }
    started = time.perf_counter()
    with blamed(sampler_name(plan)):
        check_columns(drawn, plan.parts.sampler.fields, n)  # decodes what is waiting
        check_gaps(drawn, plan.parts.sampler.fields, columns)
    columns |= drawn
    seconds["decode"] += time.perf_counter() - started
    for stream, annotator in plan.parts.annotators:
        started = time.perf_counter()
        role, use, _ = stream.split(":")
        with blamed(part_name(role, use, annotator)):
            added = annotator.annotate(columns, batch.seeds(plan, stream, attempt))
            check_columns(added, annotator.fields, n, columns)
        columns |= added
        seconds[stream] += time.perf_counter() - started
    return {name: values[: len(batch.slots)] for name, values in columns.items()}


def sampler_name(plan: Plan) -> str:
    return part_name("sampler", plan.recipe.sampler.use, plan.parts.sampler)


def part_name(role: str, use: str, part: Any) -> str:
    """`sampler class-conditional (model starter/fashion-mnist, float32)`: what messages call a part."""
    config = getattr(part, "config", None)
    model, dtype = (getattr(config, key, None) for key in ("model", "dtype"))
    facts = [*([f"model {model}"] if model else []), *([str(dtype)] if dtype else [])]
    return f"{role} {use}" + (f" ({', '.join(facts)})" if facts else "")


@contextmanager
def blamed(part: str) -> Iterator[None]:
    """Puts the name of a part before what is wrong with the values that it returns."""
    try:
        yield
    except NonFiniteError as error:
        raise NonFiniteError(f"{part}: {error}; {NARROW if 'float16' in part else BROKEN}") from error
    except DataError as error:
        raise DataError(f"{part}: {error}") from error


BROKEN = "its weights are damaged, or its settings lead it astray (too much guidance, for instance)"
NARROW = "float16 may be too narrow for this model; try `dtype: bfloat16` or float32"


def check_gaps(added: Columns, schema: Schema, before: Columns) -> None:
    """Raises NonFiniteError if what a sampler made has gaps (NaN) in a sample whose condition has none.

    Labelers may make some: a dropped sensor is a fault that they put into series.
    """
    for name, kind in schema.items():
        for i, values in enumerate(added[name]):
            n = kind.n_missing(values)
            if n and not any(_has_gaps(column[i]) for column in before.values()):
                text = f"field `{name}`: {n} of {np.size(values)} values are NaN, and the condition has none"
                raise NonFiniteError(text)


def _has_gaps(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and bool(np.isnan(value).any())


def judge(plan: Plan, slot: Slot, attempt: int, columns: Columns, i: int) -> Try:
    """The verdict of the keep rules on sample `i` of a batch."""
    scores = {name: float(columns[name][i]) for name in plan.score_names}
    broken = rules.first_broken(plan.rules, scores)
    seed = seeds.seed_of(plan.recipe.seed, "sampler", slot.index, attempt)
    return Try(slot, attempt, seed, scores, str(broken) if broken else None)


def encode(plan: Plan, verdict: Try, columns: Columns, i: int) -> Encoded:
    """Sample `i` of a batch in stored form, with the record of how it came to be."""
    values = {name: kind.encode(columns[name][i]) for name, kind in plan.schema.items()}
    meta = {
        "index": verdict.slot.index,
        "try": verdict.attempt,
        "seed": f"{verdict.seed:064x}",
        "condition": named_condition(plan, verdict.slot),
    }
    return Encoded(verdict.slot.key, verdict.slot.split, values, meta)


def named_condition(plan: Plan, slot: Slot) -> dict[str, Any]:
    """The slot's condition as JSON values, classes by name; pixels and series are left to the sample's own fields."""
    fields = plan.parts.condition.fields.items()
    named = {name: kind.recorded(slot.condition[name]) for name, kind in fields}
    return {name: value for name, value in named.items() if value is not None}
