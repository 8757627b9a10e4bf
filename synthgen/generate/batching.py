"""The batch size: the recipe's own, or with `auto` the fastest that fits, found by trial and pinned in the folder."""

from __future__ import annotations

import json
import time
from collections import defaultdict

from synthgen.dataset import records
from synthgen.dataset.layout import BATCH_SIZE
from synthgen.dataset.store import Store
from synthgen.errors import DataError, RecordError, StoreError
from synthgen.generate.loop import annotate, batches, draw
from synthgen.generate.plan import Plan
from synthgen.parts.protocols import Slot

PREVIEWED = 4
"""With `auto`, the batch of a preview, which has no folder to pin one in."""
LARGEST = 256
WORTH = 0.95
"""A batch twice as large must draw a sample in less than this share of the time, or it is not worth its memory."""


def settle(plan: Plan, store: Store) -> tuple[int, list[str]]:
    """The batch size that this folder's samples are generated with, and what to say to the user.

    With `auto`, the first worker that gets here tries sizes out and pins one; whoever comes later,
    or resumes, takes the one that is pinned. Needs the loaded parts.
    """
    if isinstance(plan.recipe.batch_size, int):
        return plan.recipe.batch_size, []
    found = pinned(store)
    if found is not None:
        return found, []
    found, why = fastest(plan)
    counts = pin(store, found)
    return counts, [f"batch size {counts}: {why}; pinned for this folder"] if counts == found else []


def fastest(plan: Plan) -> tuple[int, str]:
    """Doubles the batch until it does not fit or brings no more; the best size, and why not the next one."""
    slots = [plan.slot(index) for index in range(min(LARGEST, plan.recipe.shard_size))]
    best, size = (1, float("inf")), 1
    try_out(plan, slots[:1])  # what is done at the first call only is not to be timed
    while size <= len(slots):
        try:
            seconds = try_out(plan, slots[:size]) / size
        except Exception as error:
            if size == 1 or not out_of_memory(error):
                raise
            return best[0], f"{size} do not fit into memory"
        if seconds > WORTH * best[1]:
            return best[0], f"{size} at once are not faster"
        best, size = (size, seconds), 2 * size
    return best[0], "a shard has no more" if len(slots) < LARGEST else "larger ones are not tried"


def try_out(plan: Plan, slots: list[Slot]) -> float:
    """Seconds that one batch takes from noise to scores."""
    started = time.perf_counter()
    for batch in batches(slots, len(slots)):
        annotate(plan, batch, 0, draw(plan, batch, 0, defaultdict(float)), defaultdict(float))
    return time.perf_counter() - started


def halved(plan: Plan, store: Store, used: int, error: Exception) -> int:
    """The batch size to go on with after `used` did not fit; pinned, so that every worker takes it.

    Raises:
        DataError: the recipe fixes the size, or it is 1 already.
    """
    text = next(iter(str(error).splitlines()), type(error).__name__)
    if plan.recipe.batch_size != "auto":
        raise DataError(
            f"a batch of {used} does not fit into memory ({text}). Take `--set batch_size={max(1, used // 2)}` or "
            "`batch_size: auto`: it decides bytes, so that either is another dataset"
        ) from error
    if used == 1:
        raise DataError(
            f"not even one sample fits into memory ({text}); take a larger GPU, a smaller `size`, `dtype: bfloat16` or "
            "`offload: model`"
        ) from error
    release()
    smaller = min(used // 2, pinned(store) or used)
    store.write(BATCH_SIZE, _record(smaller))
    return smaller


def pinned(store: Store) -> int | None:
    """The batch size that was found for this folder; None if none was."""
    try:
        found = store.load(BATCH_SIZE, records.BatchSize)
    except RecordError as error:
        raise StoreError(f"{store.show(BATCH_SIZE)} {error}; remove it, and a batch size is found again") from None
    return found.batch_size if found else None


def pin(store: Store, size: int) -> int:
    """Pins a size unless another worker was first; returns the one that counts."""
    store.put(BATCH_SIZE, _record(size))
    return pinned(store) or size


def _record(size: int) -> bytes:
    return (json.dumps({"batch_size": size}) + "\n").encode()


def out_of_memory(error: BaseException) -> bool:
    """Whether torch says that memory ran out, on a GPU or on the CPU, or Python or NumPy do."""
    if isinstance(error, MemoryError):
        return True
    names = {cls.__name__ for cls in type(error).__mro__}
    return "OutOfMemoryError" in names or (isinstance(error, RuntimeError) and "not enough memory" in str(error))


def release() -> None:
    """Gives the memory back that torch keeps on a GPU for later."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
