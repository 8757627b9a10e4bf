"""What the numbers or colours of a folder's masks mean: settings for it, or the questions that people must answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.base.units import share
from synthgen.errors import DataError, UsageError
from synthgen.fields import IGNORE
from synthgen.readers import listing
from synthgen.readers.boxes import yolo
from synthgen.readers.masks import census, colour_table, files, finding, kinds, palettes, reader
from synthgen.readers.masks.census import Census
from synthgen.readers.masks.types import MaskData
from synthgen.readers.problems import read_bytes
from synthgen.readers.scaffolding import OpenQuestionsError, Question

COLOURS, CLASSES = "colours.csv", "classes.txt"
MAX_CLASSES = 254
BACKGROUND = "background"
GROUND = (BACKGROUND, "ignore", "void", "unknown", "unlabelled", "unlabeled")
"""Names in lists of classes that are none."""
NUMBERS = ("zero", "unknown", "classes")
"""Options that say what class ids mean."""
N_SHARES = 16
MIN_PICTURES, MIN_BESIDE = 8, 3
"""Images with masks that are needed at least, and beside others without."""

CITYSCAPES_UNKNOWN = (*range(1, 7), 9, 10, 14, 15, 16, 18, 29, 30)
"""Of `_gtFine_labelIds`, as 0. Source: cityscapesScripts, helpers/labels.py: those that it ignores in evaluations."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """Settings of `data`, why they are those, and what was counted where masks are class maps."""

    settings: Mapping[str, Any]
    reason: str
    counted: Census | None = None


def check_number(meaning: Meaning, n: int) -> None:
    """Raises DataError if `n` images with masks are too few."""
    least = MIN_BESIDE if "unlabelled" in meaning.settings else MIN_PICTURES
    if n < least:
        raise DataError(f"{meaning.settings['path']}: has {n} images with masks; at least {least} are needed")


def settle(chosen: Mapping[str, Any], options: Mapping[str, Any]) -> Meaning:
    """What masks mean, by what people say, by tables and lists beside them, or by what they hold.

    Args:
        chosen: settings that say where images and masks are.
        options: `mask_kind`, `zero`, `unknown` and `classes` as far as they are given.

    Raises:
        OpenQuestionsError: neither the options nor the data say it.
        DataError: masks cannot be read, or lists do not fit them.
        UsageError: options do not fit each other or the masks.
    """
    kind = options.get("mask_kind")
    given = [f"--{name}" for name in NUMBERS if name in options]
    if kind in ("instances", "binary"):
        if given:
            raise UsageError(
                f"{', '.join(given)}: of class ids only; leave it out, or give --masks semantic or classes"
            )
        return Meaning({**chosen, "mask_kind": kind, "objects": ["object"]}, "you say so")
    root = Path(chosen["path"])
    table = _table(chosen, root)
    if table is not None:
        if given:
            raise UsageError(
                f"{', '.join(given)}: of numbers, and the colours of these masks are classes by {table[1]}"
            )
        return _of_colours(chosen, kind, *table)
    preset, palette = _preset(str(chosen.get("mask_ending", "")))
    return _of_numbers(chosen, kind, preset | dict(options), palette, open_kind=kind is None)


def _data(chosen: Mapping[str, Any], **more: Any) -> MaskData:
    return MaskData.model_validate({**chosen, **more})


def _table(chosen: Mapping[str, Any], root: Path) -> tuple[Path, str] | None:
    """The table that says what the colours of masks mean, and what `colours` calls it; None if they are numbers.

    Raises:
        DataError: several well-known tables fit; of none, the reader says what to do.
    """
    if (root / COLOURS).is_file():
        return root / COLOURS, COLOURS
    if chosen.get("mask_ending") == finding.COLOURS:
        return colour_table.place(root, "cityscapes"), "cityscapes"
    seen = census.colours(_data(chosen))
    fitting = colour_table.fitting(seen) if seen else []
    if len(fitting) > 1:
        raise DataError(
            f"{root}: the masks' colours fit the tables of {' and '.join(fitting)}; list them in {root / COLOURS}, "
            "with the header `r,g,b,name`"
        )
    return (colour_table.place(root, fitting[0]), fitting[0]) if fitting else None


def _of_colours(chosen: Mapping[str, Any], kind: Any, path: Path, name: str) -> Meaning:
    objects, palette = colour_table.objects(path), colour_table.palette(path)
    settings = {**chosen, "colours": name, "objects": objects, "palette": palette}
    counted = census.count(_data(settings))
    if kind is None and counted.covers:
        raise OpenQuestionsError([_kind_question(counted)], *_opening(chosen, counted, ["background", *objects]))
    if kind == "semantic":
        settings = {**chosen, "mask_kind": kind, "colours": name, "objects": objects, "palette": palette}
    known = f"{name} says" if name == COLOURS else f"they are those of {name}, which says"
    return Meaning(settings, f"{known} what their colours mean", counted)


def _preset(ending: str) -> tuple[dict[str, Any], Sequence[str]]:
    """What the names of Cityscapes' maps say about their numbers, as options, and the colours of the classes."""
    if ending == finding.TRAIN_IDS:
        path = colour_table.place("", "cityscapes")
        return {"zero": "class", "unknown": (IGNORE,), "classes": colour_table.objects(path)}, colour_table.palette(
            path
        )
    if ending == finding.IDS:
        names = (colour_table.TABLES / "cityscapes-ids.txt").read_text("utf-8").split("\n")[:-1]
        return {"zero": "unknown", "unknown": CITYSCAPES_UNKNOWN, "classes": names}, ()
    return {}, ()


