"""Seeds and random streams."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen import seeds


def test_every_argument_matters() -> None:
    places = [(0, "a", 0, 0), (1, "a", 0, 0), (0, "b", 0, 0), (0, "a", 1, 0), (0, "a", 0, 1), (0, "a", 10, 0)]
    assert len({seeds.seed_of(*place) for place in places}) == len(places)


def test_neighbouring_fields_cannot_run_into_each_other() -> None:
    assert seeds.seed_of(1, "s", 23) != seeds.seed_of(1, "s", 2, 3)
    assert seeds.seed_of(0, "split", 1) != seeds.seed_of(0, "split\0001", 0)


def test_all_256_bits_reach_the_generator() -> None:
    """Each bit alone changes the numbers; torch's generator would ignore all but 32 of them."""
    base = seeds.generator(0).integers(1 << 63)
    assert all(seeds.generator(1 << bit).integers(1 << 63) != base for bit in range(seeds.SEED_BITS))


@pytest.mark.parametrize("seed", [-1, 1 << seeds.SEED_BITS])
def test_seeds_out_of_range_are_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed must be in"):
        seeds.generator(seed)


def test_a_row_of_noise_depends_on_its_own_seed_alone() -> None:
    some = [seeds.seed_of(0, "sampler", index) for index in range(5)]
    noise = seeds.normals(some, (3, 4))
    assert noise.shape == (5, 3, 4)
    assert noise.dtype == np.float32
    assert np.array_equal(seeds.normals(some[3:4], (3, 4))[0], noise[3])
    assert seeds.normals([], (2,)).shape == (0, 2)


def test_noise_is_standard_normal() -> None:
    noise = seeds.normals([seeds.seed_of(0, "x", i) for i in range(200)], (500,))
    assert abs(float(noise.mean())) < 4 / np.sqrt(noise.size)
    assert abs(float(noise.std()) - 1) < 4 / np.sqrt(2 * noise.size)
    between_rows = np.corrcoef(noise[:20])
    assert float(np.abs(between_rows - np.eye(20)).max()) < 0.25


def test_unit_interval() -> None:
    values = [seeds.unit_interval(seeds.seed_of(0, "split", index)) for index in range(4000)]
    assert 0 <= min(values) < 0.01
    assert 0.99 < max(values) < 1
    assert seeds.unit_interval((1 << seeds.SEED_BITS) - 1) < 1
