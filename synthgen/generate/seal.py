"""Sealing: the manifest that defines a dataset, and the card and metadata made from it."""

from __future__ import annotations

import hashlib
import json
import posixpath
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import IO, Any

from synthgen.base import json_files
from synthgen.base.json_files import FORMAT
from synthgen.dataset import card, ledger, licences
from synthgen.dataset.card import DIFFUSION
from synthgen.dataset.layout import MANIFEST, RECIPE, index_path
from synthgen.dataset.ledger import Totals
from synthgen.dataset.records import Commit
from synthgen.dataset.store import Sizes, Store, Whereabouts
from synthgen.dataset.view import index_table
from synthgen.errors import SynthgenError
from synthgen.fields import classes_of
from synthgen.generate.plan import Plan

MAX_NAMED = 1000


def seal(store: Store, plan: Plan, size: Sizes | None = None, changed: Collection[int] | None = None) -> dict[str, Any]:
    """Writes manifest.json, recipe.yaml, README.md and croissant.json from the commits, and returns the manifest.

    The content is deterministic: it depends on the commits and the recipe, not on when or where
    the shards were rendered. The returned value lacks the list of shards, which in the file has
    one line each. A dataset with short slots or missing shards is sealed with `complete: false`, unless a
    complete dataset was sealed before: that one stays until the larger one is whole.

    Args:
        size: what tells the sizes of files, if few were rendered since it was asked for.
        changed: as for `Store.load_commits`.
    """
    with tempfile.SpooledTemporaryFile(max_size=1 << 20, mode="w+", encoding="utf-8") as lines:
        manifest = _summary(store, plan, lines, size or store.sizes(), changed)
        if not manifest["complete"] and sealed_before(store, plan) is not None:
            return manifest
        lines.seek(0)
        papers = {
            "README.md": card.dataset_card(manifest).encode(),
            "croissant.json": card.croissant(manifest).encode(),
        }
        manifest["papers"] = {name: hashlib.sha256(content).hexdigest() for name, content in papers.items()}
        store.write(MANIFEST, json_files.signed(_manifest_text(manifest, lines)))
    store.forget_sealed()
    for name, content in papers.items():
        store.write(name, content)
    store.write(RECIPE, recipe_text(plan).encode())
    return manifest


def sealed_before(store: Store, plan: Plan) -> int | None:
    """How many samples the complete dataset has that was sealed and can still be loaded; None if there is none."""
    try:
        book = ledger.read(store.storage)
    except SynthgenError:
        return None
    manifest = book.manifest
    if manifest is None or book.lack or manifest["digest"] != plan.digest or manifest["planned"] >= plan.n_samples:
        return None
    return int(manifest["samples"])


