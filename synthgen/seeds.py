"""Seeds and random streams: one of each for every (slot, try, purpose), independent of everything else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

SEED_BITS = 256


def seed_of(recipe_seed: int, stream: str, index: int, attempt: int = 0) -> int:
    """The 256-bit seed of one stream of one try at one slot.

    Equal arguments give equal seeds on every machine; any difference gives an unrelated one.
    Neither the recipe's digest nor the shard, batch or worker is in it, so adding a scorer or
    changing the shard size does not change the candidates.

    Args:
        recipe_seed: `seed` of the recipe, any integer.
        stream: what the numbers are for, such as "sampler" or "split".
        index: number of the slot, from 0.
        attempt: number of the try, from 0.
    """
    text = f"synthgen-seed-1\0{recipe_seed}\0{stream}\0{index}\0{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "little")


def generator(seed: int) -> np.random.Generator:
    """A random stream that uses all 256 bits of `seed`.

    Philox takes half of them as its key and half as the start of its counter, whose two low
    words are left to count. (torch's CPU generator keeps only the low 32 bits of a seed, so
    a few thousand samples in five million would share their noise.)

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    if not 0 <= seed < 1 << SEED_BITS:
        raise ValueError(f"seed must be in [0, 2^{SEED_BITS}), got {seed}")
    words = [(seed >> (64 * i)) & 0xFFFFFFFFFFFFFFFF for i in range(4)]
    key = np.array(words[:2], dtype=np.uint64)
    counter = np.array([0, 0, words[2], words[3]], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def normals(seeds: Sequence[int], shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers, float32, shape (len(seeds), *shape); row i depends on seeds[i] alone."""
    rows = [generator(seed).standard_normal(shape, dtype=np.float32) for seed in seeds]
    return np.stack(rows) if rows else np.empty((0, *shape), dtype=np.float32)


def unit_interval(seed: int) -> float:
    """A number in [0, 1) made from the top 53 bits of `seed`."""
    return (seed >> (SEED_BITS - 53)) / (1 << 53)
