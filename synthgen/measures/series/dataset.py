"""Is a dataset of series any good? Train a small classifier on it, test it on real windows, then use the rulers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.base.environment import leave_one_core
from synthgen.dataset import loading
from synthgen.errors import DataError, UsageError
from synthgen.fields import Label, Series
from synthgen.measures.series import probe, report
from synthgen.measures.series.report import Effort
from synthgen.measures.series.windows import stream
from synthgen.readers.series import reader
from synthgen.readers.series.reader import SeriesData, Windows
from synthgen.recipe import reading
from synthgen.recipe.recipe import ModelRecipe

MIN_FOR_RULERS = 20
STEPS = probe.STEPS
SHORTEST = 200
"""Iterations of the encoder behind Context-FID on small sets of windows; it does more on large ones."""

NO_TEST = "`test` of the data holds nothing out, and classifiers are tested on that; set it to 0.2"


@dataclass(frozen=True, slots=True)
class Set:
    """Windows float32 (N, L, C) scaled to [0, 1] by the real training ones, and class ids int64 (N,)."""

    windows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def is_series(folder: str) -> bool:
    """Whether a dataset holds series."""
    return any(isinstance(field, Series) for field in loading.load(folder, allow_incomplete=True).fields.values())


def effort(share: float) -> Effort:
    """Rulers that are trained for a share of the published iterations."""
    if share == 1:
        return Effort()
    full = Effort()
    few = [max(1, round(share * n)) for n in (full.discriminative, full.predictive, SHORTEST)]
    return Effort(*few)


def evaluate(
    folder: str,
    real: str | Mapping[str, Any],
    n_seeds: int,
    steps: int,
    split: str,
    say: Callable[[str], None],
    allow_incomplete: bool = False,
    effort: Effort | None = None,
) -> dict[str, Any]:
    """All measures as JSON values.

    With classes, the same classifier is trained with equal steps on the dataset, on the real training windows and on
    both, and tested on the real test windows. The rulers compare the dataset with the real training windows; of the
    dataset, as many windows of each class take part as keep the real proportions.

    Args:
        real: the recipe of a model that is trained on series, whose `data` say where they are; or such `data`.
        effort: fewer iterations of the rulers than published, to try things out.

    Raises:
        UsageError: `real` is no such recipe.
        DataError: classes or channels of the real data are not those of the dataset, or nothing is held out for tests.
    """
    leave_one_core()
    data = series_data(real)
    name = real if isinstance(real, str) else data.path
    recordings = reader.read(data)
    training = reader.windows(recordings, data, "train")
    test = reader.windows(recordings, data, "test") if data.test else None
    synthetic, classes = from_dataset(folder, split, training, name, allow_incomplete)
    low = np.nanmin(training.values, axis=(0, 1))
    width = np.nanmax(training.values, axis=(0, 1)) - low

    def scaled(values: np.ndarray, labels: np.ndarray) -> Set:
        return Set(((values - low) / width).astype(np.float32), labels)

    ours, train_set = scaled(synthetic[0], synthetic[1]), scaled(training.values, training.labels)
    test_set = None if test is None else scaled(test.values, test.labels)
    found: dict[str, Any] = {
        "kind": "series",
        "dataset": (loading.load(folder, allow_incomplete=True).manifest or {}).get("digest"),
        "seeds": n_seeds,
        "steps": steps,
        "n_synthetic": len(ours),
        "n_real": len(train_set),
        "n_test": None if test_set is None else len(test_set),
    }
    if len(classes) > 1:
        if test_set is None:
            raise DataError(f"{name}: {NO_TEST}")
        found["usefulness"] = usefulness(ours, train_set, test_set, classes, n_seeds, steps, say)
    found["rulers"] = rulers(ours, train_set, test_set, classes, n_seeds, say, effort)
    return found


def lack(data: SeriesData) -> str:
    """What an evaluation against these data would miss, known before anything is drawn; empty if nothing.

    Raises:
        DataError: the data cannot be read.
    """
    has_classes = data.label is not None or data.events is not None
    return NO_TEST if has_classes and not data.test and len(reader.read(data).classes) > 1 else ""


def series_data(real: str | Mapping[str, Any]) -> SeriesData:
    """The `data` of a recipe that trains a model on series. Raises UsageError if it is none."""
    if not isinstance(real, str):
        return SeriesData.model_validate(dict(real))
    if Path(real).suffix in (".yaml", ".yml"):
        found = reading.load_recipe(real)
        trainer = found.trainer if isinstance(found, ModelRecipe) else found.train
        if trainer is not None and trainer.use == "series":
            return SeriesData.model_validate(trainer.settings["data"])
    raise UsageError(
        f"{real}: must be a recipe that trains a model on series (`trainer.use: series`, or `train` in the recipe of a "
        "dataset), whose `data` are the real ones"
    )


def from_dataset(
    folder: str, split: str, real: Windows, name: str, allow_incomplete: bool
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[str, ...]]:
    """Windows and labels of a rendered dataset, with class ids as the real data have them.

    Raises:
        DataError: channels, length or classes differ.
    """
    dataset = loading.load(folder, split=None if split == "all" else split, allow_incomplete=allow_incomplete)
    field, kind = next((key, value) for key, value in dataset.fields.items() if isinstance(value, Series))
    label = next((key for key, value in dataset.fields.items() if isinstance(value, Label)), None)
    ids = ids_of_real(folder, kind, dataset.classes if label else (), real, name)
    samples = list(dataset)
    values = np.stack([sample[field] for sample in samples])
    if label is None or not real.classes:
        return (values, np.zeros(len(values), dtype=np.int64)), ()
    return (values, ids[[sample[label] for sample in samples]]), real.classes


def ids_of_real(folder: str, kind: Series, classes: tuple[str, ...], real: Windows, name: str) -> np.ndarray:
    """int64: the real data's id of each class of a dataset, matched by name; [0] if one of the two has no classes.

    Raises:
        DataError: channels, length or classes differ.
    """
    channels = tuple(channel.name for channel in real.channels)
    if kind.channels != channels or kind.length != real.length:
        raise DataError(
            f"{folder} has series of {kind.length} steps of {', '.join(kind.channels)}, and {name} "
            f"{real.length} steps of {', '.join(channels)}; both must be alike"
        )
    if not classes or not real.classes:
        return np.zeros(1, dtype=np.int64)
    strange = set(classes) - set(real.classes)
    if strange:
        raise DataError(f"{folder} has the classes {sorted(strange)}, which {name} lacks; it has {list(real.classes)}")
    return np.array([real.classes.index(one) for one in classes], dtype=np.int64)


def usefulness(
    synthetic: Set,
    real: Set,
    test: Set,
    classes: tuple[str, ...],
    n_seeds: int,
    steps: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Balanced accuracy, and average precision of the rarest real class, of the same probe on each set, in percent."""
    from sklearn.metrics import average_precision_score, balanced_accuracy_score

    counts = np.bincount(real.labels, minlength=len(classes))
    rare = int(np.argmin(np.where(counts > 0, counts, counts.max() + 1)))
    both = Set(np.concatenate([synthetic.windows, real.windows]), np.concatenate([synthetic.labels, real.labels]))
    arms = {"synthetic": synthetic, "real": real, "both": both}
    values: dict[str, dict[str, list[float]]] = {name: {"accuracy": [], "precision": []} for name in arms}
    for seed in range(n_seeds):
        for name, some in arms.items():
            model = probe.train(some.windows, some.labels, len(classes), seed, steps)
            shares = probe.probabilities(model, test.windows)
            accuracy = balanced_accuracy_score(test.labels, shares.argmax(1))
            precision = average_precision_score(test.labels == rare, shares[:, rare])
            values[name]["accuracy"].append(100 * float(accuracy))
            values[name]["precision"].append(100 * float(precision))
            say(
                f"seed {seed}: trained on {len(some)} {name}: balanced accuracy {100 * accuracy:.1f} %, average "
                f"precision of {classes[rare]} {100 * precision:.1f} %"
            )
    n_test = {name: int((test.labels == i).sum()) for i, name in enumerate(classes)}
    scores = {
        name: {key: report.spread(some) for key, some in found.items()} | {"n": len(arms[name])}
        for name, found in values.items()
    }
    return {"rare": classes[rare], "n_test": n_test, "scores": scores}


