"""How good is a dataset of texts? Train on it and test on real texts; then diversity, copies and likeness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import Field

from synthgen.dataset import loading
from synthgen.errors import DataError, UsageError
from synthgen.fields import Schema, first_shown
from synthgen.fields.shown import Bubbles, Curves, Pairs, Picture, Words
from synthgen.measures.settings import MeasureSettings
from synthgen.measures.texts import copies, diversity, fidelity, lines, usefulness
from synthgen.measures.texts.corpus import Corpus, of_real
from synthgen.measures.texts.synthetic import from_dataset
from synthgen.measures.texts.translation import sacrebleu
from synthgen.parts.protocols import Comparison
from synthgen.readers import settings_fit
from synthgen.readers.texts import reader
from synthgen.readers.texts.reader import Split, TextData, Texts

NO_TEST = (
    "neither `test` nor `validation` of the data holds texts out, and what is trained is tested on those; set `test` "
    "to 0.1, or to a file"
)
MOST_COMPARED = 5_000
"""Texts of each set in which diversity and copies are counted."""


class TextMeasure:
    """What light models learn from the dataset, from real texts and from both, tested on real texts; and its texts.

    These are compared with real ones: how diverse they are, what is copied from the training texts, and how like the
    test texts they are. Beside each number stands what real texts reach.
    """

    version = 1
    needs = "texts, a translation or a dialogue"
    readers = ("texts",)

    class Config(MeasureSettings):
        """Settings of the comparison of texts."""

        steps: int | None = Field(
            default=None,
            ge=1,
            description="Pairs: training steps of a translator by `use: text`, preset tiny, on each set; by default "
            "none is trained, as 1,000 steps take minutes.",
        )
        evaluator: str | None = Field(default=None, description="Not used: models are trained on the texts.")

    def __init__(self, config: Config) -> None:
        self.config = config

    @staticmethod
    def fits(fields: Schema) -> bool:
        has = {way: first_shown(fields, way)[1] is not None for way in (Picture, Curves, Words, Pairs, Bubbles)}
        return any(has[way] for way in (Words, Pairs, Bubbles)) and not has[Picture] and not has[Curves]

    @staticmethod
    def lack(data: Mapping[str, Any]) -> str:
        if not settings_fit(TextData, data):
            return ""
        texts = reader.read(TextData.model_validate(dict(data)))
        return "" if held_out_split(texts) else NO_TEST

    def measure(self, comparison: Comparison) -> Mapping[str, Any]:
        """All values under `texts`, with `not_measured`: what could not be, and why.

        Raises:
            UsageError: the real data are not texts, an option is not for them, or sacrebleu is not installed.
            DataError: the dataset holds other texts than the real data, or nothing of these is held out.
        """
        config, name = self.config, comparison.name
        if config.evaluator is not None:
            raise UsageError("--evaluator: is not used for texts: models are trained on them")
        sacrebleu()
        texts = reader.read(text_data(comparison.data, name, comparison.test))
        split = held_out_split(texts)
        if split is None:
            raise DataError(f"{name}: {NO_TEST}")
        if split != "test":
            comparison.note(f"{name}: holds nothing out for tests; its validation part takes their place")
        dataset = loading.load(comparison.folder, split=config.part, allow_incomplete=comparison.allow_incomplete)
        synthetic, given = from_dataset(dataset, comparison.folder, texts, name)
        real, test = (of_real(texts.take(part), list(synthetic.parts)) for part in ("train", split))
        found: dict[str, Any] = {
            "kind": synthetic.kind,
            "seeds": config.seeds,
            "n_synthetic": len(synthetic),
            "n_train": len(real),
            "n_test": len(test),
            "tested_on": split,
        }
        if given:
            found["given"] = list(given)
        lacking: dict[str, str] = {}

        def add(name: str, values: dict[str, Any] | str, into: dict[str, Any]) -> None:
            if isinstance(values, str):
                lacking[name] = values
            else:
                into[name] = values

        found["usefulness"] = {}
        tasks = [task for task in usefulness.TASKS if synthetic.kind in task.of and asked_for(task.name, texts)]
        if config.steps is not None:
            student = usefulness.student(config.steps, texts.languages)
            tasks += [student] if synthetic.kind in student.of else []
        for task in tasks:
            values = usefulness.measure(task, synthetic, real, test, config.seeds, comparison.note)
            add(task.name, values, found["usefulness"])
        found["diversity"], found["copies"] = counted(synthetic, real, test)
        add("fidelity", fidelity.in_features(synthetic, real, test), found)
        add("discriminative", fidelity.discriminative(synthetic, real, test, config.seeds), found)
        found["not_measured"] = lacking
        return {"texts": {key: value for key, value in found.items() if value != {}}}

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        return "\n".join(lines.of(found["texts"])) if "texts" in found else ""


def text_data(data: Mapping[str, Any], name: str, test: str | None = None) -> TextData:
    """The settings of real texts, which messages call `name`. Raises UsageError if they are those of other data.

    Args:
        test: the file of the texts to test on, in the place of what the settings say.
    """
    settings = dict(data) | ({"test": test} if test is not None else {})
    if not settings_fit(TextData, settings):
        raise UsageError(
            f"{name}: must be a file or a folder of texts, or a recipe whose `data` has `texts`, as a dataset of texts "
            "is compared with texts"
        )
    return TextData.model_validate(settings)


def held_out_split(texts: Texts) -> Split | None:
    """Where the texts are that nothing is trained on: `test`, else `validation`; None if neither has any."""
    for split in ("test", "validation"):
        if (texts.splits == get_args(Split).index(split)).any():
            return split
    return None


def asked_for(task: str, texts: Texts) -> bool:
    """Whether the real data have what a task is about; what they lack is not missed."""
    there = {
        "classes": texts.labels is not None or texts.kind == "facts",
        "slots": texts.spans is not None,
        "answers by facts": "question" in texts.texts,
    }
    return there.get(task, True)


def counted(synthetic: Corpus, real: Corpus, test: Corpus) -> tuple[dict[str, Any], dict[str, Any]]:
    """Diversity, of sets of equal size, and copies, of each part."""
    ours, held_out = synthetic.sample(MOST_COMPARED, 0), test.sample(MOST_COMPARED, 0)
    n = min(len(ours), len(real))
    alike = {"synthetic": synthetic.sample(n, 0), "real": real.sample(n, 0)}
    diverse, copied = {}, {}
    for part in synthetic.parts:
        diverse[part] = {name: diversity.measure(corpus.parts[part]) for name, corpus in alike.items()}
        copied[part] = {
            "synthetic": copies.measure(ours.parts[part], real.parts[part]),
            "real": copies.measure(held_out.parts[part], real.parts[part]),
        }
    return diverse, copied
