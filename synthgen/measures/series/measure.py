"""How useful is a dataset of series? Train a classifier on it, test it on real windows, then measure its realism."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from synthgen.dataset import loading
from synthgen.dataset.loading import Dataset
from synthgen.errors import DataError, UsageError
from synthgen.fields import Label, Schema, Series, first
from synthgen.measures.series import values
from synthgen.measures.series.season import find_season, training_parts
from synthgen.measures.series.windows import stream
from synthgen.measures.settings import MeasureSettings
from synthgen.parts.protocols import Comparison
from synthgen.readers import settings_fit
from synthgen.readers.series import reader
from synthgen.readers.series.reader import Recordings, SeriesData, Windows

if TYPE_CHECKING:  # torch is imported where it is needed: plans ask every measure what it would miss
    from synthgen.measures.series.metrics import Effort

MIN_FOR_METRICS = 20
SHORTEST = 200
"""Iterations of the encoder behind Context-FID on small sets of windows; it does more on large ones."""

NO_FORECASTS = "`test` of the data holds nothing out, and they are tested on that; set it to 0.2"
NO_TEST = "`test` of the data holds nothing out, and classifiers are tested on that; set it to 0.2"


@dataclass(frozen=True, slots=True)
class Set:
    """Windows float32 (N, L, C) scaled to [0, 1] by the real training ones, and class ids int64 (N,)."""

    windows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def effort(share: float) -> Effort:
    """Metrics that are trained for a share of the published iterations."""
    from synthgen.measures.series.metrics import Effort

    if share == 1:
        return Effort()
    full = Effort()
    few = [max(1, round(share * n)) for n in (full.discriminative, full.predictive, SHORTEST)]
    return Effort(*few)


class SeriesMeasure:
    """Accuracy on real test windows of a classifier trained on the dataset, and metrics of how real its series are.

    The metrics are the published discriminative, predictive, Context-FID and correlational scores, and others. Where
    the dataset completes real windows, its values are compared with the real ones beside simple baselines; else
    forecasters are trained on it, if the real data have a test part.
    """

    version = 1
    needs = "a series"
    readers = ("series",)

    class Config(MeasureSettings):
        """Settings of the comparison of series."""

        steps: int = Field(default=600, ge=1, description="Training steps of each classifier.")
        effort: float = Field(
            default=1.0, gt=0, le=1, description="Share of the published iterations that metrics are trained for."
        )
        forecasting: bool = Field(
            default=True,
            description="Train forecasters on generated windows, on real ones and on both, where the real data have "
            "a test part.",
        )
        horizon: int | None = Field(
            default=None, ge=1, description="Last steps of a window that they forecast; by default a quarter."
        )
        evaluator: str | None = Field(
            default=None, description="Not used: the metrics are trained on the real windows."
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    @staticmethod
    def fits(fields: Schema) -> bool:
        return any(isinstance(field, Series) for field in fields.values())

    @staticmethod
    def lack(data: Mapping[str, Any]) -> str:
        if not settings_fit(SeriesData, data):
            return ""
        settings = SeriesData.model_validate(dict(data))
        has_classes = settings.label is not None or settings.events is not None
        return NO_TEST if has_classes and not settings.test and len(reader.read(settings).classes) > 1 else ""

    def measure(self, comparison: Comparison) -> Mapping[str, Any]:
        """With classes, the same classifier is trained with equal steps on the dataset, on real windows and on both.

        It is tested on the real test windows. The metrics compare the dataset with the real training windows; of the
        dataset, as many windows of each class take part as keep the real proportions.

        Raises:
            UsageError: the real data are not series, or an option is given that is not for them.
            DataError: classes or channels of the real data are not those of the dataset, or nothing is held out for
                tests.
        """
        config, name = self.config, comparison.name
        if comparison.test is not None:
            raise UsageError("--test: is not used for series: `test` of the real `data` says what is held out")
        if config.evaluator is not None:
            raise UsageError("--evaluator: is not used for series: their metrics are trained on the real windows")
        data = series_data(comparison.data, name)
        recordings = reader.read(data)
        training = reader.windows(recordings, data, "train")
        test = reader.windows(recordings, data, "test") if data.test else None
        dataset = loading.load(comparison.folder, split=config.part, allow_incomplete=comparison.allow_incomplete)
        if config.horizon is not None and config.horizon >= training.length:
            raise UsageError(
                f"evaluate.measures.series.horizon: must be less than the {training.length} steps of a window (got "
                f"{config.horizon})"
            )
        samples = list(dataset)
        synthetic, classes = from_dataset(dataset, comparison.folder, training, name, samples)
        low = np.nanmin(training.values, axis=(0, 1))
        width = np.nanmax(training.values, axis=(0, 1)) - low

        def scaled(values: np.ndarray, labels: np.ndarray) -> Set:
            return Set(((values - low) / width).astype(np.float32), labels)

        ours, train_set = scaled(synthetic[0], synthetic[1]), scaled(training.values, training.labels)
        test_set = None if test is None else scaled(test.values, test.labels)
        found: dict[str, Any] = {
            "kind": "series",
            "seeds": config.seeds,
            "steps": config.steps,
            "n_synthetic": len(ours),
            "n_real": len(train_set),
            "n_test": None if test_set is None else len(test_set),
        }
        if len(classes) > 1:
            if test_set is None:
                raise DataError(f"{name}: {NO_TEST}")
            found["usefulness"] = usefulness(
                ours, train_set, test_set, classes, config.seeds, config.steps, comparison.note
            )
        every_step = data.model_copy(update={"stride": 1})  # for forecasters, which else would miss hours of a day
        forecast_from = reader.windows(recordings, every_step, "train"), validation_windows(recordings, every_step)
        if "known" in dataset.fields:
            from synthgen.measures.series import completed

            field, _ = first(dataset.fields, Series)
            found["baselines"] = completed.measure(samples, field, recordings, data, *forecast_from)
        elif config.forecasting and test is None:
            found["forecasting"] = {"left_out": NO_FORECASTS}
        elif config.forecasting and test is not None:
            from synthgen.measures.series import forecasting

            found["forecasting"] = forecasting.usefulness(
                in_proportion(Set(*synthetic), train_set, len(classes)).windows,
                *forecast_from,
                test,
                recordings,
                data,
                config.horizon,
                config.seeds,
                config.effort,
                comparison.note,
            )
        parts, stamped = training_parts(recordings, data), bool(recordings.items[0].start)
        season = find_season(parts, training.median_step, training.time_unit, stamped)
        alike = in_proportion(Set(*synthetic), train_set, len(classes)).windows
        names = [channel.name for channel in training.channels]
        found["values"] = values.measure(alike, training.values, names, season.steps)
        iterations = effort(config.effort)
        found["metrics"] = realism(ours, train_set, test_set, classes, config.seeds, comparison.note, iterations)
        return found

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        if "metrics" not in found:
            return ""
        from synthgen.measures.series import completed, forecasting, metrics

        lines = []
        if "usefulness" in found:
            useful = found["usefulness"]
            tested = ", ".join(f"{n} {name}" for name, n in useful["n_test"].items())
            lines.append(
                f"on {found['n_test']} real test windows ({tested}), {found['seeds']} seeds, {found['steps']} steps:"
            )
            for name, scores in useful["scores"].items():
                right, precision = _percent(scores["accuracy"]), _percent(scores["precision"])
                lines.append(
                    f"  trained on {scores['n']:>6} {name:<9} balanced accuracy {right}, average precision of "
                    f"{useful['rare']} {precision}"
                )
        for name, module in (("forecasting", forecasting), ("baselines", completed)):
            if name in found:
                lines.append(module.text(found[name]))
        lines.append(values.text(found["values"]))
        if found["metrics"]:
            lines.append(metrics.text(found["metrics"]))
            if found["metrics"]["effort"] != asdict(metrics.Effort()):
                lines.append("fewer iterations than published, so that these numbers compare with nothing else")
        else:
            lines.append(
                f"metrics: left out; they need {MIN_FOR_METRICS} synthetic and {MIN_FOR_METRICS} real windows without "
                "missing values, and synthetic ones of every class that has real ones"
            )
        return "\n".join(lines)


def series_data(data: Mapping[str, Any], name: str) -> SeriesData:
    """The settings of real series, which messages call `name`. Raises UsageError if they are those of other data."""
    if not settings_fit(SeriesData, data):
        raise UsageError(
            f"{name}: must be a recipe that trains a model on series (`trainer.use: series`, or `train` in the recipe "
            "of a dataset), whose `data` are the real ones"
        )
    return SeriesData.model_validate(dict(data))


def validation_windows(recordings: Recordings, data: SeriesData) -> Windows | None:
    """Those that `data` holds out for validation; None if there are none, as of a short recording."""
    if not data.validation:
        return None
    try:
        return reader.windows(recordings, data, "validation")
    except DataError:
        return None


def from_dataset(
    dataset: Dataset, folder: str, real: Windows, name: str, samples: Sequence[Mapping[str, Any]] | None = None
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[str, ...]]:
    """Windows and labels of a generated dataset in `folder`, with class ids as the real data `name` have them.

    Args:
        samples: of the dataset, if they are at hand.

    Raises:
        DataError: channels, length or classes differ.
    """
    field, kind = next((key, value) for key, value in dataset.fields.items() if isinstance(value, Series))
    label = next((key for key, value in dataset.fields.items() if isinstance(value, Label)), None)
    ids = ids_of_real(folder, kind, dataset.classes if label else (), real, name)
    samples = list(dataset) if samples is None else samples
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

    from synthgen.measures.series import metrics, probe

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
        name: {key: metrics.spread(some) for key, some in found.items()} | {"n": len(arms[name])}
        for name, found in values.items()
    }
    return {"rare": classes[rare], "n_test": n_test, "scores": scores}


def realism(
    synthetic: Set,
    real: Set,
    test: Set | None,
    classes: tuple[str, ...],
    repeats: int,
    say: Callable[[str], None],
    effort: Effort | None,
) -> dict[str, Any] | None:
    """The metrics of realism on windows without missing values, None if there are too few of them."""
    sets = [in_proportion(synthetic, real, len(classes)), real, *([test] if test else [])]
    whole = [one.windows[~np.isnan(one.windows).any((1, 2))] for one in sets]
    if min(map(len, whole)) < MIN_FOR_METRICS:
        return None
    from synthgen.measures.series import metrics

    return metrics.evaluate(whole[1], whole[0], whole[2] if test else None, repeats=repeats, say=say, effort=effort)


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


def _percent(values: dict[str, Any]) -> str:
    deviation = np.std(values["values"], ddof=1) if len(values["values"]) > 1 else 0.0
    return f"{values['mean']:.1f} +- {deviation:.1f} %"
