"""Any dataset against real data: the measures that fit what it holds, as values and as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from synthgen.errors import UsageError
from synthgen.measures import report
from synthgen.measures import segmentation as masks
from synthgen.measures.series import dataset as series
from synthgen.recipe.sections import Evaluation

STEPS = 2000


def evaluate(
    folder: str,
    real: str | Mapping[str, Any],
    settings: Evaluation,
    say: Callable[[str], None],
    test: str | None = None,
    allow_incomplete: bool = False,
) -> dict[str, Any]:
    """All measures as JSON values, without times: equal datasets on equal machines give equal values.

    Args:
        real: real data, as `--real` names them, or as the section `data` of a recipe says it.
        test: real test data, if they are not part of `real`.
        say: told what is found on the way.

    Raises:
        UsageError: `real`, `test` or a setting does not suit what the dataset holds.
        DataError: the real data and the dataset are not alike.
    """
    steps, split = settings.steps, settings.split
    if series.is_series(folder):
        _check_series(test, settings.judge)
        return series.evaluate(
            folder,
            real,
            settings.seeds,
            steps or series.STEPS,
            split,
            say,
            allow_incomplete,
            series.effort(settings.effort),
        )
    if masks.is_segmentation(folder):
        return masks.evaluate(
            folder,
            real,
            test,
            settings.judge,
            settings.seeds,
            steps or masks.STEPS,
            split,
            settings.segmentation,
            say,
            allow_incomplete,
        )
    return report.evaluate(
        folder, real, test, settings.judge, settings.seeds, steps or STEPS, split, say, allow_incomplete
    )


def _check_series(test: str | None, judge: str | None) -> None:
    if test is not None:
        raise UsageError("--test: is not used for series: `test` of the real `data` says what is held out")
    if judge is not None:
        raise UsageError("--judge: is not used for series: their rulers are trained on the real windows")


def text(found: dict[str, Any]) -> str:
    """The measures as text for people."""
    if found.get("kind") == "series":
        return series.text(found)
    return _mask_table(found) if "scores" in found else _table(found)


def _table(found: dict[str, Any]) -> str:
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


def _mask_table(found: dict[str, Any]) -> str:
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
