"""Perceptual hashes: which bits, how far apart, and groups that are the same as those of comparing every pair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from synthgen.vision.perceptual_hash import distances, groups, perceptual_hash


def flipped(one: int, bits: list[int]) -> int:
    for bit in bits:
        one ^= 1 << bit
    return one


def test_a_flipped_pattern_of_bits_is_as_far_away_as_it_has_bits() -> None:
    one = 0x9F3C_0000_FFFF_1234
    others = [one, flipped(one, [0]), flipped(one, [0, 17, 63]), flipped(one, list(range(64)))]
    assert distances(np.array(others, dtype=np.uint64), one).tolist() == [0, 1, 3, 64]


def test_a_slow_wave_sets_its_own_bit() -> None:
    """Rows are vertical waves, columns horizontal ones; the first bit is the mean, and the highest."""
    steps = (np.arange(32) + 0.5) / 32
    for row, column in ((0, 1), (3, 0), (2, 5)):
        wave = np.outer(np.cos(np.pi * row * steps), np.cos(np.pi * column * steps))
        picture = np.round(128 + 100 * wave).astype(np.uint8)[..., None]
        bits = f"{perceptual_hash(picture):064b}"
        assert bits[0] == bits[8 * row + column] == "1"
        dark = f"{perceptual_hash(255 - picture):064b}"
        assert dark[0] == "1" and dark[8 * row + column] == "0"


def test_flat_pictures_have_one_hash() -> None:
    flat = [np.full((20, 30, 3), level, dtype=np.uint8) for level in (1, 77, 255)]
    assert {perceptual_hash(picture) for picture in flat} == {1 << 63}


def test_grey_and_its_three_channels_have_one_hash() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (40, 40, 1), dtype=np.uint8)
    assert perceptual_hash(grey) == perceptual_hash(np.repeat(grey, 3, axis=2))


@pytest.mark.parametrize("max_bits", [0, 1, 2, 5, 10, 16])
def test_groups_are_those_of_comparing_every_pair(max_bits: int) -> None:
    random = np.random.default_rng(max_bits)
    hashes = random.integers(0, 1 << 64, 300, dtype=np.uint64)
    near = [
        flipped(int(one), random.choice(64, random.integers(0, max_bits + 3), replace=False).tolist())
        for one in hashes[:200]
    ]
    hashes = random.permutation(np.concatenate([hashes, np.array(near, dtype=np.uint64)]))
    found = groups(hashes, max_bits)
    _, expected = connected_components(np.bitwise_count(hashes[:, None] ^ hashes[None]) <= max_bits, directed=False)
    pairs = set(zip(found.tolist(), expected.tolist(), strict=True))
    assert len(pairs) == len(set(found.tolist())) == len(set(expected.tolist())) < 500


def test_a_crowd_of_near_hashes_is_joined_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains make one group, whatever is compared and joined at a time."""
    chain = np.array([(1 << i) - 1 for i in range(64)], dtype=np.uint64)
    monkeypatch.setattr("synthgen.vision.perceptual_hash.MAX_COMPARED", 16)
    assert set(groups(chain, 1).tolist()) == {0}
    assert len(set(groups(chain, 0).tolist())) == 64
    assert len(groups(chain[:0], 3)) == 0
