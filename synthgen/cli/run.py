"""`synthgen run RECIPE`: render a dataset, or what is missing of it."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click

from synthgen import api
from synthgen.base.places import place_of
from synthgen.cli import formatting, metrics, options
from synthgen.cli.progress import JsonLines, Lines, Live, Quiet
from synthgen.dataset import card, ledger
from synthgen.dataset.layout import EVALUATION
from synthgen.dataset.store import Store, storage_at
from synthgen.errors import Interrupted, TerminatedError
from synthgen.generate.driver import Observer, Result
from synthgen.generate.executors.choose import Choice
from synthgen.generate.plan import differences
from synthgen.stages import evaluation
from synthgen.stages.resolve import ResolvedRecipe
from synthgen.stages.training import OwnModel


@click.command("run")
@options.recipe_options
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    help="Output folder, or an address such as s3://bucket/prefix; by default runs/<name>-<digest>.",
)
@click.option(
    "--single-writer",
    is_flag=True,
    help="Write to an object store that has no conditional puts; no other run may write there.",
)
@click.option(
    "--executor",
    type=click.Choice(["auto", "local", "ray"]),
    default="auto",
    show_default=True,
    help="Processes of this machine, or Ray actors; auto takes Ray where a cluster is named.",
)
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes or actors; by default one a core.")
@click.option("--address", metavar="ADDR", help="A running Ray cluster, such as auto or ray://head:10001.")
@options.device_option
@click.option(
    "--metrics-port", type=click.IntRange(1, 65535), metavar="PORT", help="Serve the progress to Prometheus there."
)
@options.quiet_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the result as one JSON document, and progress as JSON lines on stderr.",
)
def command(
    recipe: str,
    samples: int | None,
    overrides: tuple[str, ...],
    plugin_files: tuple[str, ...],
    smoke: bool,
    out: str | None,
    single_writer: bool,
    executor: Any,
    workers: int | None,
    address: str | None,
    device: str,
    metrics_port: int | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Render the dataset that RECIPE describes.

    A RECIPE with a section `train` trains its model first, once, on this machine, and one with
    `evaluate` ends with a comparison of the dataset with the real data.

    Giving the same command again goes on where the last run stopped, and grows or finishes a
    dataset when --samples or tries have risen. Finished shards are never rendered again.
    """
    stop = _Stop()
    signal.signal(signal.SIGTERM, stop)
    observer = Quiet() if quiet else JsonLines() if as_json else Live() if sys.stderr.isatty() else Lines()
    if metrics_port:
        metrics.serve(metrics_port, observer)
    train = api.training(device, quiet or as_json, observer.note, formatting.given())
    choice = Choice(executor, workers, address)
    prepared = api.prepare(recipe, samples, overrides, plugin_files, smoke, train, observer.note)
    folder = place_of(out) if out else prepared.default_out
    storage = storage_at(folder, single_writer)
    for note in prepared.notes:
        observer.note(note)
    if not out:
        _say_what_changed(observer, prepared, prepared.default_out)
    observer.note(f"executor: {choice.name} ({choice.reason}); output: {folder}")
    try:
        result = api.run_prepared(prepared, storage, choice, device, observer, formatting.given())
    except Interrupted as error:
        raise Interrupted(str(error), 143 if stop.arrived else error.exit_code) from None
    if as_json:
        click.echo(json.dumps(_summary(result, prepared.own), indent=1))
    elif not quiet:
        _say_result(result, prepared.own)
    return 0 if result.complete else 1


class _Stop:
    """SIGTERM as an exception. It is noted too, because Ray passes on a plain KeyboardInterrupt in its place."""

    arrived = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.arrived = True
        raise TerminatedError


