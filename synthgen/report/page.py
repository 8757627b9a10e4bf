"""The page: one HTML file that says what a dataset holds, how it came about, and what its samples look like."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from synthgen.dataset.ledger import Ledger
from synthgen.dataset.view import View
from synthgen.errors import StoreError, UsageError
from synthgen.fields import IGNORE, class_field, first_shown
from synthgen.fields.shown import Regions
from synthgen.recipe.rules import parse
from synthgen.report import charts, compared, evaluated, overlay, preview, sheet, shown_series, templates, texts
from synthgen.report.compared import Compared
from synthgen.report.preview import Groups
from synthgen.report.series_part import series_part
from synthgen.report.text_part import real_texts
from synthgen.stages import evaluation

FILE = "report.html"
N_SCORES = 24


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as a `data:` address, with its width on the page in pixels (0: what room there is) and words.

    One that is `wide` has as much of a narrow page as it needs, others half of it. `anchor` is what links name.
    """

    address: str
    alt: str
    width: int = 0
    sharp: bool = False
    caption: str = ""
    note: str = ""
    wide: bool = False
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The text of a page, and how many real samples, called `what`, it shows of the data called `real`, one by one."""

    html: str
    n_real: int = 0
    real: str = ""
    what: str = "real window"


def render(book: Ledger, real: str | None = None, channels: Sequence[str] = (), with_real: bool = True) -> Page:
    """The page of a sealed dataset; equal data give equal text.

    Args:
        real: the recipe of a model that is trained on series or on texts, or a file of texts: training windows or texts
            stand beside the generated ones. By default those of the last evaluation, if they are still there.
        channels: of series, those that are shown; by default all, and of very many the worst or first.
        with_real: False for a page without real windows or texts.

    Raises:
        StoreError: the dataset was never sealed, or its evaluation cannot be read.
        UsageError: `real` is given for a dataset without series or texts, or is no such recipe; or there is no such
            channel.
        DataError: the real data of `real` cannot be read, or are not like the generated ones.
    """
    manifest = book.manifest
    if manifest is None:
        raise StoreError(f"{book.place} {book.lack}. Finish it with the same `synthgen run` command")
    series = compared.holds_series(book)
    in_words = texts.is_shown_as_texts(book.fields)
    if real is not None and not series and not in_words:
        raise UsageError(
            f"--real: compares series or texts, and {book.place} holds {', '.join(book.fields)}; leave it out"
        )
    shown_series.choose_channels(book.fields, channels)
    known = evaluation.read(book.store)
    found = known.found if known else {}
    view = View(book, None, None, None)
    tries = _tries(book, view)
    filled = any(file.n_samples for file in view.files)
    part = series_part(book, known, real, channels, with_real) if filled and series else None
    windows = part.windows if part else {}
    shown = filled and preview.can_show(book.fields)
    in_words = shown and in_words
    entries = preview.texts_from_dataset(book) if in_words else {}
    beside = real_texts(book, known, real, with_real) if entries else None
    pictured = shown and not in_words
    groups = preview.from_dataset(book, channels=part.shown if part else (), real=windows) if pictured else {}
    n_real = sum(len(groups.get(preview.real_group(name), ())) for name in windows)
    n_texts = beside.count(entries) if beside else 0
    html = templates.render(
        "page.html",
        m=manifest,
        lack=book.lack,
        counts=_counts(tries.by_class, manifest),
        rules=[(rule, manifest["rejected"].get(rule, 0)) for rule in book.identity["keep"]],
        histograms=list(_histograms(book, tries)),
        groups=dict(_tiles(groups)),
        texts=beside.beside(entries) if beside else {},
        beside=beside,
        n_texts=n_texts,
        n_shown=sum(map(len, groups.values())) + sum(map(len, entries.values())) - n_real,
        n_real=n_real,
        objects=manifest.get("objects", {}),
        regions=_regions(book, manifest),
        colours=templates.colours(preview.legend(book.fields, groups)),
        part=part,
        panels=list(_panels(part.about, part.charted)) if part else [],
        evaluation=list(evaluated.tables(_apart(found))) if found else [],
        evaluated_other=bool(found and found.get("dataset") not in (None, manifest["digest"])),
    )
    if beside and beside.real:
        return Page(html, n_texts, beside.real.name, "real text")
    return Page(html, n_real, part.real.name if part and part.real else "")


def _apart(found: Mapping[str, Any]) -> dict[str, Any]:
    """What an evaluation found, less what has a table of its own."""
    own = ("values",) if found.get("kind") == "series" else ()
    return {name: value for name, value in found.items() if name not in own}


@dataclass
class Tries:
    """What the indexes say of every try, read once: verdicts, scores, and kept samples by class and split."""

    accepted: np.ndarray
    scores: dict[str, np.ndarray]
    by_class: Counter[tuple[str, str]]


def _tries(book: Ledger, view: View) -> Tries:
    import pyarrow.compute as pc

    label = class_field(book.fields)
    names = _scores(book)[:N_SCORES]
    verdicts: list[np.ndarray] = []
    scores: dict[str, list[np.ndarray]] = {name: [] for name in names}
    asked: Counter[tuple[str, str]] = Counter()
    for shard in view.indexes:
        table = view.index_table(shard, ["split", "condition", "accepted", *(f"score.{name}" for name in names)])
        accepted = table["accepted"].to_numpy()
        verdicts.append(accepted)
        for name in names:
            scores[name].append(table[f"score.{name}"].to_numpy())
        kept = (pc.filter(table[name], table["accepted"]).to_pylist() for name in ("condition", "split"))
        asked.update(zip(*kept, strict=True))
    by_class: Counter[tuple[str, str]] = Counter()
    for (condition, split), n in asked.items():
        by_class[str(json.loads(condition).get(label or "")), split] += n
    none = np.zeros(0)
    joined = {name: np.concatenate(parts) if parts else none for name, parts in scores.items()}
    return Tries(np.concatenate(verdicts) if verdicts else none.astype(bool), joined, by_class)


def _scores(book: Ledger) -> list[str]:
    manifest = book.manifest or {}
    return list(manifest.get("scores", ()))


def _counts(found: Counter[tuple[str, str]], manifest: Mapping[str, Any]) -> list[list[Any]]:
    """Rows of class, samples, and samples of each split; the splits only where the condition decided the class."""
    classes, splits = manifest["classes"], manifest["splits"]
    if not classes:
        return [["", "samples", *splits], ["all", manifest["samples"], *splits.values()]]
    if any(sum(found[name, split] for split in splits) != n for name, n in classes.items()):
        rows = [[f"split {split}", n] for split, n in splits.items()]
        return [["class", "samples"], *map(list, classes.items()), *rows, ["all", manifest["samples"]]]
    rows = [[name, n, *(found[name, split] for split in splits)] for name, n in classes.items()]
    return [["class", "samples", *splits], *rows, ["all", manifest["samples"], *splits.values()]]


def _regions(book: Ledger, manifest: Mapping[str, Any]) -> list[tuple[str, str, float, int]]:
    """Class, its colour, its share of all pixels in percent, and images that have it, the most frequent first."""
    found = manifest.get("regions", {})
    total = sum(n["pixels"] for n in found.values())
    _, regions = first_shown(book.fields, Regions)
    ids = [*range(len(regions.classes) + 1), IGNORE] if regions else []
    colours = templates.colours(overlay.legend(book.fields, dict.fromkeys(ids, 1)))
    rows = [(name, colours[name], 100 * n["pixels"] / total, n["images"]) for name, n in found.items()]
    return sorted(rows, key=lambda row: -row[2])


def _histograms(book: Ledger, tries: Tries) -> Iterator[Picture]:
    """A chart for each score, over all tries."""
    rules = [parse(text, None) for text in book.identity["keep"]]
    for name, values in tries.scores.items() if len(tries.accepted) else ():
        about = [rule for rule in rules if rule.score == name]
        chart = charts.scores(name, values, tries.accepted, about)
        yield _chart(chart, f"Histogram of {name} over kept and rejected tries")


def _tiles(groups: Groups) -> Iterator[tuple[str, list[Picture]]]:
    """The samples of a preview, small ones enlarged with hard edges, each as an image of its own."""
    from PIL import Image

    tiles = [tile for group in groups.values() for tile in group]
    width, height = sheet.cell_size(tiles) if tiles else (0, 0)
    for name, group in groups.items():
        pictures = []
        for tile in group:
            grey = tile.picture.shape[2] == 1
            picture = Image.fromarray(tile.picture[:, :, 0] if grey else tile.picture)
            fits = picture.width <= width and picture.height <= height
            if not fits:
                picture = picture.resize((width, height), Image.Resampling.LANCZOS)
            file = io.BytesIO()
            picture.save(file, "PNG", optimize=True)
            address = _address("image/png", file.getvalue())
            caption = "" if tile.caption == name else tile.caption
            alt = f"sample {tile.caption}" if tile.caption else name
            note = tile.note.replace("\n", "; ")
            pictures.append(
                Picture(address, alt, width, fits and not tile.exact, caption, note, tile.n_panels > 1 or tile.exact)
            )
        yield name, pictures


def _panels(about: Compared, numbers: Sequence[int]) -> Iterator[tuple[str, str, list[Picture]]]:
    """Class, how many series of it are compared, and its charts of these channels."""
    for group in about.groups:
        n = f"{len(group.generated):,} generated"
        n += f", {len(group.real):,} real" if group.real is not None else ""
        pictures = []
        for channel in numbers:
            name = about.channels[channel].name
            for draw in charts.PANELS:
                chart = _chart(
                    draw(group, channel, about), f"{draw.__name__.replace('_', ' ')} of {name}, {group.name}"
                )
                is_first = group is about.groups[0] and draw is charts.PANELS[0]
                pictures.append(replace(chart, anchor=f"channel-{channel}") if is_first else chart)
        yield group.name or "all series", n, pictures


def _chart(svg: str, alt: str) -> Picture:
    return Picture(_address("image/svg+xml", svg.encode()), alt.removesuffix(", "))


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