def _summary(store: Store, plan: Plan, lines: IO[str], size: Sizes, changed: Collection[int] | None) -> dict[str, Any]:
    """Totals over all commits; each shard's entry is appended to `lines` on the way."""
    totals = Totals.of(plan.schema, MAX_NAMED)
    missing: list[int] = []
    folders: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    batch_sizes: set[int] = set()
    following = 0
    for shard, record in store.load_commits(changed):
        if shard >= plan.n_shards:
            break
        if (
            not isinstance(record, Commit)
            or record.n_slots != len(plan.shard_range(shard))
            or not _whole(store, size, record)
        ):
            continue
        missing += range(following, shard)
        following = shard + 1
        totals.add(record)
        batch_sizes.add(record.batch_size)
        for file in record.files:
            if file.split:
                folders[file.kind][file.split].add(posixpath.dirname(file.path))
        lines.write(("" if not lines.tell() else ",\n") + json.dumps(_shard_entry(record), sort_keys=True))
    missing += range(following, plan.n_shards)
    notes = _notes(store, plan, set(range(plan.n_shards)) - set(missing), totals.accepted)
    return {
        "format": FORMAT,
        "name": plan.recipe.name,
        "description": plan.recipe.description,
        "digest": plan.digest,
        "smoke": plan.recipe.smoke,
        "complete": not missing and not totals.n_short,
        "samples": totals.accepted,
        "planned": plan.n_samples,
        "splits": {name: totals.splits[name] for name in sorted(plan.recipe.splits)},
        "classes": {name: totals.classes[name] for name in classes_of(plan.schema) or sorted(totals.classes)},
        "objects": dict(totals.objects),
        **({"regions": totals.regions} if totals.regions else {}),
        "tries": totals.tries,
        "rejected": dict(sorted(totals.rejected.items())),
        "short": {"count": totals.n_short, "slots": totals.short},
        "missing_shards": missing[:MAX_NAMED],
        "n_missing_shards": len(missing),
        "folders": {
            kind: {split: sorted(found) for split, found in sorted(by_split.items())}
            for kind, by_split in sorted(folders.items())
        },
        "writers": [writer.suffix for _, writer in plan.parts.writers],
        "fields": [{"name": name, **field.describe()} for name, field in plan.schema.items()],
        "scores": plan.score_names,
        "sources": [
            {"kind": s.kind, "name": s.name, "sha256": s.sha256, "licence": s.licence, **s.details}
            for s in plan.parts.sources()
        ],
        "warnings": licences.warnings(plan.parts.sources()),
        "local_parts": list(plan.local_parts),
        "environments": sorted(totals.environments),
        "batch_sizes": sorted(batch_sizes),
        "identity": plan.identity,
        **({"maker": maker} if (maker := getattr(plan.parts.sampler, "maker", DIFFUSION)) != DIFFUSION else {}),
        **({"notes": notes} if notes else {}),
    }


def _notes(store: Store, plan: Plan, shards: set[int], n_samples: int) -> list[str]:
    """What scorers say of the dataset as a whole, from the scores of its accepted samples in the index."""
    speakers = [part for _, part in plan.parts.scorers if hasattr(part, "card_notes")]
    names = [f"score.{name}" for part in speakers for name in part.fields]
    if not names or not n_samples:
        return []
    import pyarrow.compute as pc

    totals: dict[str, float] = defaultdict(float)
    for shard in sorted(shards):
        columns = index_table(store.storage, Whereabouts((index_path(shard),)), ["accepted", *names])
        for name in names:
            kept = columns[name].filter(columns["accepted"])
            totals[name.removeprefix("score.")] += pc.sum(kept).as_py() or 0.0
    ruled = {rule.score for rule in plan.rules}
    notes = []
    for part in speakers:
        chosen = "; samples were chosen by these scores, so the numbers flatter" if ruled & set(part.fields) else ""
        notes += [f"{note}{chosen}" for note in part.card_notes(totals, n_samples)]
    return notes


def _whole(store: Store, size: Sizes, record: Commit) -> bool:
    """Whether the shard's files are in their places, some perhaps only since `size` was asked for."""
    return all(size(f.path) == f.bytes or store.storage.size(f.path) == f.bytes for f in record.files)


def _shard_entry(record: Commit) -> dict[str, Any]:
    files = [
        {"path": f.path, "kind": f.kind, "split": f.split, "samples": f.samples, "bytes": f.bytes, "sha256": f.sha256}
        for f in record.files
    ]
    return {"shard": record.shard, "slots": record.n_slots, "samples": record.accepted, "files": files}


def _manifest_text(manifest: dict[str, Any], lines: IO[str]) -> Iterator[bytes]:
    head = json.dumps(manifest, indent=1, ensure_ascii=False)
    yield (head.removesuffix("\n}") + ',\n "shards": [\n').encode()
    while chunk := lines.read(1 << 20):
        yield chunk.encode()
    yield b"\n ]"


def recipe_text(plan: Plan) -> str:
    """The resolved recipe as YAML, headed by its hash: `synthgen run` on it makes the same dataset."""
    import yaml

    without: Any = {"resources": True, "labelers": {"__all__": {"pool"}}, "scorers": {"__all__": {"pool"}}}
    values = plan.recipe.model_dump(mode="json", exclude=without) | {"samples": plan.n_samples}
    return json_files.headed(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120), plan.digest)
