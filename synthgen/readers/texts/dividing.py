"""Records into splits: what belongs together stays together, chosen by hashes, with the same share of every class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from synthgen.readers.texts.records import Texts
from synthgen.readers.texts.sameness import compared, components
from synthgen.readers.texts.types import SPLITS, Split

HELD_OUT: tuple[Split, ...] = ("test", "validation")
"""The splits that are held out, in the order in which they are filled."""


@dataclass(frozen=True, slots=True)
class _Components:
    """C groups of records that stay together, in the order in which they are chosen.

    records: places of all records, component by component; starts int64 (C + 1,): where each component begins there.
    labels: int64 (C,), the class of the record that decides about each, 0 without classes.
    """

    records: np.ndarray
    starts: np.ndarray
    labels: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.starts)

    def of(self, component: int) -> np.ndarray:
        return self.records[self.starts[component] : self.starts[component + 1]]


def divided(
    texts: Texts, given: np.ndarray, groups: Sequence[Sequence[str]], shares: Mapping[Split, float], seed: int
) -> tuple[np.ndarray, list[str]]:
    """int8 (N,) places in `SPLITS`, and notes.

    Records that share a text or a group form a component, which goes to one split as a whole: components are taken in
    the order of the hash of their smallest text and the seed, class by class, until a split has its share as nearly
    as they allow. A class keeps a component for training.

    Args:
        given: int8 (N,), the split that the data themselves say of each record, -1 where they say none. Records of
            `train` are divided if validation or test lacks a split of its own and has a share.
        groups: of each column of groups the group of each record, empty for none.
        shares: of the records that are divided, of the splits that the data do not have.
    """
    keys = list(compared(texts))
    splits = np.where(given < 0, 0, given).astype(np.int8)
    notes = shared(keys, splits) if (splits != 0).any() else []
    pool = np.flatnonzero(splits == 0)
    if not any(shares.values()) or not len(pool):
        return splits, notes
    rows = pool.tolist()
    first = components((keys[row] for row in rows), [[column[row] for row in rows] for column in groups])
    made = _components(first, [keys[row] for row in rows], texts.labels, pool, seed)
    largest = int(np.argmax(made.sizes))
    if made.sizes[largest] * 2 > len(rows):
        where = texts.where(int(made.of(largest)[0]))
        notes.append(
            f"{made.sizes[largest]:,} of {len(rows):,} records are connected by equal texts or groups and stay in one "
            f"split (one of them is {where}): the shares of the splits cannot be met"
        )
    for split, chosen in _chosen(made, shares).items():
        for component in chosen:
            splits[made.of(component)] = SPLITS.index(split)
    return splits, notes


def shared(keys: Sequence[Sequence[str]], splits: np.ndarray) -> list[str]:
    """Notes on texts that splits of the data's own share."""
    found = [{text for row in np.flatnonzero(splits == i).tolist() for text in keys[row]} for i in range(len(SPLITS))]
    notes = []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        both = found[a] & found[b]
        if both:
            first = min(both)
            notes.append(
                f"{len(both):,} {'text is' if len(both) == 1 else 'texts are'} in {SPLITS[a]} and in {SPLITS[b]}, "
                f"apart from capitals and blanks, as `{first[:60]}`: the data's own splits are kept"
            )
    return notes


def _components(
    first: np.ndarray, keys: Sequence[Sequence[str]], labels: np.ndarray | None, pool: np.ndarray, seed: int
) -> _Components:
    """Components in the order of the hash of their smallest record."""
    smallest: dict[int, tuple[str, int]] = {}
    for record, (leader, texts) in enumerate(zip(first.tolist(), keys, strict=True)):
        name = "\0".join(sorted(texts)) if len(texts) > 1 else texts[0]
        if leader not in smallest or name < smallest[leader][0]:
            smallest[leader] = name, record
    start = hashlib.sha256(f"{seed}\0".encode())
    digests = {}
    for leader, (name, _) in smallest.items():
        digest = start.copy()
        digest.update(name.encode("utf-8", "surrogatepass"))
        digests[leader] = digest.digest()
    order = sorted(digests, key=digests.__getitem__)
    place = np.zeros(len(first), dtype=np.int64)
    place[order] = np.arange(len(order))
    component = place[first]
    starts = np.concatenate([[0], np.cumsum(np.bincount(component, minlength=len(order)))])
    deciding = pool[[smallest[leader][1] for leader in order]]
    own = np.zeros(len(order), dtype=np.int64) if labels is None else labels[deciding]
    return _Components(pool[np.argsort(component, kind="stable")], starts, own)


def _chosen(made: _Components, shares: Mapping[Split, float]) -> dict[Split, list[int]]:
    """The components of each split that is held out. What a class cannot give exactly is carried to the next one."""
    chosen: dict[Split, list[int]] = {split: [] for split in HELD_OUT if shares.get(split)}
    carried = dict.fromkeys(chosen, 0.0)
    sizes = made.sizes.tolist()
    by_class = np.argsort(made.labels, kind="stable")
    for group in np.split(by_class, np.flatnonzero(np.diff(made.labels[by_class])) + 1):
        left, whole = group.tolist(), sum(sizes[component] for component in group)
        for split, taken in chosen.items():
            wanted = shares[split] * whole + carried[split]
            rest: list[int] = []
            for place, component in enumerate(left):
                is_last = place + 1 == len(left) and not rest
                if not is_last and wanted * 2 >= sizes[component]:
                    taken.append(component)
                    wanted -= sizes[component]
                else:
                    rest.append(component)
            left, carried[split] = rest, wanted
    return chosen
