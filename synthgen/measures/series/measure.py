"""How useful is a dataset of series? Train a classifier on it, test it on real windows, then measure its realism."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from synthgen.dataset import loading
from synthgen.errors import DataError, UsageError
from synthgen.fields import Schema, Series, first
from synthgen.measures.series import values
from synthgen.measures.series.season import find_season, training_parts
from synthgen.measures.series.sets import Set, from_dataset, in_proportion, series_data
from synthgen.measures.settings import MeasureSettings, ways
from synthgen.parts.protocols import Comparison
from synthgen.readers import settings_fit
from synthgen.readers.series import reader
from synthgen.readers.series.reader import Recordings, SeriesData, Windows
from synthgen.recipe.sections import Steps

if TYPE_CHECKING:  # torch is imported where it is needed: plans ask every measure what it would miss
    from synthgen.measures.series.metrics import Effort

MIN_FOR_METRICS = 20
SHORTEST = 200
"""Iterations of the encoder behind Context-FID on small sets of windows; it does more on large ones."""

NO_FORECASTS = "`test` of the data holds nothing out, and they are tested on that; set it to 0.2"
NO_VALIDATION = "`validation` of the data holds nothing out to choose among several ways of training by; set it to 0.1"
NO_TEST = "`test` of the data holds nothing out, and classifiers are tested on that; set it to 0.2"


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

        steps: Steps = Field(
            default=600,
            description="Training steps of each classifier; of several, each has the best balanced accuracy on real "
            "validation windows.",
        )
        tricks: list[Literal["averaged", "jitter"]] = Field(
            default=[],
            description="Ways of training classifiers that are tried beside the plain one, and chosen likewise.",
        )
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
        scaled = scaling(training)
        ours, train_set = scaled(synthetic), scaled(training)
        test_set = None if test is None else scaled(test)
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
            from synthgen.measures.series import usefulness

            tried = ways(config.steps, config.tricks)
            validation = scaled(chosen_by(recordings, data, name)) if len(tried) > 1 else None
            found["usefulness"] = usefulness.measure(
                ours, train_set, test_set, classes, config.seeds, tried, comparison.note, validation
            )
        alike = in_proportion(synthetic, train_set, len(classes)).windows
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
                alike,
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
        names = [channel.name for channel in training.channels]
        found["values"] = values.measure(alike, training.values, names, season.steps)
        iterations = effort(config.effort)
        found["metrics"] = realism(ours, train_set, test_set, classes, config.seeds, comparison.note, iterations)
        return found

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        if "metrics" not in found:
            return ""
        from synthgen.measures.series import completed, forecasting, metrics, usefulness

        lines = []
        if "usefulness" in found:
            lines.append(usefulness.text(found))
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


def scaling(training: Windows) -> Callable[[Windows | Set], Set]:
    """What scales windows so that each channel of the training ones goes from 0 to 1."""
    low = np.nanmin(training.values, axis=(0, 1))
    width = np.nanmax(training.values, axis=(0, 1)) - low

    def scaled(some: Windows | Set) -> Set:
        values, weights = (some.windows, some.weights) if isinstance(some, Set) else (some.values, None)
        return Set(((values - low) / width).astype(np.float32), some.labels, weights)

    return scaled


def chosen_by(recordings: Recordings, data: SeriesData, name: str) -> Windows:
    """Real windows that choose among several ways of training. Raises DataError if none are held out for that."""
    found = validation_windows(recordings, data)
    if found is None:
        raise DataError(f"{name}: {NO_VALIDATION}")
    return found


def validation_windows(recordings: Recordings, data: SeriesData) -> Windows | None:
    """Those that `data` holds out for validation; None if there are none, as of a short recording."""
    if not data.validation:
        return None
    try:
        return reader.windows(recordings, data, "validation")
    except DataError:
        return None


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
