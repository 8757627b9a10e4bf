"""Names of the files of a dataset, relative to its place.

manifest.json README.md croissant.json recipe.yaml    written when the dataset is sealed
data/<split>/shard-00042.tar                          published shards; those of another writer
parquet/<split>/shard-00042.parquet                   have a folder of their own, named for its suffix
index/shard-00042.parquet                             every try of every slot
commits/shard-00042.json                              the ledger: a shard exists if it is here
failures/ log/ selections/                            tracebacks; times; what readers leave out
reports/evaluation.json reports/report.html           what `evaluate` found; the page of `report`
.synthgen/staging/<run>/                              what a run has written and not published
.synthgen/sealed/<sha256>                             what the manifest names and a larger dataset replaces
.synthgen/damaged/                                    what was taken away
.synthgen/identity.json lease.json lock               what it is made from; its last driver; its live one
.synthgen/packs/                                      of object stores: records, many in one object
.synthgen/handed_back                                 of object stores: the manifest no longer is all that readers need
"""

from __future__ import annotations

import re

COMMITS = "commits"
FAILURES = "failures"
LOGS = "log"
REPORTS = "reports"
SELECTIONS = "selections"
PRIVATE = ".synthgen"
STAGING = f"{PRIVATE}/staging"
SEALED = f"{PRIVATE}/sealed"
DAMAGED = f"{PRIVATE}/damaged"
PACKS = f"{PRIVATE}/packs"
FOLDERS = ("data", "index", COMMITS, FAILURES, LOGS, REPORTS, SELECTIONS, PRIVATE, STAGING)
"""Folders that every dataset may have; files of other kinds than tar are in one named for their suffix."""

MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
IDENTITY = f"{PRIVATE}/identity.json"
LEASE = f"{PRIVATE}/lease.json"
HANDED_BACK = f"{PRIVATE}/handed_back"
BATCH_SIZE = f"{PRIVATE}/batch_size.json"
RUNS = f"{LOGS}/runs.jsonl"
SHARDS = f"{LOGS}/shards.jsonl"
EVALUATION = f"{REPORTS}/evaluation.json"

TOOLS = "tools"
"""Below STAGING: of whoever writes without being a run."""

_COMMIT = re.compile(rf"{COMMITS}/shard-(\d{{5,12}})\.json/?")


def commit_path(shard: int) -> str:
    return f"{COMMITS}/shard-{shard:05d}.json"


def commit_number(path: str) -> int | None:
    """The shard whose record has this name; None if it is no record's name."""
    match = _COMMIT.fullmatch(path)
    return int(match[1]) if match and path.rstrip("/") == commit_path(int(match[1])) else None


def failure_path(shard: int) -> str:
    return f"{FAILURES}/shard-{shard:05d}.json"


def index_path(shard: int) -> str:
    return f"index/shard-{shard:05d}.parquet"


def data_path(split: str, shard: int, suffix: str) -> str:
    """Where a file of a shard is published.

    Tar files are in `data`, others in a folder named for their suffix: readers of whole folders, such as
    `pandas.read_parquet`, take every file for one of theirs.
    """
    return f"{'data' if suffix == 'tar' else suffix}/{split}/shard-{shard:05d}.{suffix}"


def possible_paths(shard: int, kind: str, split: str) -> tuple[str, ...]:
    """What a shard's file of this kind and split may be called."""
    if not split:
        return (index_path(shard),)
    if kind in FOLDERS or not re.fullmatch(r"[a-z][a-z0-9_]*", split):
        return ()
    older = f"data/{split}/shard-{shard:05d}.{kind}"  # before each kind had a folder of its own
    return data_path(split, shard, kind), older