def _of_numbers(
    chosen: Mapping[str, Any], kind: Any, options: dict[str, Any], palette: Sequence[str], open_kind: bool
) -> Meaning:
    lines, source = (list(options["classes"]), "--classes") if "classes" in options else _lines(Path(chosen["path"]))
    names = [name for name in lines if name.lower().strip("_") not in GROUND]
    counted = census.count(_data(chosen))
    asking = counted.covers or kind == "semantic" or not options.keys().isdisjoint(NUMBERS)
    reason = "you say so"
    if open_kind:
        try:
            kind, reason = reader.kind_of(_data(chosen, **({"objects": names} if names else {})))
        except kinds.OpenKindError:
            if not asking:
                raise
            kind = "classes"
        if kind != "classes" and options.keys().isdisjoint(NUMBERS):
            return Meaning({**chosen, "mask_kind": kind, "objects": ["object"]}, reason)
    questions = [_kind_question(counted)] if open_kind and asking else []
    zero, unknown, more = _numbers(counted, options, lines, asking)
    if questions or more:
        raise OpenQuestionsError([*questions, *more], *_opening(chosen, counted, names and lines))
    masks = files.mask_paths(files.places(_data(chosen), "train"))
    palettes.check([masks[i] for i in census.spread(len(masks))], kind)
    largest = max((n for n in counted.total if n not in (*unknown, IGNORE)), default=0)
    objects = _names(names, source, zero, unknown, min(largest, MAX_CLASSES), str(chosen["path"]))
    first = 0 if zero == "class" else 1
    colours = palette or counted.palette[first : first + len(objects)]
    settings = {
        **chosen,
        "mask_kind": kind,
        **({"zero": zero} if zero != BACKGROUND else {}),
        **({"unknown": unknown} if unknown else {}),
        "objects": objects,
        **({"palette": list(colours)} if kind == "semantic" and len(set(colours)) == len(objects) else {}),
    }
    return Meaning(settings, reason, counted)


def _lines(root: Path) -> tuple[list[str], str]:
    """The names in classes.txt, one a line, and where they are from; none if there is no such file."""
    places = [root, listing.split_folder(root, "train") or root]
    path = next((place / CLASSES for place in places if (place / CLASSES).is_file()), None)
    return (list(yolo.class_names(read_bytes(path), str(path))), CLASSES) if path else ([], CLASSES)


