"""`synthgen evaluate DIR --real DATA`: train on the dataset, test on real data, look at features."""

from __future__ import annotations

import json
from typing import Any

import click

from synthgen.cli import options
from synthgen.errors import UsageError

STEPS = 2000


@click.command("evaluate")
@options.folder_argument
@click.option(
    "--real",
    required=True,
    metavar="DATA",
    help="Real data: a folder by class or idx files; for masks, a folder with images/ and masks/, or the recipe of a "
    "model trained on them; for series, such a recipe. Test data are its split `test`: a subfolder, what a table says, "
    "or the share that the recipe holds out.",
)
@click.option("--test", metavar="DATA", help="Real test data, if it is not part of --real.")
@click.option("--judge", metavar="MODEL", help="A classifier or segmenter that took no part in making the data.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Repeats of every training.")
@click.option(
    "--steps", type=click.IntRange(min=1), help="Training steps of each; by default 2000, for masks and series 600."
)
@click.option(
    "--segmentation", default="segmentation", show_default=True, metavar="FIELD", help="The class map to train on."
)
@click.option("--split", default="train", show_default=True, help="Split of the dataset to train on; `all` for all.")
@options.incomplete_option
@options.json_option
def command(
    folder: str,
    real: str,
    test: str | None,
    judge: str | None,
    seeds: int,
    steps: int | None,
    segmentation: str,
    split: str,
    allow_incomplete: bool,
    as_json: bool,
) -> int:
    """Measure how useful the dataset in DIR is for its task.

    Trains the same small network on the synthetic images, on as many real ones and on both, with
    equal steps, and tests each on real images that nothing was trained on or chosen by.
    """
    from synthgen.evaluation import report
    from synthgen.evaluation import segmentation as masks
    from synthgen.evaluation.series import dataset as series

    say = (lambda text: None) if as_json else (lambda text: click.echo(text, err=True))
    if series.is_series(folder):
        _check_series_options(test, judge)
        found = series.evaluate(folder, real, seeds, steps or series.STEPS, split, say, allow_incomplete)
        click.echo(json.dumps(found, indent=1) if as_json else series.text(found))
        return 0
    if masks.is_segmentation(folder):
        found = masks.evaluate(
            folder, real, test, judge, seeds, steps or masks.STEPS, split, segmentation, say, allow_incomplete
        )
    else:
        found = report.evaluate(folder, real, test, judge, seeds, steps or STEPS, split, say, allow_incomplete)
    text = mask_table if "scores" in found else table
    click.echo(json.dumps(found, indent=1) if as_json else text(found))
    return 0


def _check_series_options(test: str | None, judge: str | None) -> None:
    if test is not None:
        raise UsageError("--test: is not used for series: `test` of the `data` in --real says what is held out")
    if judge is not None:
        raise UsageError("--judge: is not used for series: their rulers are trained on the real windows")


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


def mask_table(found: dict[str, Any]) -> str:
    """The measures of a dataset with masks as text for people."""
    lines = []
    for group, n in found["n_test"].items():
        if not n:
            continue
        lines.append(f"on {n} real test pictures ({group}), {found['seeds']} seeds, {found['steps']} steps:")
        for name, groups in found["scores"].items():
            scores = ", ".join(f"{m} {v['mean']:.2f} +- {v['deviation']:.2f}" for m, v in groups[group].items())
            lines.append(f"  trained on {found['n_train'][name]:>5} {name:<9} {scores}")
        ratio = found["scores"]["synthetic"][group]["dice"]["mean"] / found["scores"]["real"][group]["dice"]["mean"]
        lines.append(f"  Dice of synthetic over real: {ratio:.3f}")
    if "matched_iou" in found:
        lines.append(f"mean IoU of the masks with those that {found['judge']} finds:")
        lines += [f"  {name:<20} {value:.3f}" for name, value in found["matched_iou"].items()]
    return "\n".join(lines)
