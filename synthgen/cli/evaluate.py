"""`synthgen evaluate DIR --real DATA`: train on the dataset, test on real data, look at features."""

from __future__ import annotations

import json
from typing import Any

import click

from synthgen.cli import options


@click.command("evaluate")
@options.folder_argument
@click.option("--real", required=True, metavar="DATA", help="Real training data: a folder by class, or idx files.")
@click.option("--test", metavar="DATA", help="Real test data, if it is not part of --real.")
@click.option(
    "--judge", metavar="MODEL", help="A classifier that took no part in making the data, for feature measures."
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Repeats of every training.")
@click.option("--steps", type=click.IntRange(min=1), default=2000, show_default=True, help="Training steps of each.")
@click.option("--split", default="train", show_default=True, help="Split of the dataset to train on; `all` for all.")
@options.json_option
def command(
    folder: str, real: str, test: str | None, judge: str | None, seeds: int, steps: int, split: str, as_json: bool
) -> int:
    """Measure how useful the dataset in DIR is for its task.

    Trains the same small network on the synthetic images, on as many real ones and on both, with
    equal steps, and tests each on real images that nothing was trained on or chosen by.
    """
    from synthgen.evaluation import report

    say = (lambda text: None) if as_json else (lambda text: click.echo(text, err=True))
    found = report.evaluate(folder, real, test, judge, seeds, steps, split, say)
    click.echo(json.dumps(found, indent=1) if as_json else table(found))
    return 0


def table(found: dict[str, Any]) -> str:
    """The measures as text for people."""
    lines = [f"accuracy on {found['n_test']} real test images, {found['seeds']} seeds, {found['steps']} steps:"]
    for name, values in found["accuracy"].items():
        lines.append(f"  trained on {values['n']:>6} {name:<9} {values['mean']:6.2f} +- {values['deviation']:.2f} %")
    if "features" in found:
        f = found["features"]
        lines += [
            f"in the features of {found['judge']}:",
            f"  labels that it shares  {100 * f['agreement']:6.2f} %  (real test images: "
            f"{100 * f['agreement_test']:.2f} %)",
            f"  {found['fd_name']}  {f['fd']:6.2f}    (real test images: {f['fd_floor']:.2f})",
            f"  coverage               {f['coverage']:6.3f}    (real test images: {f['coverage_test']:.3f})",
            f"  distance to nearest training image, over that of test images: {f['nearest_ratio']:.3f}",
        ]
    return "\n".join(lines)
