"""`synthgen report DIR`: one page that shows what a dataset holds."""

from __future__ import annotations

import time
from pathlib import Path

import click

from synthgen.base.disk import write_output
from synthgen.cli import formatting, options
from synthgen.dataset import ledger
from synthgen.dataset.layout import REPORTS
from synthgen.errors import UsageError
from synthgen.report import page


@click.command("report")
@options.folder_argument
@options.known_parts_option
@click.option(
    "--real",
    metavar="DATA",
    help="The recipe of a model trained on series or texts, or a file of texts: real training windows or texts stand "
    "beside the generated ones; by default those of the last evaluation, read where they are.",
)
@click.option("--no-real", is_flag=True, help="Show no real windows or texts.")
@options.channel_option
@click.option("-o", "--out", metavar="FILE", help=f"The page to write; by default reports/{page.FILE} in DIR.")
def command(folder: str, real: str | None, no_real: bool, channels: tuple[str, ...], out: str | None) -> None:
    """Write one HTML page about the dataset in DIR.

    It shows counts by class and split, what each rule rejected, the scores, samples of every class, results
    of the last evaluation, and models and data behind it with their licences; a few real windows or texts of
    the data that it was evaluated with; of series, power spectra, distributions and autocorrelations too.
    Needs no network to be read, and is the same for the same data.
    """
    if real is not None and no_real:
        raise UsageError("--no-real: leaves out what --real asks for; give one of the two")
    started = time.perf_counter()
    book = ledger.read(folder)
    made = page.render(book, real, channels, not no_real)
    content = made.html.encode()
    if out:
        write_output(Path(out), content)
    else:
        book.store.write(f"{REPORTS}/{page.FILE}", content)
    path = out or book.store.show(f"{REPORTS}/{page.FILE}")
    click.echo(
        f"page      {path} ({formatting.size(len(content))}) in {formatting.duration(time.perf_counter() - started)}"
    )
    if made.n_real:
        samples = formatting.plural(made.n_real, made.what)
        click.echo(f"note      the page shows {samples} of {made.real}; --no-real leaves them out")
    if book.lack:
        click.echo(f"note      the dataset {book.lack}")
