"""`use: step-classifier`: trains a linear head on what a frozen model of series sees, from a few labelled steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from synthgen.base.environment import choose_device
from synthgen.base.settings import Settings
from synthgen.base.units import plural
from synthgen.errors import DataError
from synthgen.models import folders
from synthgen.models.series.calendar import Calendar
from synthgen.models.series.entities import Entities
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.series import reader
from synthgen.readers.series.reader import Recordings, SeriesData, Windows
from synthgen.readers.series.summary import describe
from synthgen.trainers import feature_heads as heads
from synthgen.trainers.series import held_out
from synthgen.trainers.series.calendar import with_calendar
from synthgen.trainers.series.entities import with_identity

WANTED = "SeriesPipeline"
MOST, MOST_MORE = 8000, 10_000
"""Labelled steps that a head is fitted to at most, and steps without labels that it looks at beside them."""

AT_ONCE = 256
"""Windows whose activations are in memory together."""

UNREAD = {
    *("path", "step_label", "label", "static_table", "events", "unlabelled", "span", "stride", "validation", "test"),
    *("licence", "source"),
}
"""Settings of `data` that say nothing of how other tables are to be read."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A head, its inverse regularisation, whether it sees what is around a step, and logits (M, K) of unseen steps."""

    around: bool
    strength: float
    unseen: np.ndarray
    head: heads.Head


