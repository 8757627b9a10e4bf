"""Which entities a training knows, and the static columns by which its windows say whose they are."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from synthgen.base.names import markdown
from synthgen.base.units import plural
from synthgen.models.series.calendar import Calendar, runs_of
from synthgen.models.series.entities import Entities, Member
from synthgen.readers.series.reader import Windows

MOST_KNOWN, SEVERAL = 64, 10
"""The network knows so many entities at most, if the median one has so many training windows: of one window, all that
can be learned is the window."""

MAX_STORED, MAX_NUMBERS, MAX_RUNS = 1000, 200_000, 20_000
"""Of more entities, a part is stored: so many, or as many as have so many static numbers together; and so many runs of
starts of all of them together."""

N_NAMED = 10


def entities_of(windows: Windows, calendar: Calendar | None) -> Entities | None:
    """What the model of these training windows knows of the entities that they are of.

    None if nobody named entities, or if an entity's name would say nothing: where the network does not know it and it
    has no static columns. Of too many, those with the lowest sha256 of their names are stored, of each class as many.
    """
    if not windows.entity_names:
        return None
    both = np.stack([windows.entities, windows.labels])
    pairs, inverse, counts = np.unique(both, axis=1, return_inverse=True, return_counts=True)
    owners, windows_each = np.unique(windows.entities, return_counts=True)
    known = 2 <= len(owners) <= MOST_KNOWN and float(np.median(windows_each)) >= SEVERAL
    n_static = len(windows.static_names)
    if not known and not n_static:
        return None
    chosen = np.arange(len(counts)) if known else _chosen(windows, pairs, min(MAX_STORED, MAX_NUMBERS // n_static))
    stored = np.unique(pairs[0][chosen])
    order = np.argsort(inverse.ravel(), kind="stable")  # windows of each pair together
    ends = np.cumsum(counts)
    members = []
    for pair in chosen.tolist():
        runs = []
        if calendar is not None:
            assert windows.row_stamps is not None
            rows = windows.first[order[ends[pair] - counts[pair] : ends[pair]]]
            runs = list(runs_of(windows.row_stamps[rows], max(2, MAX_RUNS // len(chosen))))
        number = int(np.searchsorted(stored, pairs[0][pair]))
        members.append(Member(number, int(pairs[1][pair]), int(counts[pair]), runs))
    return Entities(
        names=tuple(windows.entity_names[owner] for owner in stored),
        static=windows.entity_static[stored].astype(np.float64),
        members=tuple(members),
        known=known,
        n_more=len(owners) - len(stored),
    )


def with_identity(windows: Windows, entities: Entities | None) -> Windows:
    """The windows with static columns that say whose they are behind those of the table; without names, nobody's."""
    if entities is None or not entities.columns:
        return windows
    names = windows.entity_names or [None] * len(windows.entity_static)
    made = entities.one_hot(names).astype(windows.entity_static.dtype)
    return replace(
        windows,
        entity_static=np.concatenate([windows.entity_static, made], axis=1),
        static_names=(*windows.static_names, *entities.columns),
    )


def shares(entities: Entities | None) -> np.ndarray:
    """float32: of all training windows, the share of each entity that the network knows; empty if it knows none."""
    if entities is None or not entities.known:
        return np.zeros(0, dtype=np.float32)
    counts = np.zeros(len(entities.names))
    for member in entities.members:
        counts[member.entity] += member.n_windows
    found: np.ndarray = (counts / counts.sum()).astype(np.float32)
    return found


def say_entities(entities: Entities | None) -> str:
    """What a model knows of the entities, in words; empty if it knows none."""
    if entities is None:
        return ""
    names = ", ".join(entities.names[:N_NAMED])
    more = len(entities.names) + entities.n_more - N_NAMED
    named = names + (f" and {more:,} more" if more > 0 else "")
    return f"{named}: " + ("known by name" if entities.known else "known by their static columns only")


def say_on_card(entities: Entities | None) -> str:
    """What a model's card says of the entities; empty if it knows none."""
    if entities is None:
        return ""
    n = len(entities.names) + entities.n_more
    parts = [f"It was trained on {plural(n, 'entity', 'entities')}"]
    if entities.known:
        parts[0] += (
            f" and knows each by name ({', '.join(map(markdown, entities.names[:N_NAMED]))}{', ...' * (n > N_NAMED)})"
        )
    else:
        parts.append("It knows them by their static columns only: the name beside a series says whose they were")
    which = f"{len(entities.names):,} of them" if entities.n_more else "all of them" if n > 1 else "it"
    parts.append(
        f"Names, static columns and numbers of windows of {which} are stored with it (not so with `identity: none`)"
    )
    return ". ".join(parts) + ". `sampler.entity` asks for some."


def _chosen(windows: Windows, pairs: np.ndarray, most: int) -> np.ndarray:
    """int64: the numbers of the pairs (2, P) of entity and class that are stored."""
    each = max(1, most // len(np.unique(pairs[1])))
    if pairs.shape[1] <= most:
        return np.arange(pairs.shape[1])
    found = []
    for label in np.unique(pairs[1]):
        own = np.flatnonzero(pairs[1] == label)
        ranks = [hashlib.sha256(windows.entity_names[pairs[0][i]].encode()).digest() for i in own]
        found.append(own[sorted(range(len(own)), key=ranks.__getitem__)[:each]])
    return np.sort(np.concatenate(found))
