"""Tables and texts of people: any file is read, or refused with its place."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from PIL import Image

import fuzzing
from synthgen.conditions.prompt_file import PromptFile
from synthgen.readers.images import captioned, labelled
from synthgen.readers.images.captioned import CaptionData
from synthgen.readers.series import reader as series
from synthgen.readers.series import scaffold as scaffold_series
from synthgen.readers.series.reader import SeriesData

ROWS = [(i, f"s{i % 2}", round(1.5 * i - 3, 2), 5_800_000.5 + i) for i in range(8)]
CSV = "time,who,level,big\n" + "".join(",".join(map(str, row)) + "\n" for row in ROWS)
SERIES: list[tuple[str, bytes, dict[str, Any]]] = [
    ("csv", CSV.encode(), {"time": "time", "entity": "who"}),
    ("csv", CSV.encode(), {"channels": ["level"], "static": ["who"], "missing": [-3.0]}),
    ("tsv", CSV.replace(",", "\t").encode(), {"time": "time", "step": 2, "entity": "who"}),
    ("csv", CSV.replace(",", ";").replace(".", ",").encode(), {"decimal": ",", "time": "time", "entity": "who"}),
    (
        "csv",
        b"day,v\n" + b"".join(b"%02d/02/2024,$%d.5\n" % (i, i) for i in range(1, 9)),
        {"time": "day", "date_format": "%d/%m/%Y", "symbols": ["$"]},
    ),
    (
        "csv",
        b"t,name,value\n" + b"".join(b"%d,%s,%d\n" % (i // 2, b"ab"[i % 2 :][:1], i) for i in range(12)),
        {"time": "t", "variable": "name", "value": "value"},
    ),
    ("csv", b"id,a,b,c\nx,1,2,3\ny,4,5,6\n", {"form": "wide", "entity": "id"}),
    ("csv", b"when,v\n2024-01-01T00:00Z,1\n2024-01-02T00:00Z,2\n2024-01-03T00:00Z,4\n", {"time": "when"}),
]


def parquet_of(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def picture() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def read_series(path: Path, settings: dict[str, Any]) -> None:
    series.read(SeriesData.model_validate({"path": str(path), "length": 2, **settings}))


def read_prompts(path: Path, settings: dict[str, Any]) -> None:
    made = PromptFile(PromptFile.Config.model_validate({"path": str(path), **settings}))
    for row in range(made.samples):
        for name, value in made.condition(row)[0].items():
            made.fields[name].check(name, value)


def read_captions(path: Path, settings: dict[str, Any]) -> None:
    captioned.read(CaptionData(path=str(path.parent), **settings), 4)


def read_labels(path: Path, settings: dict[str, Any]) -> None:
    labelled.read(str(path), **settings)


def examine(path: Path, settings: dict[str, Any]) -> None:
    scaffold_series.look(str(path))


READERS = {
    "series": read_series,
    "prompts": read_prompts,
    "captions": read_captions,
    "labels": read_labels,
    "init": examine,
}
CAPTIONS = (
    b'file_name,text\na.png,"a cat,\nasleep"\na.png,a dog\n',
    '{"file_name": "a.png", "text": "a\u2028cat"}\n{"file_name": "a.png", "text": "b"}\n'.encode(),
)
PROMPTS = b'prompt,label,seen\n"a cat, asleep",cat,x\na dog,dog,\n'
FILES: list[tuple[str, str, bytes, dict[str, Any]]] = [
    *(("series", f"x.{suffix}", content, settings) for suffix, content, settings in SERIES),
    ("series", "x.parquet", parquet_of(t=[0, 1, 2, 3], v=[1.0, None, 3.0, 4.0]), {"time": "t"}),
    ("init", "x.csv", SERIES[0][1], {}),
    ("init", "x.csv", SERIES[4][1], {}),
    ("prompts", "x.csv", PROMPTS, {"label": "label"}),
    ("prompts", "x.jsonl", b'{"prompt": "a", "label": 1}\n{"prompt": "b", "label": 2}\n', {"label": "label"}),
    ("prompts", "x.txt", "a cat\n a\u2028dog\r\n".encode(), {}),
    ("prompts", "x.parquet", parquet_of(prompt=["a", "b"], label=[1, None], n=[1.5, None]), {}),
    ("captions", "metadata.csv", CAPTIONS[0], {}),
    ("captions", "metadata.jsonl", CAPTIONS[1], {}),
    ("labels", "x.parquet", parquet_of(image=[picture()] * 2, label=[0, 1]), {"classes": ["a", "b"]}),
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with an image, which captions name."""
    (tmp_path / "a.png").write_bytes(picture())
    yield tmp_path


@pytest.mark.slow
def test_damaged_tables_are_read_or_refused(folder: Path) -> None:
    places = {}
    for i, (_, name, _, _) in enumerate(FILES):
        places[i] = folder / str(i) / name
        places[i].parent.mkdir()
        (places[i].parent / "a.png").write_bytes(picture())

    @st.composite
    def inputs(draw: st.DrawFn) -> tuple[int, bytes]:
        i = draw(st.integers(0, len(FILES) - 1))
        return i, draw(fuzzing.damaged(st.just(FILES[i][2]), most=3))

    def attempt(example: tuple[int, bytes]) -> None:
        i, content = example
        reader, _, _, settings = FILES[i]
        places[i].write_bytes(content)
        READERS[reader](places[i], settings)

    fuzzing.check("tables", inputs(), attempt)