def _say_what_changed(observer: Observer, prepared: ResolvedRecipe, folder: Path) -> None:
    """An edited recipe gets a folder of its own; one line tells why."""
    if folder.exists():
        return
    name = prepared.plan.recipe.name
    relatives = sorted(Path("runs").glob(f"{name}-*/.synthgen/identity.json"), key=lambda p: p.stat().st_mtime)
    if relatives:
        other = relatives[-1].parent.parent
        identity = ledger.load_identity(Store(other), "", {})
        if identity is None:
            return
        changed = list(differences(identity, prepared.plan.identity))
        shown = "; ".join(changed[:3]) + (f"; and {len(changed) - 3} more" if len(changed) > 3 else "")
        observer.note(f"new folder, because the recipe differs from {other} in {shown}")


def _summary(result: Result, own: OwnModel | None) -> dict[str, Any]:
    found = {"out": str(result.out), "rendered_shards": result.n_rendered, "seconds": round(result.seconds, 2)}
    found |= {key: value for key, value in result.manifest.items() if key != "identity"}
    found |= {"trained_model": str(own.folder)} if own else {}
    return found | ({"evaluation": result.evaluation} if result.evaluation is not None else {})


def _say_result(result: Result, own: OwnModel | None) -> None:
    manifest, out = result.manifest, result.out
    accepted = 100 * manifest["samples"] / manifest["tries"] if manifest["tries"] else 0.0
    splits = ", ".join(f"{name} {n}" for name, n in manifest["splits"].items())
    did = f"in {result.seconds:.0f} s" if result.n_rendered else "nothing new was rendered"
    if result.complete and not result.n_rendered:
        did = "already finished, nothing to do"
    if manifest["smoke"]:
        click.echo("SMOKE: models had random weights; these samples mean nothing")
    click.echo(f"{manifest['samples']} samples ({splits}), {accepted:.1f} % of {manifest['tries']} tries kept; {did}")
    if manifest["classes"]:
        click.echo("classes: " + ", ".join(f"{name} {n}" for name, n in manifest["classes"].items()))
    if objects := manifest.get("objects"):
        click.echo("objects: " + formatting.counts(objects))
    for name, text in formatting.regions(manifest.get("regions", {}), manifest["samples"]):
        click.echo(f"{name:<6}  {text}")
    for rule, n in manifest["rejected"].items():
        click.echo(f"rejected by {rule}: {n}")
    if not result.complete:
        _say_what_is_missing(result)
    part = "" if result.complete or result.sealed else ", allow_incomplete=True"
    part += ", plugins=['FILE']" if card.needs_plugins(manifest) else ""
    load = f"import synthgen; print(synthgen.load({str(out)!r}{part})[0])"
    if result.evaluation is not None:
        click.echo(f"\n{evaluation.text(result.evaluation)}\n")
        click.echo(f"report   {out}/{EVALUATION}")
    if own:
        click.echo(f"model    {own.folder}/  (start with {own.folder}/README.md)")
    click.echo(f"dataset  {out}/  (start with {out}/README.md)")
    click.echo(f"look     {formatting.prefix()}synthgen preview {shlex.quote(str(out))}")
    click.echo(f"load     {formatting.prefix()}python -c {formatting.quoted(load)}")


def _say_what_is_missing(result: Result) -> None:
    manifest = result.manifest
    short, n_short = manifest["short"]["slots"], manifest["short"]["count"]
    click.echo(f"INCOMPLETE: {manifest['samples']} of {manifest['planned']} samples", err=True)
    if result.sealed:
        click.echo(f"the dataset of {result.sealed} samples stays as it was until the larger one is whole", err=True)
    if n_short:
        named = formatting.slots(short[:8])
        more = f" and {n_short - 8} more" if n_short > 8 else ""
        tries = max(slot["tries"] for slot in short)
        click.echo(
            f"short: {formatting.plural(n_short, 'slot')} ran out of tries: {named}{more}. Finish with more "
            f"tries, such as --set tries={2 * tries}, or loosen a keep rule",
            err=True,
        )
    if manifest["n_missing_shards"]:
        numbers = ", ".join(map(str, manifest["missing_shards"][:8]))
        click.echo(
            f"failed: {manifest['n_missing_shards']} shards ({numbers}); tracebacks are in {result.out}/failures/. "
            "Giving the same command again retries them",
            err=True,
        )
