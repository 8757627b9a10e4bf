"""Pictures with captions: text files beside them, a table of Hugging Face's imagefolder, or a folder a class."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from synthgen.errors import DataError
from synthgen.realdata import listing
from synthgen.realdata.pictures import decode, resize

TABLES = ("metadata.jsonl", "metadata.csv")
LABEL = "{label}"
ACCEPTED = (
    "a .txt file beside each picture, metadata.jsonl or metadata.csv with `file_name` and `text`, one folder a class "
    "with `caption: a photo of a {label}`, or one `caption` for all pictures"
)


class CaptionData(BaseModel):
    """Where pictures with captions come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str = Field(description=f"A folder of pictures (or with train/ in it), with {ACCEPTED}.")
    caption: str | None = Field(
        default=None,
        min_length=1,
        description="The caption of every picture, where the folder has none; {label} stands for its subfolder's name.",
    )
    column: str = Field(default="text", description="The table's column that holds the captions.")
    licence: str = Field(default="unknown", description="Licence of the pictures, for the model card.")
    source: str = Field(default="", description="Where the pictures come from, for the model card.")


@dataclass(frozen=True, slots=True)
class CaptionedImages:
    """Square RGB pictures uint8 (N, S, S, 3) with their captions and files.

    `cuts` int64 (N, 4) says of each how it was cut: height and width of the original in pixels, and
    the top left corner of the square in pixels of the original scaled to S.
    """

    images: np.ndarray
    captions: tuple[str, ...]
    files: tuple[str, ...]
    cuts: np.ndarray

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def sha256(self) -> str:
        """Of pixels and captions, in order."""
        digest = hashlib.sha256(json.dumps(self.captions).encode())
        digest.update(self.images.tobytes())
        return digest.hexdigest()


def read(data: CaptionData, resolution: int) -> CaptionedImages:
    """Reads every picture, cut to its central square and scaled to `resolution`. Names every problem, up to twenty.

    Raises:
        DataError: there are no pictures, some have no caption, or cannot be read.
    """
    root = Path(data.path)
    if not root.is_dir():
        raise DataError(f"{data.path}: no such folder; pictures with captions are needed: {ACCEPTED}")
    place = root / "train" if (root / "train").is_dir() else root
    pairs, problems = _captions(data, place)
    images, cuts = [], []
    for path, _ in pairs:
        try:
            picture = decode(path, str(path), 3)
        except DataError as error:
            problems.append(str(error))
            continue
        images.append(resize(picture, resolution))
        cuts.append(_cut(picture.shape[0], picture.shape[1], resolution))
    if problems:
        raise DataError("\n".join(problems[:20]) + (f"\nand {len(problems) - 20} more" if problems[20:] else ""))
    if not pairs:
        raise DataError(f"{place}: has no pictures ({listing.ENDINGS}); accepted are {ACCEPTED}")
    files = tuple(path.relative_to(root).as_posix() for path, _ in pairs)
    return CaptionedImages(np.stack(images), tuple(text for _, text in pairs), files, np.array(cuts, dtype=np.int64))


def _cut(height: int, width: int, side: int) -> tuple[int, int, int, int]:
    short = min(height, width)
    top, left = (round((n - short) // 2 * side / short) for n in (height, width))
    return height, width, top, left


def _captions(data: CaptionData, place: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    """Pictures with their captions, sorted by name, and what is wrong with others."""
    table = next((place / name for name in TABLES if (place / name).is_file()), None)
    here = listing.pictures(place, nested=False)
    own = [path for path in here if path.with_suffix(".txt").is_file()]
    if data.caption is not None and (table or own):
        raise DataError(
            f"{table or own[0].with_suffix('.txt')}: the pictures have captions of their own; leave `caption` out, or "
            "move that file away"
        )
    if table is not None:
        return _from_table(data, table)
    if data.caption is not None and not here:
        if LABEL not in data.caption:
            raise DataError(
                f"{place}: has one folder a class; `caption` must say {LABEL}, such as a photo of a {LABEL}"
            )
        groups = {folder: listing.pictures(folder) for folder in listing.folders(place)}
        pairs = [
            (path, data.caption.replace(LABEL, folder.name.replace("_", " ")))
            for folder, paths in groups.items()
            for path in paths
        ]
        return pairs, [f"{folder}: has no pictures" for folder, paths in groups.items() if not paths]
    if data.caption is not None:
        if LABEL in data.caption:
            raise DataError(f"{here[0]}: lies in no folder of a class, so {LABEL} in `caption` means nothing for it")
        return [(path, data.caption) for path in here], []
    if not here and listing.folders(place):
        raise DataError(f"{place}: has folders and no captions; set `caption`, such as a photo of a {LABEL}")
    texts = {path: _text(path.with_suffix(".txt")) for path in here}
    problems = [f"{path}: has no caption; accepted are {ACCEPTED}" for path, text in texts.items() if not text]
    return [(path, text) for path, text in texts.items() if text], problems


def _text(path: Path) -> str:
    """The file's text on one line, empty if there is none. Raises DataError if it is no UTF-8."""
    try:
        return " ".join(path.read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8: {error}") from None


def _from_table(data: CaptionData, table: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    pairs: list[tuple[Path, str]] = []
    problems: list[str] = []
    for number, row in enumerate(_rows(table), 1):
        name, text = row.get("file_name"), row.get(data.column)
        if not name or not text or not str(text).strip():
            missing = "file_name" if not name else data.column
            has = ", ".join(row) or "nothing"
            problems.append(
                f"{table}: row {number} needs `file_name` and `{data.column}`, has no {missing} (but {has})"
            )
        elif not (table.parent / str(name)).is_file():
            problems.append(f"{table}: row {number} names {name}, which is not there")
        else:
            pairs.append((table.parent / str(name), " ".join(str(text).split())))
    return sorted(pairs), problems


def _rows(table: Path) -> Sequence[Mapping[str, object]]:
    try:
        text = table.read_text(encoding="utf-8")
        if table.suffix == ".csv":
            return list(csv.DictReader(text.splitlines()))
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read as a table: {error}") from None
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{table}: must hold one JSON object a line")
    return rows
