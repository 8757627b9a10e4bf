"""The loop: tries, seeds, padding; a sample depends on its slot and try alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import helpers
from synthgen import api, seeds
from synthgen.dataset.shard_files import content_sha256
from synthgen.errors import DataError, NonFiniteError
from synthgen.fields import Series
from synthgen.generate import loop
from synthgen.generate.loop import Rendered
from synthgen.generate.plan import Plan


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def ready(tmp_path: Path, **changes: object) -> Plan:
    plan = helpers.plan_of(tmp_path, **changes)
    plan.parts.setup("cpu")
    return plan


def by_key(rendered: Rendered) -> dict[str, str]:
    return {sample.key: content_sha256(sample) for sample in rendered.samples}


def rendered_shard(
    plan: Plan, number: int, pool: ThreadPoolExecutor, ahead: ThreadPoolExecutor | None = None
) -> Rendered:
    assert isinstance(plan.recipe.batch_size, int)
    return loop.render_shard(plan, number, pool, plan.recipe.batch_size, ahead)


def test_every_slot_is_filled_by_its_first_kept_try(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    plan = ready(tmp_path)
    rendered = rendered_shard(plan, 0, pool)
    assert [sample.key for sample in rendered.samples] == [slot.key for slot in plan.slots(0)]
    assert not rendered.short
    tries = [(t.slot.index, t.attempt) for t in rendered.tries]
    assert tries == sorted(tries)
    for slot in plan.slots(0):
        own = [t for t in rendered.tries if t.slot == slot]
        assert [t.attempt for t in own] == list(range(len(own)))
        assert [t.rejected_by for t in own[:-1]] == ["brightness >= 0.3"] * (len(own) - 1)
        assert own[-1].rejected_by is None
        assert all((t.scores["brightness"] >= 0.3) == (t.rejected_by is None) for t in own)
    assert rendered.rejected == {"brightness >= 0.3": len(rendered.tries) - 10}
    assert len(rendered.tries) > 12


def test_seeds_are_those_of_slot_and_try(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    plan = ready(tmp_path, sampler={"use": "smooth", "size": 4, "log": str(tmp_path / "log")})
    rendered = rendered_shard(plan, 1, pool)
    assert all(t.seed == seeds.seed_of(7, "sampler", t.slot.index, t.attempt) for t in rendered.tries)
    drawn = {tuple(line.split()) for line in (tmp_path / "log").read_text().splitlines()}
    assert drawn == {(str(t.slot.index), f"{t.seed:x}") for t in rendered.tries}


def test_content_does_not_depend_on_shard_or_batch_size_or_order(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """True of this sampler to the last bit. Of networks it is only at equal batch size, so that is in the digest."""
    plan = ready(tmp_path)
    base = by_key(rendered_shard(plan, 1, pool)) | by_key(rendered_shard(plan, 0, pool))
    for changes in ({"shard_size": 20}, {"batch_size": 7, "shard_size": 20}, {"batch_size": 64, "shard_size": 20}):
        assert by_key(rendered_shard(ready(tmp_path, **changes), 0, pool)) == base


def test_batches_are_padded_to_few_sizes() -> None:
    assert [loop.padded_size(n, 32) for n in (1, 2, 3, 5, 16, 17, 31, 32)] == [1, 2, 4, 8, 16, 32, 32, 32]
    assert {loop.padded_size(n, 50) for n in range(1, 51)} == {1, 3, 6, 12, 25, 50}
    assert all(loop.padded_size(n, size) >= n for size in range(1, 70) for n in range(1, size + 1))


def test_slots_without_a_kept_try_are_short(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    rendered = rendered_shard(ready(tmp_path, tries=1), 0, pool)
    assert rendered.short
    assert {slot.key for slot in rendered.short} | {sample.key for sample in rendered.samples} == {
        f"s{i:09d}" for i in range(10)
    }
    assert len(rendered.tries) == 10


def test_nothing_kept_at_all(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    rendered = rendered_shard(ready(tmp_path, keep=["brightness >= 9"], tries=2), 0, pool)
    assert not rendered.samples
    assert len(rendered.short) == 10
    assert len(rendered.tries) == 20


def test_a_part_that_breaks_its_promise_is_named(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    plan = ready(tmp_path)
    plan.parts.sampler.sample = lambda slots, seeds: {"image": []}  # type: ignore[method-assign]
    with pytest.raises(DataError, match=r"sampler smooth: field `image`: 0 values for 4 samples"):
        rendered_shard(plan, 0, pool)


def test_drawing_ahead_changes_nothing(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    plan = ready(tmp_path)
    one, other = (rendered_shard(plan, 1, pool, ahead) for ahead in (None, ThreadPoolExecutor(1)))
    assert by_key(one) == by_key(other)
    assert one.tries == other.tries


def test_a_failure_waits_for_what_is_drawn_ahead(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """The shard is tried again by the same sampler, which must not be drawing for the failed attempt still."""
    log = tmp_path / "log"
    plan = ready(tmp_path, sampler={"use": "smooth", "size": 4, "seconds": 0.2, "log": str(log), "fail_shard_at": 1})
    with ThreadPoolExecutor(1) as ahead:
        with pytest.raises(ValueError, match="a broken slot"):
            rendered_shard(plan, 0, pool, ahead)
        n_drawn = len(log.read_text().splitlines())
        ahead.submit(lambda: None).result()
        assert len(log.read_text().splitlines()) == n_drawn


def test_a_score_that_is_no_number_is_an_error_that_names_its_scorer(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    plugin = tmp_path / "mine.py"
    body = "Brightness.annotate = lambda self, columns, seeds: {'brightness': [float('nan')] * len(seeds)}\n"
    plugin.write_text(Path(helpers.TOY).read_text() + body)
    plan = api.prepare(helpers.write(tmp_path, helpers.toy()), plugin_files=[str(plugin)]).plan
    plan.parts.setup("cpu")
    with pytest.raises(NonFiniteError, match="scorer brightness: field `brightness`: must be a finite number"):
        rendered_shard(plan, 0, pool)


def test_gaps_in_drawn_series_need_gaps_in_the_condition() -> None:
    schema = {"series": Series(2, ("a",), ("1",))}
    whole, gappy = np.zeros((2, 1), dtype=np.float32), np.array([[0], [np.nan]], dtype=np.float32)
    loop.check_gaps({"series": [whole, gappy]}, schema, {"condition.known": [whole, gappy]})
    with pytest.raises(NonFiniteError, match="1 of 2 values are NaN"):
        loop.check_gaps({"series": [gappy]}, schema, {"condition.known": [whole], "condition.label": [1]})
