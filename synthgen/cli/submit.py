"""`synthgen submit RECIPE`: `synthgen run` as a job of a Ray cluster, which goes on without this machine."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from synthgen.cli import formatting, options, run
from synthgen.cli.jobs import following, job_lines
from synthgen.errors import UsageError
from synthgen.parts.registry import Plugins
from synthgen.recipe import reading
from synthgen.recipe.recipe import DatasetRecipe
from synthgen.stages import jobs, shipping
from synthgen.stages.resolve import resolve
from synthgen.stages.shipping import Shipment

_HERE_ONLY = {"out", "executor", "address", "quiet", "as_json"}
PASSED = [each for each in run.command.params if each.expose_value and each.name not in _HERE_ONLY]
"""Parameters of `synthgen run` that a job passes on as they are given."""


@click.command("submit", params=list(PASSED))
@click.option("-o", "--out", metavar="DIR", help="Output: an absolute path that every node sees, or a URL.")
@options.job_server_option
@click.option(
    "--shared",
    multiple=True,
    metavar="FOLDER",
    help="Every node sees this folder at the same path: what is in it does not travel. The job runs in the present "
    "folder if that is in it.",
)
@click.option("--wait", is_flag=True, help="Wait until the job has ended, and end with the exit code of the run.")
@click.option("--follow", is_flag=True, help="The same, and show the log.")
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="With --wait or --follow: submit the job again, so often at most, when its driver was killed or its node is "
    "lost. An error of the run itself is none of these.",
)
def command(
    out: str | None, address: str, shared: tuple[str, ...], wait: bool, follow: bool, retries: int, **passed: Any
) -> int:
    """Render the dataset that RECIPE describes as a job of a Ray cluster.

    The command returns when the cluster has the job, which goes on without this machine; --follow and --wait stay
    until it ends. The recipe, plug-ins, and the data and models that the recipe names by relative paths travel with
    it. Nothing else does: no credentials, no environment. synthgen must be installed on the nodes.

    Giving the same command again goes on where the last job stopped, as `synthgen run` does.
    """
    name, shipment = _checked(passed, out, shared)
    words = [*_words(passed, shipment), *(["-o", out] if out else [])]
    again = f"cd {shlex.quote(str(Path.cwd()))} && {formatting.given()}"
    about = {"out": out or str(Path.cwd() / "runs"), "command": again}
    request = jobs.Request(name, words, shipment, about, {formatting.COMMAND: again})
    server = jobs.Server(address)
    job = server.submit(request)
    travels = f"{formatting.plural(len(shipment.files), 'file')} of {formatting.size(shipment.n_bytes)} sent with it"
    where = f"it runs in {shipment.folder}" if shipment.folder else travels
    click.echo(f"job      {job}  ({where})")
    click.echo(job_lines(job, address))
    if not (wait or follow):
        return 0
    return following(job, address, lambda note, say: server.run_to_end(request, job, retries, note, say), follow)


def _checked(passed: Mapping[str, Any], out: str | None, shared: Sequence[str]) -> tuple[str, Shipment]:
    """The recipe's name and what travels, if nothing is wrong as far as this machine can tell.

    Where it does not see the shared folders that the recipe names, and of data in object stores, which are not
    fetched for this, the job itself checks the rest.

    Raises:
        RecipeError: every problem of the recipe at once.
        UsageError: what the nodes would not see.
    """
    recipe, overrides, plugin_files = passed["recipe"], passed["overrides"], passed["plugin_files"]
    samples = passed["samples"]
    text = reading.load_text(recipe, [*overrides, *([f"samples={samples}"] if samples is not None else [])])
    if reading.kind_of(text) != "dataset":
        raise UsageError(f"{text.file}: is a recipe for a model; jobs are for datasets")
    found = reading.validate(text, Plugins(plugin_files))
    assert isinstance(found, DatasetRecipe)
    by_job = shipping.unseen(text, shared) or (shipping.in_stores(text) and not found.train)
    own = None if by_job else resolve(recipe, samples, overrides, plugin_files).own
    models = [own.folder] if own and own.done else []
    makes = ["--smoke: its models"] if passed["smoke"] else []
    if found.train and not models:
        makes.append(f"{text.where(('train',))}: train: the model, unless `synthgen run` has trained it here before,")
    return found.name, shipping.ship(text, [recipe, *plugin_files], out, shared, models, makes)


def _words(passed: Mapping[str, Any], shipment: Shipment) -> list[str]:
    """What the job gives to `synthgen run`: what was given here, with files by their names in the job."""
    words: list[str] = []
    for parameter in PASSED:
        value = passed[str(parameter.name)]
        if value is None or value is False or value == parameter.default:
            continue
        if isinstance(parameter, click.Argument):
            words.append(shipment.names[value])
        elif value is True:
            words.append(parameter.opts[-1])
        else:
            several = value if parameter.multiple else (value,)
            renamed = shipment.names if parameter.name == "plugin_files" else {}
            words += [word for each in several for word in (parameter.opts[-1], renamed.get(each, str(each)))]
    return words
