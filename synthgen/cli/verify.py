"""`synthgen verify DIR`: every file of a dataset against its hash."""

from __future__ import annotations

import dataclasses
import json
import sys
import time

import click

from synthgen.base import terminal
from synthgen.cli import formatting, options, resume_command
from synthgen.dataset import ledger
from synthgen.dataset import verify as verification
from synthgen.dataset.verify import Report

MAX_NAMED = 20


@click.command("verify")
@options.folder_argument
@options.known_parts_option
@options.json_option
def command(folder: str, as_json: bool) -> int:
    """Check every file of the dataset in DIR against the hash that was recorded when it was written.

    Also compares records, indexes, files, manifest, card and recipe with each other. Damaged shards are handed
    back: the next `synthgen run` of the same recipe renders them again, to the same bytes. Exits with 0 if
    everything is as it was written, else with 1.
    """
    started = time.perf_counter()
    if sys.stderr.isatty() and not as_json:
        with terminal.bar(verification.total_bytes(folder), "hashing") as bar:
            report = verification.verify(folder, tick=bar.update)
    else:
        report = verification.verify(folder)
    if as_json:
        click.echo(json.dumps({"ok": report.ok, **dataclasses.asdict(report)}, indent=1))
    else:
        _say(folder, report, time.perf_counter() - started)
    return 0 if report.ok else 1


def _say(folder: str, report: Report, seconds: float) -> None:
    checked = f"{report.n_files} files of {report.n_shards} shards, {formatting.size(report.bytes)}"
    click.echo(f"checked {checked} in {formatting.duration(seconds)}")
    for finding in report.damaged[:MAX_NAMED]:
        click.echo(f"{finding.problem}: {finding.path}{' ' * bool(finding.detail)}{finding.detail}")
    if len(report.damaged) > MAX_NAMED:
        click.echo(f"... and {len(report.damaged) - MAX_NAMED} more")
    if report.unexpected:
        named = ", ".join(report.unexpected[:MAX_NAMED])
        click.echo(f"unexpected, no record names them: {named}{formatting.more(report.unexpected, MAX_NAMED)}")
    for text in report.manifest[:MAX_NAMED]:
        click.echo(f"manifest.json: {text}")
    for text in report.papers[:MAX_NAMED]:
        click.echo(text)
    if report.growing:
        click.echo("a larger dataset was begun; until it is whole, the smaller one is loaded")
    if report.ok:
        click.echo(
            "every file is as it was written" if report.sealed else "every file is as it was written; not sealed yet"
        )
        return
    _say_what_follows(folder, report)


def _say_what_follows(folder: str, report: Report) -> None:
    """What was done about the findings, and what the next run will do."""
    if report.set_aside:
        numbers = ", ".join(map(str, report.set_aside[:MAX_NAMED]))
        click.echo(f"shards handed back to be rendered again: {numbers}{formatting.more(report.set_aside, MAX_NAMED)}")
    if report.unexpected or report.set_aside:
        click.echo(f"what was taken away is kept in {folder}/.synthgen/damaged")
    if report.manifest or report.papers:
        click.echo("the next run writes the manifest and what is made from it again")
    if report.set_aside or report.manifest or report.papers:
        click.echo(f"mend it with: {resume_command.command(ledger.read(folder))}")
