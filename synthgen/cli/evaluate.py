"""`synthgen evaluate DIR --real DATA`: train on the dataset, test on real data, look at features."""

from __future__ import annotations

import json

import click

from synthgen.cli import options

TRICKS = ("cutout", "mixup", "averaged", "oversampled", "adjusted", "copy-paste", "jitter")
"""Those of the section `evaluate`, which help texts do not load."""


@click.command("evaluate")
@options.folder_argument
@click.option(
    "--real",
    required=True,
    metavar="DATA",
    help="Real data: a folder by class or idx files; for masks, a folder with images/ and masks/, or the recipe of a "
    "model trained on them; for series, such a recipe; for texts, a file or folder, such a recipe, or the settings of "
    "`data` in braces. Test data are its split `test`: a subfolder, what a table says, or the share that the recipe "
    "holds out.",
)
@click.option("--test", metavar="DATA", help="Real test data, if it is not part of --real.")
@click.option("--evaluator", metavar="MODEL", help="A classifier or segmenter that took no part in making the data.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Repeats of every training.")
@click.option(
    "--steps",
    type=options.STEPS,
    metavar="N[,N...]",
    help="Training steps of each; by default 2000, for masks, boxes and series 600. Of several, each network of images "
    "or series has the number that is best on real validation data. Translation pairs: a translator is trained with so "
    "many, by default none.",
)
@click.option(
    "--tricks",
    type=options.Names(TRICKS),
    default=[],
    metavar="NAME[,NAME...]",
    help="Images and series: ways of training that are tried beside the plain one, for every network; each has the one "
    f"that is best on real validation data. Images by class: {', '.join(TRICKS[:5])}; with masks: {TRICKS[2]}, "
    f"{', '.join(TRICKS[5:])}; class maps, boxes and series with classes: {TRICKS[2]}, {TRICKS[-1]}.",
)
@click.option(
    "--effort",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    metavar="SHARE",
    help="Series: share of the published iterations that metrics are trained for; less is not comparable with "
    "published numbers.",
)
@click.option(
    "--segmentation", default="segmentation", show_default=True, metavar="FIELD", help="The class map to train on."
)
@click.option("--split", default="train", show_default=True, help="Split of the dataset to train on; `all` for all.")
@options.incomplete_option
@options.known_parts_option
@options.json_option
def command(
    folder: str,
    real: str,
    test: str | None,
    evaluator: str | None,
    seeds: int,
    steps: int | list[int] | None,
    tricks: list[str],
    effort: float,
    segmentation: str,
    split: str,
    allow_incomplete: bool,
    as_json: bool,
) -> int:
    """Measure how useful the dataset in DIR is for its task.

    Trains the same small network on the synthetic samples, on real ones and on both, with equal steps, and tests each
    on real samples that nothing was trained on or chosen by. Of images by class, as many real ones are taken as there
    are synthetic ones, or all if the synthetic ones lack a class; of images with masks, boxes or class maps, all. What
    else is measured depends on the fields of the dataset: see `synthgen plugins measures`.
    """
    from synthgen.dataset.store import Store
    from synthgen.readers import origin
    from synthgen.recipe.sections import Evaluation
    from synthgen.stages import evaluation

    given = {"seeds": seeds, "steps": steps, "tricks": tricks, "effort": effort, "split": split}
    settings = Evaluation.model_validate({**given, "evaluator": evaluator, "segmentation": segmentation})
    data_sha256 = origin.sha256(evaluation.real_section(folder, real))
    found = evaluation.compare(folder, real, settings, (lambda text: None) if as_json else _say, test, allow_incomplete)
    click.echo(json.dumps(found, indent=1) if as_json else evaluation.text(found))
    asked = {"real": real, "test": test, "settings": settings.model_dump(mode="json"), "data_sha256": data_sha256}
    path = evaluation.keep(Store(folder), asked, found)
    if not as_json:
        click.echo(f"report   {path}")
    return 0


def _say(text: str) -> None:
    click.echo(text, err=True)
