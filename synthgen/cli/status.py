"""`synthgen status DIR`: how far a dataset is."""

from __future__ import annotations

import contextlib
import json
import shlex
from pathlib import Path
from typing import Any

import click

from synthgen.cli import formatting, options, resume_command
from synthgen.dataset import ledger, records
from synthgen.dataset.layout import FAILURES
from synthgen.dataset.ledger import Ledger
from synthgen.errors import RecordError

MAX_NAMED = 8


@click.command("status")
@options.folder_argument
@options.known_parts_option
@options.json_option
def command(folder: str, as_json: bool) -> int:
    """Show how far the dataset in DIR is: shards, samples, what was rejected, what failed.

    Works while a run is writing and after it was interrupted; changes nothing. Exits with 0 if
    the dataset is complete and with 1 if it is not.
    """
    facts = survey(ledger.read(folder))
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        _say(facts)
    return 0 if facts["complete"] else 1


def survey(book: Ledger) -> dict[str, Any]:
    """Everything that `status` says, as JSON values."""
    totals = book.totals()
    running = dict(book.store.storage.holder())
    return {
        "folder": book.place,
        "name": book.name,
        "complete": book.complete,
        "sealed": book.manifest is not None,
        "growing_from": book.manifest["samples"] if book.growing and book.manifest and not book.lack else None,
        "damage": dict(book.damage),
        "running": running or None,
        "shards": {"done": len(book.commits), "planned": book.n_shards, "damaged": book.broken()},
        "samples": totals.accepted,
        "planned": book.planned,
        "splits": dict(totals.splits),
        "classes": dict(totals.classes),
        "objects": dict(totals.objects),
        "regions": totals.regions,
        "tries": totals.tries,
        "acceptance": round(totals.accepted / totals.tries, 4) if totals.tries else None,
        "rejected": dict(sorted(totals.rejected.items())),
        "short": [dict(slot) for slot in totals.short],
        "failures": _failures(book),
        "bytes": totals.bytes,
        "command": resume_command.command(book),
    }


def _failures(book: Ledger) -> list[dict[str, Any]]:
    """Shards that were given up and have not been rendered since."""
    found = []
    for name in book.store.storage.list(FAILURES):
        with contextlib.suppress(RecordError):
            failed = book.store.load(name, records.Failed)
            if failed and failed.shard not in book.commits:
                facts = {"shard": failed.shard, "cause": failed.cause, "message": failed.message}
                found.append(facts | {"file": book.store.show(name)})
    return found


def _say(facts: dict[str, Any]) -> None:
    running = facts["running"]
    if running:
        state = f"running: process {running['pid']} on {running['host']}, last heard of {running['age_s']:.0f} s ago"
    elif facts["complete"]:
        state = "complete"
    elif facts["growing_from"]:
        state = f"GROWING: {facts['growing_from']} samples are complete and loaded until the larger dataset is whole"
    else:
        state = "INCOMPLETE" if facts["sealed"] else "INTERRUPTED before it was sealed"
    shards = facts["shards"]
    rows = [
        ("dataset", f"{facts['name']} in {facts['folder']}"),
        ("state", state),
        ("shards", f"{_of(shards['done'], shards['planned'])} done"),
        ("samples", _of(facts["samples"], facts["planned"])),
        ("splits", formatting.counts(facts["splits"]) if facts["samples"] else ""),
        ("classes", formatting.counts(facts["classes"]) if facts["samples"] else ""),
        ("objects", formatting.counts(facts["objects"]) if facts["samples"] else ""),
        *formatting.regions(facts["regions"], facts["samples"]),
        ("kept", f"{100 * facts['acceptance']:.1f} % of {facts['tries']} tries" if facts["tries"] else ""),
        *(
            (f"{'rejected' if i == 0 else ''}", f"{n} by {rule}")
            for i, (rule, n) in enumerate(facts["rejected"].items())
        ),
        ("size", formatting.size(facts["bytes"])),
    ]
    click.echo(formatting.table(rows))
    _say_problems(facts)


def _of(done: int, planned: int | None) -> str:
    """`3 of 4`; `3` if nothing tells how many there will be."""
    return f"{done}" if planned is None else f"{done} of {planned}"


def _say_problems(facts: dict[str, Any]) -> None:
    short, failures, shards = facts["short"], facts["failures"], facts["shards"]
    for name, reason in facts["damage"].items():
        click.echo(f"\n{name} {reason}; the next run writes it again")
    damaged = shards["damaged"]
    if short:
        named = formatting.slots(short[:MAX_NAMED])
        click.echo(
            f"\n{formatting.plural(len(short), 'slot')} ran out of tries: {named}{formatting.more(short, MAX_NAMED)}"
        )
        tries = f"--set tries={2 * max(slot['tries'] for slot in short)}"
        click.echo(f"finish with more tries: {facts['command']} {tries}")
    if failures:
        click.echo(f"\n{len(failures)} shards failed:")
        for entry in failures[:MAX_NAMED]:
            click.echo(f"  shard {entry['shard']} ({entry['cause']}): {entry['message'].splitlines()[0]}")
        if len(failures) > MAX_NAMED:
            click.echo(f"  and {len(failures) - MAX_NAMED} more")
        click.echo(f"tracebacks are in {Path(failures[0]['file']).parent}/")
    if damaged:
        numbers = ", ".join(map(str, damaged[:MAX_NAMED]))
        click.echo(f"\n{len(damaged)} shards miss a file or have one of the wrong size: {numbers}")
        click.echo(f"`synthgen verify {shlex.quote(facts['folder'])}` says which")
    unfinished = failures or damaged or shards["done"] != shards["planned"] or not facts["sealed"]
    if unfinished and not facts["complete"] and not facts["running"]:
        click.echo(f"\ngo on with: {facts['command']}")