class StepClassifierTrainer:
    """Fits logistic regression on activations of a model of series; ends with a StepClassifier.

    The model of series may have learned from long recordings in which nobody marked anything; a few labelled stretches
    of each class are then enough here. All labelled steps are learned from: accuracy and temperature are those of
    cross-validation, in which whole entities or stretches of time are held out. Steps without labels, of the table or
    of `data.unlabelled`, say which directions of the activations matter; with `data.unlabelled` they also refine the
    head: it learns from what it is surest of among them, classes being as frequent there as among the labelled ones.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: step-classifier`."""

        data: SeriesData = Field(description="Series with `step_label`, the class of each row, empty where unknown.")
        base: str = Field(description="A diffusion model of such series: a starter, or the folder of your own.")
        sigmas: list[float] = Field(
            default=[0.1, 0.5, 2.0],
            min_length=1,
            description="Noise levels at which the model is looked at, where 1 is about a channel's deviation.",
        )

        @model_validator(mode="after")
        def _labelled(self) -> StepClassifierTrainer.Config:
            if self.data.step_label is None:
                raise ValueError("`data.step_label` names the column of the classes of steps; it is missing")
            for name in ("validation", "test", "events"):
                if name in self.data.model_fields_set:
                    raise ValueError(f"`data.{name}`: all labelled steps are learned from; leave it out")
            if self.data.pad:
                raise ValueError("`data.pad`: windows need all of their steps; leave it out, or lower `length`")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = folders.resolve(config.base)
        self.index = folders.check_class(self.folder, config.base, WANTED, "series")
        self._others: Windows | None = None
        self._notes: list[str] = []

    @property
    def sources(self) -> Sequence[Source]:
        return [folders.source(self.config.base)]

    def identity(self) -> Mapping[str, Any]:
        return self.config.model_dump(mode="json", exclude={"base"}) | {"base": self.sources[0].sha256}

    def check(self) -> Sequence[Problem]:
        """Everything in the data that `train` would stumble over."""
        try:
            self._parts(self._windows()[1])
        except DataError as error:
            return [Problem(message, place=("data", "path")) for message in error.messages]
        return []

    def data_facts(self) -> DataFacts:
        """How the table is read and cut, in words."""
        recordings, windows = self._windows()
        found = describe(recordings, self._data, {"the classifier": windows})
        assert windows.row_step_labels is not None
        counts = np.bincount(windows.row_step_labels, minlength=len(windows.step_classes) + 1)
        said = ", ".join(f"{n:,} {name}" for name, n in zip(("unknown", *windows.step_classes), counts, strict=True))
        rows = {**found.rows, "classes of steps": said}
        if self._others is not None:
            rows["without labels"] = plural(len(self._others), "window")
        return DataFacts(found.columns, rows, (*found.notes, *self._notes))

    def sketch(self, out: Path) -> None:
        """Writes a model of the right classes that has learned nothing."""
        _, windows = self._windows()
        pipeline = self._base("cpu")
        n_features = self._features(pipeline, windows.take(np.array([0]))).shape[-1]
        n = len(windows.step_classes)
        head = heads.Head(np.zeros(n_features), np.ones(n_features), np.zeros((n, n_features)), np.zeros(n))
        self._model(pipeline, windows, head)(out)

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path:
        """Trains and returns `out`. `seed` chooses among very many steps, and divides them for cross-validation.

        Raises:
            DataError: the table cannot be used, or a class is in one stretch only.
            ModelError: the base cannot be used.
        """
        from synthgen.training import output

        _, windows = self._windows()
        pipeline = self._base(choose_device(device))
        parts = self._parts(windows)
        rows, steps = np.nonzero(windows.step_labels)
        of = np.where(parts.inside, parts.groups, -1)[rows, steps]
        some = held_out.chosen(windows.step_labels[rows, steps], of, MOST, seed)
        rows, steps, of = rows[some], steps[some], of[some]
        features, known = self._of_steps(pipeline, windows, rows, steps), windows.step_labels[rows, steps] - 1
        more = self._more(pipeline, windows, seed)
        y = known[of >= 0]
        best = min(
            (self._fitted(around, features, known, of, more, seed) for around in (False, True)[: 1 + parts.apart]),
            key=lambda fitted: heads.loss_of(fitted.unseen, y),
        )
        strength, unseen, head = best.strength, best.unseen, best.head
        temperature, probabilities = heads.calibrated(unseen, y)
        seen = unseen.argmax(1)
        scores = {
            "accuracy": float((seen == y).mean()),
            "mean of the classes' accuracies": float(np.mean([(seen[y == k] == k).mean() for k in np.unique(y)])),
            "loss": float(-np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-300)).mean()),
            "temperature": temperature,
        }
        settings = {
            "labelled steps": len(known),
            "features": len(head.mean),
            "noise levels": ", ".join(map(str, self.config.sigmas)),
            "sees what is around a step": "yes" if best.around else "no",
            "inverse regularisation": strength,
            "seed": seed,
        }
        if len(more):
            settings["steps without labels"] = f"{len(more):,}"
        use = (
            f"Says of each step of a series which of {', '.join(windows.step_classes)} it is, by what "
            f"{self.config.base} sees in it. In a recipe: `labelers: [{{use: step-classes, model: <this folder>}}]`."
        )
        result = output.Result(out.name, settings, scores, use, self.sources[0])
        card = output.series_card(result, self.config.data, windows, "the labelled steps, in cross-validation")
        return output.finish(out, self._model(pipeline, windows, head, temperature, best.around), card)

    @property
    def _data(self) -> SeriesData:
        """How the table is cut: all of it, in windows that overlap by half if nothing else is said."""
        data, change = self.config.data, {"validation": 0.0, "test": 0.0}
        if "stride" not in data.model_fields_set:
            return data.model_copy(update={**change, "stride": max(1, data.length // 2)})
        return data.model_copy(update=change)

    def _windows(self) -> tuple[Recordings, Windows]:
        """The table, and windows of all of it. Raises DataError if they do not suit the base."""
        data, index = self._data, self.index
        if data.length > index["length"]:
            raise DataError(
                f"{data.path}: length: {self.config.base} knows series of {index['length']} steps; {data.length} are "
                f"too many, set `length: {index['length']}`"
            )
        recordings = reader.read(data)
        windows = reader.windows(recordings, data, "train", to_the_end=True)
        others, self._notes = reader.unlabelled(data, recordings) if data.unlabelled else (None, [])
        calendar, entities = Calendar.of(index), Entities.of(index)
        wanted = {
            "channels": tuple(index["channels"]),
            "covariates": _without(index["covariates"], calendar.names if calendar else ()),
            "static": _without(index["static"], entities.columns if entities else ()),
            "unit of time": (str(index["time_unit"]),),
        }
        given = {
            "channels": tuple(channel.name for channel in windows.channels),
            "covariates": windows.covariate_names,
            "static": windows.static_names,
            "unit of time": (windows.time_unit,),
        }
        for what, names in wanted.items():
            if given[what] != names:
                raise DataError(
                    f"{data.path}: {what}: {self.config.base} knows {', '.join(names) or 'none'}, and the table gives "
                    f"{', '.join(given[what]) or 'none'}; both must be the same, in this order"
                )
        if calendar and windows.row_stamps is None:
            raise DataError(f"{data.path}: {self.config.base} knows real times, and this table has none")
        self._others = others and with_identity(with_calendar(others, calendar), entities)
        return recordings, with_identity(with_calendar(windows, calendar), entities)

    def _parts(self, windows: Windows) -> held_out.Parts:
        """What cross-validation holds out. Raises DataError if a class is in one part only."""
        found = held_out.parts_of(windows)
        for k, n in found.lacking(windows.step_labels, len(windows.step_classes)).items():
            raise DataError(
                f"{self.config.data.path}: {self.config.data.step_label}: `{windows.step_classes[k - 1]}` is in "
                f"{plural(n, 'stretch', 'stretches')} of the table; two are needed, so that one can be "
                "held out: label more of it, or leave its rows empty"
            )
        return found

    def _more(self, pipeline: Any, windows: Windows, seed: int) -> np.ndarray:
        """Features (M, 3 F) of steps without labels: of `data.unlabelled`, or else those that the table has."""
        some = windows if self._others is None else self._others
        there = windows.step_labels == 0 if self._others is None else ~np.isnan(some.values).all(2)
        rows, steps = np.nonzero(there)
        few = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MOST_MORE])
        return self._of_steps(pipeline, some, rows[few], steps[few])

    def _fitted(
        self, around: bool, features: np.ndarray, labels: np.ndarray, groups: np.ndarray, more: np.ndarray, seed: int
    ) -> Fitted:
        """The head that sees what is around a step, or does not; a part of -1 has no place in cross-validation."""
        from synthgen.models.series.step_classifier import own

        x, others = (features, more) if around else (own(features), own(more))
        within = heads.Components(np.concatenate([x, others])) if self._others is None else heads.Refined(others)
        inside = groups >= 0
        strength, unseen = heads.chosen_strength(x[inside], labels[inside], seed, groups[inside], within.head)
        return Fitted(around, strength, unseen, within.head(x, labels, strength))

    def _base(self, device: str) -> Any:
        import torch

        from synthgen.models import registry

        return registry.load_pipeline(self.folder, device, torch.float32)

    def _of_steps(self, pipeline: Any, windows: Windows, rows: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """float32 (M, F), of the windows `rows` (M,), in order, and their `steps` (M,)."""
        used, parts = np.unique(rows), []
        for start in range(0, len(used), AT_ONCE):
            some = used[start : start + AT_ONCE]
            mine = (rows >= some[0]) & (rows <= some[-1])
            features = self._features(pipeline, windows.take(some))
            parts.append(features[np.searchsorted(some, rows[mine]), steps[mine]])
        return np.concatenate(parts) if parts else self._features(pipeline, windows.take(np.array([0])))[0, :0]

    def _features(self, pipeline: Any, windows: Windows) -> np.ndarray:
        """float32 (N, L, F)."""
        import torch

        from synthgen.models.series.step_classifier import features_of

        beside = {}
        if windows.covariate_names:
            beside["covariates"] = torch.from_numpy(np.array(windows.covariates))
        if windows.static_names:
            beside["static"] = torch.from_numpy(np.array(windows.static))
        times = torch.from_numpy(np.array(windows.times)).float()
        return features_of(pipeline, torch.from_numpy(np.array(windows.values)), times, beside, self.config.sigmas)

    def _model(
        self, pipeline: Any, windows: Windows, head: heads.Head, temperature: float = 1.0, around: bool = True
    ) -> Any:
        """What writes the model into a folder."""
        from synthgen.models.series.step_classifier import StepClassifier

        of = {name: value for name, value in self.index.items() if not name.startswith("_")}
        of = {name: value for name, value in of.items() if name not in ("denoiser", "scaler", "scheduler")}
        reading = self.config.data.model_dump(mode="json", exclude=UNREAD, exclude_defaults=True)
        reading["channels"] = [channel.name for channel in windows.channels]
        made = StepClassifier(
            pipeline.denoiser,
            pipeline.scaler,
            pipeline.scheduler,
            heads.network(head),
            of,
            windows.step_classes,
            self.config.sigmas,
            around,
            temperature,
            reading,
        )
        return made.to("cpu").save_pretrained


def _without(names: Sequence[str], last: Sequence[str]) -> tuple[str, ...]:
    """The names but for these, which are the last ones."""
    return tuple(names[: len(names) - len(last)])
