"""Perceptual hashes: 64 bits that stay nearly the same when an image is resized, recompressed or made brighter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

SIDE_PX, N_LOW = 32, 8
N_BITS = N_LOW * N_LOW
MAX_COMPARED = 1 << 22


def perceptual_hash(picture: np.ndarray) -> int:
    """64 bits of an image, uint8 (H, W, 1 or 3): which of its slowest waves are stronger than their median.

    The bits are those of the package imagehash (`phash`), row by row, the first one highest.

    Source: Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", section 3.2.1.
    """
    from PIL import Image
    from scipy.fft import dctn

    grey = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).convert("L")
    small = np.asarray(grey.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS), dtype=np.float64)
    waves = dctn(small)[:N_LOW, :N_LOW].round(6)  # zeros are zeros then: a flat image has no waves but rounding errors
    return int.from_bytes(np.packbits(waves > np.median(waves)).tobytes(), "big")


def distances(hashes: np.ndarray, other: int) -> np.ndarray:
    """In how many bits, 0 to 64, each of the hashes, uint64 (N,), differs from another one: int64 (N,)."""
    return np.bitwise_count(hashes ^ np.uint64(other)).astype(np.int64)


def groups(hashes: np.ndarray, max_bits: int) -> np.ndarray:
    """Numbers of groups, int64 (N,): hashes, uint64 (N,), within `max_bits` of each other are in the same one.

    So are chains of them, whose ends may be farther apart. Of hashes within `max_bits` at least one of `max_bits + 1`
    bands of bits is equal, so that only hashes that share a band are compared.
    """
    found, inverse = np.unique(hashes, return_inverse=True)
    numbers = np.arange(len(found))
    waiting: list[np.ndarray] = []
    for pairs in _neighbours(found, max_bits):
        waiting.append(pairs)
        if sum(map(len, waiting)) > MAX_COMPARED // 4:
            numbers, waiting = _joined(numbers, np.concatenate(waiting)), []
    if waiting:
        numbers = _joined(numbers, np.concatenate(waiting))
    return numbers[inverse]


def _neighbours(hashes: np.ndarray, max_bits: int) -> Iterator[np.ndarray]:
    """Positions (M, 2) of different hashes within `max_bits`, every such pair at least once, some at a time."""
    edges = np.linspace(0, N_BITS, max_bits + 2).round().astype(int).tolist()
    for low, high in itertools.pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(band, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            if len(rows) > 1:
                yield from _close(hashes, rows, max_bits)


def _close(hashes: np.ndarray, rows: np.ndarray, max_bits: int) -> Iterator[np.ndarray]:
    """Of the hashes at `rows`, ascending, the pairs within `max_bits`; no more than some millions are compared at once.

    Each pair comes once, the lower position first.
    """
    step = max(1, MAX_COMPARED // len(rows))
    for start in range(0, len(rows), step):
        block, rest = rows[start : start + step], rows[start:]
        near = np.bitwise_count(hashes[block][:, None] ^ hashes[rest][None]) <= max_bits
        first, second = np.nonzero(np.triu(near, k=1))
        if len(first):
            yield np.stack([block[first], rest[second]], axis=1)


def _joined(numbers: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Group numbers (N,) after the groups of every pair of positions, (M, 2), were joined."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = numbers[pairs]
    n = int(numbers.max()) + 1
    links = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(n, n))
    _, merged = connected_components(links, directed=False)
    result: np.ndarray = merged[numbers]
    return result
