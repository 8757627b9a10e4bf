"""Packs a rendered shard into staged files and the record that commits them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from synthgen.dataset.layout import data_path, index_path
from synthgen.dataset.records import Commit, Region, ShardFile
from synthgen.dataset.shard_files import content_sha256
from synthgen.dataset.store import Store
from synthgen.fields import class_field
from synthgen.fields.objects import count_objects, count_regions
from synthgen.generate.loop import Rendered, Try, named_condition
from synthgen.generate.plan import Plan
from synthgen.parts.protocols import Encoded, Member

Places = dict[str, dict[str, Any]]


def pack(plan: Plan, rendered: Rendered, store: Store, environment: str) -> Commit:
    """Writes every file of the shard under staging names and returns its record, not yet committed.

    Raises:
        StoreError: the disk is full or refuses to write; nothing is left behind.
    """
    files: list[ShardFile] = []
    places: Places = {}
    try:
        for split in sorted({sample.split for sample in rendered.samples}):
            samples = [sample for sample in rendered.samples if sample.split == split]
            for _, writer in plan.parts.writers:
                path = data_path(split, rendered.number, writer.suffix)
                with store.stage(path, writer.suffix, split, len(samples)) as file:
                    members = writer.write(file, samples, plan.schema)  # type: ignore[arg-type]
                files.append(_entry(file))
                _note_places(places, path, writer.suffix, members)
        with store.stage(index_path(rendered.number), "index", "", len(rendered.samples)) as file:
            write_index(file, plan, rendered, places)
        files.append(_entry(file))
    except BaseException:
        store.discard(files)
        raise
    regions = count_regions(plan.schema, (sample.values for sample in rendered.samples))
    return Commit(
        digest=plan.digest,
        shard=rendered.number,
        n_slots=len(plan.shard_range(rendered.number)),
        accepted=len(rendered.samples),
        tries=len(rendered.tries),
        rejected=rendered.rejected,
        classes=class_counts(plan, rendered.samples),
        short=[
            {"key": slot.key, "index": slot.index, "tries": plan.recipe.tries, **named_condition(plan, slot)}
            for slot in rendered.short
        ],
        environment=environment,
        files=files,
        batch_size=rendered.batch_size,
        objects=count_objects(plan.schema, (sample.values for sample in rendered.samples)),
        regions={cls: Region(*n) for cls, n in regions.items()},
        epoch=store.epoch,
    )


def _entry(file: Any) -> ShardFile:
    assert file.entry is not None
    entry: ShardFile = file.entry
    return entry


def _note_places(places: Places, path: str, suffix: str, members: Any) -> None:
    member: Member
    for member in members:
        found = places.setdefault(member.key, {})
        found[f"{suffix}_file"] = path
        found[f"{suffix}_offset"] = member.offset
        found[f"{suffix}_length"] = member.length


def class_counts(plan: Plan, samples: list[Encoded]) -> dict[str, int]:
    """Accepted samples by class name, over the first stored field that gives a class."""
    if (name := class_field(plan.schema)) is None:
        return {}
    kind = plan.schema[name]
    counts = Counter(kind.sample_classes[kind.decode(sample.values[name])] for sample in samples)
    return {cls: counts[cls] for cls in sorted(counts)}


def write_index(file: Any, plan: Plan, rendered: Rendered, places: Places) -> None:
    """One row a try, by slot and try: what was asked, what was scored, what was decided, where it stands.

    Columns: key, index, try, split, seed (hex), condition (JSON), accepted, rejected_by (rule or
    null), `score.<name>`, sha256 of the stored values, and for every writer the file, the first
    byte (Parquet: the row) and the length of the sample.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    hashes = {sample.key: content_sha256(sample) for sample in rendered.samples}

    def place(t: Try, column: str) -> Any:
        return places[t.slot.key][column] if t.rejected_by is None else None

    rows = rendered.tries
    columns: dict[str, Any] = {
        "key": pa.array([t.slot.key for t in rows], pa.string()),
        "index": pa.array([t.slot.index for t in rows], pa.int64()),
        "try": pa.array([t.attempt for t in rows], pa.int32()),
        "split": pa.array([t.slot.split for t in rows], pa.string()),
        "seed": pa.array([f"{t.seed:064x}" for t in rows], pa.string()),
        "condition": pa.array([json.dumps(named_condition(plan, t.slot)) for t in rows], pa.string()),
        "accepted": pa.array([t.rejected_by is None for t in rows], pa.bool_()),
        "rejected_by": pa.array([t.rejected_by for t in rows], pa.string()),
    }
    for name in plan.score_names:
        columns[f"score.{name}"] = pa.array([t.scores[name] for t in rows], pa.float64())
    columns["sha256"] = pa.array([hashes[t.slot.key] if t.rejected_by is None else None for t in rows], pa.string())
    for _, writer in plan.parts.writers:
        for column, kind in (("file", pa.string()), ("offset", pa.int64()), ("length", pa.int64())):
            name = f"{writer.suffix}_{column}"
            columns[name] = pa.array([place(t, name) for t in rows], kind)
    pq.write_table(pa.table(columns), file, compression="zstd")
