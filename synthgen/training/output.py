"""The finished model folder: written beside its place, then moved there in one step, with its card."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.base.names import markdown
from synthgen.base.units import plural
from synthgen.parts.protocols import Source
from synthgen.readers import validation
from synthgen.readers.images.captioned import CaptionData, CaptionedImages
from synthgen.readers.images.labelled import DataConfig, LabelledImages
from synthgen.readers.masks.types import Examples, MaskData
from synthgen.readers.series.types import SeriesData
from synthgen.readers.series.views import Windows
from synthgen.readers.texts.records import Texts
from synthgen.readers.texts.types import TextData
from synthgen.training import real_scores
from synthgen.training.real_scores import RealScores

WORK = "training"
ENDED = "ended.json"
HELD_OUT = "held-out images of the training split"
UNLABELLED = "held-out images without labels"
FOLDS = "the training images, in cross-validation"
VALIDATION = "the images of the validation split"
FEW_WINDOWS = 50


def work_folder(out: Path) -> Path:
    """Where a training keeps checkpoints, images and logs: `<out>/training`, which stays there."""
    return out / WORK


def finish(out: Path, save: Callable[[Path], Any], card: str) -> Path:
    """Moves what `save` writes into `out`, the index last: a folder with an index is complete."""
    temporary = out / f".{uuid.uuid4().hex}"
    temporary.mkdir(parents=True)
    try:
        save(temporary)
        (temporary / "README.md").write_text(card, encoding="utf-8")
        for path in temporary.rglob("*.safetensors"):  # which safetensors lets only its owner read
            shutil.copymode(temporary / "README.md", path)
        names = sorted(temporary.iterdir(), key=lambda path: path.name in ("model_index.json", "config.json"))
        for path in names:
            target = out / path.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(path, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


@dataclass(frozen=True, slots=True)
class Result:
    """What the card of any model says of it; `base` is what it was trained from, if that was a model.

    `real` has the rules that real images pass, if it is a filter model.
    """

    title: str
    settings: Mapping[str, Any]
    scores: Mapping[str, Any]
    use: str
    base: Source | None = None
    real: RealScores | None = None


def card(result: Result, data: DataConfig, images: LabelledImages, scored_on: str = HELD_OUT) -> str:
    """The model card of what was trained on labelled images; `scored_on` says what the scores are of."""
    counts = {name: int((images.labels == i).sum()) for i, name in enumerate(images.classes)}
    height, width, channels = images.images.shape[1:]
    text = f"{len(images.labels)} images of {width} x {height}, {'grey' if channels == 1 else 'RGB'}"
    front = {"classes": list(images.classes), "resolution": int(width), "channels": int(channels)}
    limits = f"It knows these {len(images.classes)} classes at this size and nothing else"
    return _card(result, data, front, text, f"By class: {_counts(counts)}.", limits, scored_on, images.notes)


def mask_card(result: Result, data: MaskData, examples: Examples, scored_on: str = HELD_OUT) -> str:
    """The model card of what was trained on images with masks or boxes."""
    counts = {name: sum(item.label == i for item in examples.items) for i, name in enumerate(examples.classes)}
    n_objects = sum(item.n_objects for item in examples.items)
    front = {"classes": list(examples.classes), "objects": list(examples.objects), "channels": 3}
    named = ", ".join(map(markdown, examples.objects))
    shown = f"class maps of {named}" if examples.is_semantic else f"{n_objects} objects ({named})"
    text = f"{len(examples)} images with {shown}"
    limits = "It knows objects and images of this kind, at about this scale, and nothing else"
    by_class = f"By class: {_counts(counts)}."
    return _card(result, data, front, text, by_class, limits, scored_on, notes=examples.notes)


def with_test_scores(card: str, scores: Mapping[str, Any], split: str, n_pictures: int) -> str:
    """A card with what was measured on a split that nothing was trained or chosen on, before its limits."""
    table = "\n".join(_scores(scores, f"the {n_pictures} real images of the {split} split"))
    return card.replace("## Limits\n", f"{table}\n## Limits\n", 1)


def ended_card(card: str, step: int, steps: int) -> str:
    """A card that says that the training was ended at `step` of its `steps`, in its table and before its limits."""
    early = step < steps
    card = re.sub(r"^\| steps \| \d+ \|$", f"| steps | {step}{f' of {steps}' * early} |", card, count=1, flags=re.M)
    if not early:
        return card
    note = (
        f"Its training was ended at step {step} of {steps}: the weights are the averages at that step, "
        "and the learning rate had not fallen to its end.\n"
    )
    head, limits, rest = card.partition("## Limits\n")
    return f"{head}{note}\n{limits}{rest}" if limits else f"{card}\n{note}"


def note_end(out: Path, early: tuple[int, int] | None) -> None:
    """Keeps beside the checkpoints at which step of how many the model in `out` was made, None if at the last."""
    path = work_folder(out) / ENDED
    if early is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(json.dumps({"step": early[0], "steps": early[1]}) + "\n", encoding="utf-8")


HELD_OUT_WINDOWS = "held-out windows of the training part"


def series_card(result: Result, data: SeriesData, windows: Windows, scored_on: str = HELD_OUT_WINDOWS) -> str:
    """The model card of what was trained on windows of series."""
    counts = {name: int((windows.labels == i).sum()) for i, name in enumerate(windows.classes)}
    n_entities, length = len(set(windows.entities.tolist())), windows.length
    named = [markdown(c.name if c.unit == "1" else f"{c.name} ({c.unit})") for c in windows.channels]
    front = {"classes": list(windows.classes), "channels": [c.name for c in windows.channels], "length": length}
    if windows.step_classes:
        front["step_classes"] = list(windows.step_classes)
    entities = f"{n_entities} recordings" if n_entities > 1 else "one recording"
    text = f"{plural(len(windows), 'window')} of {length} steps and the channels {', '.join(named)}, from {entities}"
    by_class = f"By class: {_counts(counts)}." if windows.classes else ""
    limits = "It knows series of this kind, sampled like these, and nothing else"
    if few := {name: n for name, n in counts.items() if 0 < n < FEW_WINDOWS}:
        few_windows = " and ".join(f"{plural(n, 'window')} of {markdown(name)}" for name, n in few.items())
        limits = (
            f"It was shown only {few_windows}: what it generates of them varies little beyond those, and cannot show "
            f"what they lack. {limits}"
        )
    return _card(result, data, front, text, by_class, limits, scored_on)


def text_card(result: Result, data: TextData, texts: Texts, n_records: int) -> str:
    """The model card of what was trained on `n_records` records of texts to generate more."""
    limits = "It knows texts of this kind and nothing else, may repeat what it learned from, and knows no facts"
    return _text_card(result, data, texts, n_records, limits)


def text_classifier_card(result: Result, data: TextData, texts: Texts) -> str:
    """The model card of what was trained on texts to tell their classes."""
    limits = "It knows these classes and nothing else, looks at words and parts of words but not at their order"
    return _text_card(result, data, texts, len(texts.take("train")), limits)


def _text_card(result: Result, data: TextData, texts: Texts, n_records: int, limits: str) -> str:
    training = texts.take("train")
    counts = dict.fromkeys(texts.classes, 0)
    if training.labels is not None:
        counts = {name: int((training.labels == i).sum()) for i, name in enumerate(texts.classes)}
    front = {"classes": list(texts.classes), **({"language": list(texts.languages)} if texts.languages else {})}
    by_class = f"By class: {_counts(counts)}." if counts else ""
    return _card(result, data, front, f"{n_records:,} {texts.kind}", by_class, limits, "held-out records")


def tuned_card(result: Result, data: CaptionData, images: CaptionedImages) -> str:
    """The model card of what was tuned from a text-to-image model on images with captions."""
    side, captions = images.images.shape[1], list(dict.fromkeys(images.captions))
    text = f"{len(images)} images, cut to squares of {side} px, with {len(captions)} different captions"
    shown = "".join(f"\n- {markdown(caption)}" for caption in captions[:10])
    limits = "It generates as the base does, changed towards these images; other prompts may have changed as well"
    front = {"resolution": side}
    such_as = f"Captions such as\n{shown}"
    return _card(result, data, front, text, such_as, limits, "the training images", images.notes)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{markdown(name)} {n}" for name, n in counts.items() if n)


def _card(
    result: Result,
    data: DataConfig | MaskData | CaptionData | SeriesData | TextData,
    more: Mapping[str, Any],
    what: str,
    details: str,
    limits: str,
    scored_on: str = HELD_OUT,
    notes: Sequence[str] = (),
) -> str:
    """Front matter for machines, then what it was made from and how well it does."""
    import yaml

    if not isinstance(data, CaptionData) and data.validation == validation.SPLIT:
        scored_on = VALIDATION
    name, base, tuned = data.source or Path(data.path).name, result.base, []
    credit = f"of {markdown(name)} (licence: {markdown(data.licence)})"
    licences, datasets, front = [data.licence], [name], dict(more)
    if base:
        revision = base.details.get("revision")
        exact = f"revision {revision}" if "revision" in base.details else f"sha256 {base.sha256}"
        tuned = [f"Tuned from {markdown(base.name)} (licence: {markdown(base.licence)}, {exact}).", ""]
        licences.append(base.licence)
        datasets += base.details.get("datasets", ())
        front = {"base_model": base.name, **more}
    if result.real:
        front[real_scores.KEY] = result.real.as_json()
    head = {"license": " and ".join(dict.fromkeys(licences)), "datasets": datasets}
    front = {**head, "library_name": "diffusers", "tags": ["synthgen"], **front}
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=False, allow_unicode=True).strip(),
        "---",
        f"# {markdown(result.title)}",
        "",
        result.use,
        "",
        "## Data",
        "",
        f"{what}, {credit}; training split only. {details}".rstrip(),
        "",
        *(line for note in notes for line in (f"Note: {markdown(note)}.", "")),
        *tuned,
        "## Training",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {markdown(key)} | {markdown(value)} |" for key, value in result.settings.items()),
        "",
        *_scores(result.scores, scored_on),
        *(_rules(result.real) if result.real else ()),
        "## Limits",
        "",
        f"{limits}, and repeats whatever is missing, rare or wrong in its training data.",
        "",
    ]
    return "\n".join(lines)


def _scores(scores: Mapping[str, Any], scored_on: str) -> list[str]:
    if not scores:
        return ["Nothing was held out, so there are no scores.", ""]
    rows = [f"| {key} | {value:.4g} |" for key, value in scores.items()]
    return [f"## Scores on {scored_on}", "", "| measure | value |", "|---|---|", *rows, ""]


def _rules(real: RealScores) -> list[str]:
    block = ["```yaml", *real.lines, "```", ""] if real.lines else []
    return ["## Rules for a recipe", "", f"{real.title[0].upper()}{real.title[1:]}.", "", *block]
