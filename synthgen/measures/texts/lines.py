"""What was measured of texts, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from synthgen.measures.texts.usefulness import LABELS

WORDS = {"f1": "F1", "macro_f1": "macro F1", "act_f1": "F1 of acts", "bleu": "BLEU", "chrf": "chrF"}


def of(found: Mapping[str, Any]) -> Iterator[str]:
    """Lines of the values of a dataset of texts."""
    yield (
        f"{found['n_synthetic']:,} synthetic {found['kind']} beside {found['n_train']:,} real ones to train on and "
        f"{found['n_test']:,} to test on, {found['seeds']} seed{'s' if found['seeds'] > 1 else ''}"
    )
    if "given" in found:
        yield f"the condition gave {', '.join(found['given'])}, of which nothing is said"
    for task, arms in found.get("usefulness", {}).items():
        yield f"{task}, on {arms['synthetic']['n_test']:,} real test records:"
        yield from _arms(arms)
    for part, sets in found.get("diversity", {}).items():
        yield f"diversity of `{part}`, of {sets['synthetic']['n']:,} texts each:"
        for name, v in sets.items():
            grams = ", ".join(_number(v[f"distinct_{n}"], ".3f") for n in (1, 2, 3))
            words = ", ".join(f"{v[f'words_q{q}']:g}" for q in ("05", "50", "95"))
            yield (
                f"  {name:<9} distinct-1, 2, 3 {grams}; self-BLEU {_number(v['self_bleu'], '.1f')}; "
                f"{v['vocabulary']:,} different words; words of a text (5, 50, 95 %) {words}"
            )
    for part, sets in found.get("copies", {}).items():
        yield f"copies of training texts in `{part}`:"
        for name, v in sets.items():
            yield (
                f"  {name:<9} {100 * v['exact']:.1f} % exact, {100 * v['near']:.1f} % near (more than 8 words in a "
                f"row), longest {v['longest_run_max']} words; {100 * v['duplicates']:.1f} % repeat another"
            )
    if "fidelity" in found:
        yield f"beside real test texts, in features of their words ({found['fidelity']['real']['n']:,} of each):"
        for name, v in found["fidelity"].items():
            shown = ", ".join(f"{key} {v[key]:.3f}" for key in ("precision", "recall", "density", "coverage"))
            yield f"  {name:<9} {shown}, Frechet distance {v['frechet']:.4f}"
    if "discriminative" in found:
        scores = {name: v["score"] for name, v in found["discriminative"].items()}
        shown = ", ".join(f"{name} {v['mean']:.3f} +- {v['deviation']:.3f}" for name, v in scores.items())
        yield f"accuracy over 0.5 of a classifier between them and real test texts (0: no difference is seen): {shown}"
    for name, reason in found.get("not_measured", {}).items():
        yield f"{name}: not measured; {reason}"


def _arms(arms: Mapping[str, Any]) -> Iterator[str]:
    for arm, values in arms.items():
        who = f"real, of {values['n_test']:,} synthetic:" if arm == LABELS else f"{arm:<9}"
        yield f"  trained on {values['n']:>6,} {who} {', '.join(_scores(values))}"


def _scores(values: Mapping[str, Any]) -> Iterator[str]:
    for metric, value in values.items():
        if isinstance(value, Mapping):
            unit = "" if metric in ("bleu", "chrf") else " %"
            name = WORDS.get(metric, metric.replace("_", " "))
            yield f"{name} {value['mean']:.1f} +- {value['deviation']:.1f}{unit}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