def rulers(
    synthetic: Set,
    real: Set,
    test: Set | None,
    classes: tuple[str, ...],
    repeats: int,
    say: Callable[[str], None],
    effort: Effort | None,
) -> dict[str, Any] | None:
    """The rulers on windows without missing values, None if there are too few of them."""
    sets = [in_proportion(synthetic, real, len(classes)), real, *([test] if test else [])]
    whole = [one.windows[~np.isnan(one.windows).any((1, 2))] for one in sets]
    if min(map(len, whole)) < MIN_FOR_RULERS:
        return None
    return report.evaluate(whole[1], whole[0], whole[2] if test else None, repeats=repeats, say=say, effort=effort)


def in_proportion(synthetic: Set, real: Set, n_classes: int) -> Set:
    """As many synthetic windows as there can be with the real set's shares of classes, at most one a real one."""
    if n_classes < 2:
        return synthetic
    have, want = (np.bincount(one.labels, minlength=n_classes) for one in (synthetic, real))
    share = min(1.0, *(have[want > 0] / want[want > 0]))
    random = stream(0, "proportions")
    rows = [
        random.permutation(np.flatnonzero(synthetic.labels == label))[: round(share * want[label])]
        for label in range(n_classes)
    ]
    picked = np.sort(np.concatenate(rows))
    return Set(synthetic.windows[picked], synthetic.labels[picked])


def text(found: dict[str, Any]) -> str:
    """The measures as text for people."""
    lines = []
    if "usefulness" in found:
        useful = found["usefulness"]
        tested = ", ".join(f"{n} {name}" for name, n in useful["n_test"].items())
        lines.append(
            f"on {found['n_test']} real test windows ({tested}), {found['seeds']} seeds, {found['steps']} steps:"
        )
        for name, scores in useful["scores"].items():
            accuracy, precision = (scores[key] for key in ("accuracy", "precision"))
            lines.append(
                f"  trained on {scores['n']:>6} {name:<9} balanced accuracy {_percent(accuracy)}, average precision of "
                f"{useful['rare']} {_percent(precision)}"
            )
    if found["rulers"]:
        lines.append(report.text(found["rulers"]))
        if found["rulers"]["effort"] != asdict(Effort()):
            lines.append("fewer iterations than published, so that these numbers compare with nothing else")
    else:
        lines.append(
            f"rulers: left out; they need {MIN_FOR_RULERS} drawn and {MIN_FOR_RULERS} real windows without missing "
            "values, the drawn ones of every class in which real ones are"
        )
    return "\n".join(lines)


def _percent(values: dict[str, Any]) -> str:
    deviation = np.std(values["values"], ddof=1) if len(values["values"]) > 1 else 0.0
    return f"{values['mean']:.1f} +- {deviation:.1f} %"
