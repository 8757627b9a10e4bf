"""`synthgen plan RECIPE`: what a recipe would make."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import click

from synthgen import api
from synthgen.base.environment import usable_cores
from synthgen.base.places import place_of
from synthgen.cli import formatting, options, plan_machine, plan_model
from synthgen.dataset import layout, ledger, licences, records
from synthgen.dataset.ledger import Ledger
from synthgen.errors import UsageError
from synthgen.generate import survey
from synthgen.generate.plan import Plan, differences
from synthgen.parts.registry import Plugins
from synthgen.stages.resolve import resolve

MAX_COUNTED = 20_000


@click.command("plan")
@options.recipe_options
@click.option(
    "-o", "--out", metavar="DIR", help="Output folder or address to look into; by default runs/<name>-<digest>."
)
@options.json_option
def command(
    recipe: str,
    samples: int | None,
    overrides: tuple[str, ...],
    plugin_files: tuple[str, ...],
    smoke: bool,
    out: str | None,
    as_json: bool,
) -> None:
    """Show what RECIPE would make: classes, splits, shards, parts, models, disk space, what is done already.

    Checks everything that can be checked without drawing. Loads no weights and writes nothing. Of a
    RECIPE that trains a model, a few steps that are thrown away say what time and memory the training takes on this
    machine; what only the trained model can tell is left out until then.
    """
    model = None if smoke else api.read_model(recipe, overrides, plugin_files)
    if model is not None:
        told = plan_model.describe(model, Plugins(plugin_files))
        if not told["missing_data"]:
            told |= plan_model.facts(api.model_facts(model, plugin_files), told["notes"])
            if not told["out"]["trained"]:
                told["training"]["cost"] = plan_model.model_cost(model, Plugins(plugin_files))
        click.echo(json.dumps(told, indent=1) if as_json else plan_model.say(told))
        return
    found = resolve(recipe, samples, overrides, plugin_files, smoke)
    own = plan_model.describe_own(found.own) if found.own else None
    if own is not None and not own["trained"]:
        facts = plan_model.before_training(found.binding, own)
        facts |= plan_model.facts(found.data_facts, own["notes"])
        click.echo(json.dumps(facts, indent=1) if as_json else plan_model.say_before_training(facts))
        return
    facts = describe(found.plan, place_of(out) if out else found.default_out) | ({"train": own} if own else {})
    facts |= plan_model.facts(found.data_facts)
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        _say(facts, recipe)


def describe(plan: Plan, out: str | Path) -> dict[str, Any]:
    """Everything that `plan` says, as JSON values."""
    each = survey.bytes_per_sample(plan, survey.Survey(pending=survey.Pending(plan.n_shards)))
    splits, exact = split_counts(plan)
    recipe = plan.recipe
    return {
        "name": recipe.name,
        "digest": plan.digest,
        "samples": plan.n_samples,
        "shards": plan.n_shards,
        "shard_size": recipe.shard_size,
        "batch_size": recipe.batch_size,
        "tries": recipe.tries,
        "classes": plan.class_counts(),
        "splits": splits,
        "splits_exact": exact,
        "keep": [str(rule) for rule in plan.rules],
        "parts": plan_model.parts(recipe),
        "fields": [{"name": name, **field.describe()} for name, field in plan.schema.items()],
        "sources": [
            {"kind": s.kind, "name": s.name, "sha256": s.sha256, "licence": s.licence, **s.details}
            for s in plan.parts.sources()
        ],
        "warnings": licences.warnings(plan.parts.sources()),
        "out": {"folder": str(out), **_existing(plan, out)},
        "estimated_bytes": round(each * plan.n_samples),
        "machine": plan_machine.describe(
            [spec.settings for _, _, spec in recipe.parts()], [source.name for source in plan.parts.sources()]
        ),
    }


def split_counts(plan: Plan) -> tuple[dict[str, int], bool]:
    """Slots by split, and whether they were counted one by one: beyond 20,000, shares are multiplied out."""
    names = sorted(plan.recipe.splits)
    if plan.n_samples > MAX_COUNTED:
        return {name: round(plan.recipe.splits[name] * plan.n_samples) for name in names}, False
    counts = Counter(plan.slot(index).split for index in range(plan.n_samples))
    return {name: counts[name] for name in names}, True


def _existing(plan: Plan, out: str | Path) -> dict[str, Any]:
    """What of this plan the output folder holds already, and how long its shards took."""
    try:
        book = ledger.read(out)
    except UsageError:
        return {"exists": isinstance(out, Path) and out.exists(), "same_dataset": None, "shards_done": 0}
    changed = list(differences(book.identity, json.loads(json.dumps(plan.identity))))
    if changed:
        return {"exists": True, "same_dataset": False, "differences": changed, "shards_done": 0}
    done = [
        shard
        for shard, record in book.commits.items()
        if shard < plan.n_shards and record.is_final(len(plan.shard_range(shard)), plan.recipe.tries)
    ]
    found: dict[str, Any] = {"exists": True, "same_dataset": True, "shards_done": len(done)}
    seconds = seconds_a_shard(book)
    if seconds is not None:
        found["estimated_core_seconds_left"] = seconds * (plan.n_shards - len(done))
    return found


def seconds_a_shard(book: Ledger) -> float | None:
    """Mean time that a worker spent on a shard of this folder; None if the log tells nothing."""
    lines = book.store.load_lines(layout.SHARDS, records.Timing)
    times = [line.seconds["total"] for line in lines if "total" in line.seconds]
    return sum(times) / len(times) if times else None


def _say(facts: dict[str, Any], recipe: str) -> None:
    about = "" if facts["splits_exact"] else "about "
    rows = [
        ("dataset", f"{facts['name']}, {facts['samples']} samples"),
        ("classes", formatting.counts(facts["classes"])),
        ("splits", about + formatting.counts(facts["splits"])),
        ("shards", f"{facts['shards']} of {facts['shard_size']} slots, generated in batches of {facts['batch_size']}"),
        ("fields", ", ".join(f"{field['name']} ({field['type']})" for field in facts["fields"])),
        plan_model.keep_row(facts),
        *plan_model.own_rows(facts.get("train")),
        *formatting.data_rows(facts["columns"], facts["data"]),
        *(plan_model.part_row(part) for part in facts["parts"]),
        *((source["kind"], _source_text(source)) for source in facts["sources"]),
        *plan_machine.rows(facts["machine"], "synthgen run"),
        ("digest", facts["digest"]),
        ("output", _output_text(facts)),
        ("disk", f"at most about {formatting.size(facts['estimated_bytes'])}"),
        ("time", _time_text(facts, recipe)),
    ]
    click.echo(formatting.table(rows))
    of_sources = [note for source in facts["sources"] for note in source.get("notes", ())]
    for note in dict.fromkeys([*facts["notes"], *of_sources]):
        click.echo(f"note: {note}")
    for warning in facts["warnings"]:
        click.echo(f"warning: {warning}")
    if facts["out"].get("differences"):
        click.echo(
            f"\n{facts['out']['folder']} holds another dataset, so `synthgen run` would refuse it; it differs in"
        )
        for line in facts["out"]["differences"][:10]:
            click.echo(f"  {line}")


def _source_text(source: dict[str, Any]) -> str:
    state = f"commit {source['revision'][:16]}" if source.get("revision") else f"sha256 {source['sha256'][:16]}"
    return f"{source['name']}, licence {source['licence'] or 'unknown'}, {state}"


def _output_text(facts: dict[str, Any]) -> str:
    out = facts["out"]
    if out["same_dataset"]:
        return f"{out['folder']} exists, {out['shards_done']} of {facts['shards']} shards are done"
    return f"{out['folder']} {'exists' if out['exists'] else 'does not exist yet'}"


def _time_text(facts: dict[str, Any], recipe: str) -> str:
    seconds = facts["out"].get("estimated_core_seconds_left")
    if seconds is None:
        return f"not known yet; `synthgen preview {shlex.quote(recipe)}` measures it"
    if facts["out"]["shards_done"] == facts["shards"]:
        return "nothing left to do"
    n_cores = usable_cores()
    left = formatting.duration(seconds / n_cores)
    return f"about {left} for what is left, with {n_cores} workers as fast as those so far"