def _numbers(
    counted: Census, options: Mapping[str, Any], lines: Sequence[str], asking: bool
) -> tuple[str, list[int], list[Question]]:
    """What 0 means, which numbers mean unknown, and the questions about both that are open."""
    largest = max((number for number in counted.total if number != IGNORE), default=0)
    ground = [name.lower().strip("_") in GROUND for name in lines]
    said = len(lines) == largest + 1 and any(ground)  # a line for each number
    zero, unknown = options.get("zero"), options.get("unknown")
    questions = []
    if zero is None and said:
        zero = "class" if not ground[0] else BACKGROUND if lines[0].strip("_").lower() == BACKGROUND else "unknown"
    if zero is None and not (asking and 0 in counted.total):
        zero = BACKGROUND
    if zero is None:
        questions.append(_zero_question(counted))
    if unknown is None and said:
        unknown = [number for number, no_class in enumerate(ground) if no_class and number]
    if unknown is None and zero is not None and lines:  # as many names as numbers, or one fewer
        n = sum(not one for one in ground) - (largest + (zero == "class"))
        unknown = [] if n >= 0 else [largest] if n == -1 else None
    if unknown is None and (not asking or IGNORE in counted.total or largest < 2):
        unknown = []
    if unknown is None:
        questions.append(_highest_question(counted, largest))
    return zero or BACKGROUND, [number for number in unknown or [] if number != IGNORE], questions


def _names(names: Sequence[str], source: str, zero: str, unknown: Sequence[int], largest: int, path: str) -> list[str]:
    """A name for every class id.

    Raises:
        DataError: there are fewer names than numbers, or names of numbers that mean unknown.
    """
    first = 0 if zero == "class" else 1
    n = max(largest - first + 1, 0)
    if not names:
        return [f"class_{number}" for number in range(first, first + n)] or ["object"]
    last = first + len(names) - 1
    if len(names) < n or last in unknown:
        also = f", and {', '.join(map(str, [*unknown, IGNORE]))} unknown" if unknown else f" ({IGNORE} is unknown)"
        raise DataError(
            f"{path}: {source} names {len(names)} classes, and the masks have ids up to {largest}; it must have a name "
            f"for each, from {first} on{also}"
        )
    return list(names)


def _kind_question(counted: Census) -> Question:
    return Question(
        "mask_kind",
        f"{len(counted.total)} numbers cover the images. Is each the class of a pixel, as of streets (semantic), a "
        "class whose regions are objects (classes), or one object (instances)?",
        {name: name for name in ("semantic", "classes", "instances")},
        "semantic",
        "--masks semantic if each number is the class of a pixel, as of streets; --masks classes if the connected "
        "regions of a class are objects; --masks instances if each number is one object",
    )


def _zero_question(counted: Census) -> Question:
    covers = f"covers {share(counted.share(0))} of the pixels"
    return Question(
        "zero",
        f"The number 0 {covers}. What is it?",
        {name: name for name in ("background", "class", "unknown")},
        "class" if counted.covers else BACKGROUND,
        f"--zero class, --zero background or --zero unknown: 0 {covers}",
    )


def _highest_question(counted: Census, largest: int) -> Question:
    covers = f"covers {share(counted.share(largest))} of the pixels"
    return Question(
        "unknown",
        f"The highest number, {largest}, {covers}. What is it?",
        {"class": (IGNORE,), "unknown": (largest,)},
        "class",
        f"--unknown {largest} if the highest number means unknown, --unknown {IGNORE} if it is a class: it {covers}",
    )


def _opening(chosen: Mapping[str, Any], counted: Census, names: Sequence[str]) -> list[str]:
    """What is open, and the share of the pixels of each number."""
    most = sorted(counted.total, key=lambda number: -counted.total[number])
    shown = sorted(most[:N_SHARES])
    of = {i: f" ({name})" for i, name in enumerate(names)} if len(names) > max(counted.total.keys() - {IGNORE}) else {}
    listed = ", ".join(f"{number}{of.get(number, '')} {share(counted.share(number))}" for number in shown)
    more = f", and {len(most) - len(shown)} rarer ones" if len(most) > len(shown) else ""
    return [
        f"{chosen['path']}: the maps leave open what they mean. Shares of the pixels of each number, {counted.of}: "
        f"{listed}{more}. Give `synthgen init` these options:"
    ]
