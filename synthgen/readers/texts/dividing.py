"""Records into splits: what belongs together stays together, chosen by hashes, with the same share of every class."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from synthgen.readers.texts.records import Texts
from synthgen.readers.texts.sameness import compared, components
from synthgen.readers.texts.types import SPLITS, Split

HELD_OUT: tuple[Split, ...] = ("test", "validation")
"""The splits that are held out, in the order in which they are filled."""


@dataclass(frozen=True, slots=True)
class _Component:
    """Records that stay together: their places, and what decides about them."""

    records: Sequence[int]
    hash: bytes
    label: int


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
    largest = max(made, key=lambda one: len(one.records))
    if len(largest.records) * 2 > len(rows):
        where = texts.where(largest.records[0])
        notes.append(
            f"{len(largest.records):,} of {len(rows):,} records are connected by equal texts or groups and stay in one "
            f"split (one of them is {where}): the shares of the splits cannot be met"
        )
    for split, records in _chosen(made, shares, len(rows)).items():
        splits[records] = SPLITS.index(split)
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
) -> list[_Component]:
    members: dict[int, list[int]] = defaultdict(list)
    for record, leader in enumerate(first.tolist()):
        members[leader].append(record)
    found = []
    for records in members.values():
        smallest = min(records, key=lambda record: sorted(keys[record]))
        name = "\0".join((str(seed), *sorted(keys[smallest])))
        label = 0 if labels is None else int(labels[pool[smallest]])
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        found.append(_Component(pool[records].tolist(), digest, label))
    return sorted(found, key=lambda one: one.hash)


def _chosen(made: Sequence[_Component], shares: Mapping[Split, float], n: int) -> dict[Split, list[int]]:
    """The records of each split that is held out. What a class cannot give exactly is carried to the next one."""
    classes: dict[int, list[_Component]] = defaultdict(list)
    for one in made:
        classes[one.label].append(one)
    chosen: dict[Split, list[int]] = {split: [] for split in HELD_OUT if shares.get(split)}
    carried = dict.fromkeys(chosen, 0.0)
    for label in sorted(classes):
        left = classes[label]
        size = sum(len(one.records) for one in left)
        for split in chosen:
            wanted = shares[split] * size + carried[split]
            rest: list[_Component] = []
            for place, one in enumerate(left):
                keeps_one = len(left) - place - 1 + len(rest) >= 1
                if keeps_one and wanted * 2 >= len(one.records):
                    chosen[split] += one.records
                    wanted -= len(one.records)
                else:
                    rest.append(one)
            left, carried[split] = rest, wanted
    return chosen
