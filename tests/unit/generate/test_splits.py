"""Splits: exact shares overall and by class, and what becomes of families."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.conditions.quotas import Quotas
from synthgen.generate.splits import BLOCK, Splits, choose

SHARES = st.sampled_from(
    [
        {"train": 0.8, "val": 0.1, "test": 0.1},
        {"train": 0.9, "val": 0.1},
        {"a": 0.5, "b": 0.5},
        {"train": 0.7, "val": 0.15, "test": 0.15},
        {"a": 0.34, "b": 0.33, "c": 0.33},
        {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1},
        {"train": 0.995, "val": 0.005},
    ]
)
QUOTAS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 60), min_size=1)


def alone(index: int) -> tuple[None, None]:
    return None, None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=300), st.floats(0, 1), st.integers(0, 99))
def test_every_beginning_overall_and_of_each_stratum_has_its_share(strata: list[int], part: float, seed: int) -> None:
    n = round(part * len(strata))
    chosen, share = choose(strata, n, seed), n / len(strata)
    assert len(chosen) == n
    total, of_stratum, seen = 0, Counter[int](), Counter[int]()
    for place, stratum in enumerate(strata):
        total += place in chosen
        of_stratum[stratum] += place in chosen
        seen[stratum] += 1
        assert abs(total - (place + 1) * share) < 1
        assert abs(of_stratum[stratum] - seen[stratum] * share) < 1


@settings(max_examples=40, deadline=None, derandomize=True)
@given(QUOTAS, SHARES, st.integers(0, 9))
def test_splits_of_classes_at_every_size(quotas: dict[str, int], shares: dict[str, float], seed: int) -> None:
    classes, off = Quotas(quotas), len(shares) - 1
    splits = Splits(seed, shares, lambda index: (classes.at(index), None))
    overall, by_class = Counter[str](), {cls: Counter[str]() for cls in range(len(quotas))}
    for index in range(BLOCK):
        split, counts = splits.of(index), by_class[classes.at(index)]
        overall[split] += 1
        counts[split] += 1
        for found in (overall, counts):
            expected = {name: found.total() * share for name, share in shares.items()}
            errors = {name: abs(found[name] - expected[name]) for name in shares}
            assert max(errors.values()) < off
            if all(abs(n - round(n)) < 1e-9 for n in expected.values()):
                assert max(errors.values()) < 1e-6


@given(SHARES)
@settings(max_examples=7, deadline=None, derandomize=True)
def test_later_blocks_add_no_error(shares: dict[str, float]) -> None:
    splits = Splits(0, shares, alone)
    counts = Counter(splits.of(index) for index in range(3 * BLOCK))
    assert counts == {name: round(3 * BLOCK * share) for name, share in shares.items()}


def test_a_slot_is_found_without_those_of_the_blocks_before() -> None:
    asked: list[int] = []

    def group(index: int) -> tuple[int, None]:
        asked.append(index)
        return index % 3, None

    Splits(0, {"train": 0.8, "val": 0.2}, group).of(7 * BLOCK + 5)
    assert min(asked) == 7 * BLOCK
    assert max(asked) < 8 * BLOCK


def test_another_seed_takes_others_and_the_order_of_shares_does_not_matter() -> None:
    first, same, other = (
        [Splits(seed, shares, alone).of(index) for index in range(100)]
        for seed, shares in (
            (0, {"train": 0.8, "val": 0.2}),
            (0, {"val": 0.2, "train": 0.8}),
            (1, {"train": 0.8, "val": 0.2}),
        )
    )
    assert first == same
    assert first != other


def test_rare_classes_reach_every_split_in_the_long_run() -> None:
    """One in a thousand: each is alone in its block, so that chance decides, and not its place."""
    splits = Splits(0, {"train": 0.5, "val": 0.5}, lambda index: (index % BLOCK == 700, None))
    counts = Counter(splits.of(number * BLOCK + 700) for number in range(40))
    assert set(counts) == {"train", "val"}
    assert min(counts.values()) >= 10


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(1, 400), SHARES)
def test_families_stay_whole_and_growing_moves_none(n_families: int, samples: int, shares: dict[str, float]) -> None:
    def group(index: int) -> tuple[int, str]:
        family = (index * 17 + index // 7) % n_families
        return family % 3, f"image {family}"

    small, large = Splits(0, shares, group), Splits(0, shares, group)
    late = large.of(samples + 50)  # asked for first
    found = [large.of(index) for index in range(samples)]
    assert found == [small.of(index) for index in range(samples)]
    assert late == small.of(samples + 50)
    for index in range(samples):
        assert found[index] == found[[group(i)[1] for i in range(samples)].index(group(index)[1])]


def test_families_that_come_once_each_have_their_shares() -> None:
    splits = Splits(0, {"train": 0.8, "val": 0.1, "test": 0.1}, lambda index: (index % 2, f"image {index}"))
    found = [splits.of(index) for index in range(500)]
    assert Counter(found) == {"train": 400, "val": 50, "test": 50}
    assert Counter(found[:20]) == {"train": 16, "val": 2, "test": 2}
