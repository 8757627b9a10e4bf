"""`synthgen init` with tables as people have them: each ends in a recipe that trains, or in one clear sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import synthgen
from synthgen.cli import main

N = 120
TINY = (
    "train.steps=1", "train.batch_size=2", "train.checkpoint_every=1", "condition.quotas={series: 2}",
    "sampler.steps=1", "evaluate=null",
)  # fmt: skip


def level(i: int) -> float:
    return round(float(20 + 5 * np.sin(i / 7) + i % 3), 2)


def table(header: str, rows: Iterable[Iterable[Any]], mark: str = ",", end: str = "\n") -> str:
    return end.join([header.replace(",", mark), *(mark.join(map(str, row)) for row in rows)]) + end


def day(i: int) -> str:
    return str(np.datetime64("2024-01-01") + i)


def us_day(i: int) -> str:
    year, month, of_month = day(i).split("-")
    return f"{month}/{of_month}/{year}"


def comma(value: float) -> str:
    return str(value).replace(".", ",")


def daily(make: Callable[[int], Any] = level, when: Callable[[int], Any] = day, **more: str) -> str:
    return table("date,level", ([when(i), make(i)] for i in range(N)), **more)


TRAIN: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "comma": (daily(), {"time": "date"}),
    "semicolon": (daily(mark=";"), {"time": "date"}),
    "tab": (daily(mark="\t"), {"time": "date"}),
    "byte-order mark and CRLF": ("\ufeff" + daily(end="\r\n"), {"time": "date"}),
    "US dates": (daily(when=us_day), {"time": "date", "date_format": "%m/%d/%Y"}),
    "compact dates": (daily(when=lambda i: day(i).replace("-", "")), {"time": "date", "date_format": "%Y%m%d"}),
    "milliseconds since 1970": (
        daily(when=lambda i: 1_706_659_200_000 + 3_600_000 * i),
        {"time": "date", "date_format": "epoch_ms"},
    ),
    "am and pm": (
        daily(when=lambda i: f"{us_day(20 + i // 24)} {i % 12 or 12}:00 {'PM' if i % 24 >= 12 else 'AM'}"),
        {"time": "date", "date_format": "%m/%d/%Y %I:%M %p"},
    ),
    "decimal commas": (daily(lambda i: comma(level(i)), mark=";"), {"time": "date", "decimal": ","}),
    "thousands": (
        daily(lambda i: f'"{1000 + 100 * level(i):,.1f}"'),
        {"time": "date", "thousands": ","},
    ),
    "currency": (daily(lambda i: f"${level(i)}"), {"time": "date", "symbols": ["$"]}),
    "percent and blanks": (daily(lambda i: f" {level(i)} %"), {"time": "date", "symbols": ["%"]}),
    "duplicate times": (daily(when=lambda i: day(i - (i % 20 == 0))), {"time": "date", "step": "1d"}),
    "newest first": (daily(when=lambda i: day(N - i)), {"time": "date", "newest_first": True}),
    "large ids": (
        table("sensor_id,hour,level", ([100100037 + 2 * e, i, level(i + e)] for e in range(3) for i in range(60))),
        {"entity": "sensor_id", "time": "hour"},
    ),
    "melted": (
        table("hour,variable,value", ([i, name, level(i)] for i in range(60) for name in ("flow", "level"))),
        {"time": "hour", "variable": "variable", "value": "value"},
    ),
    "around 5.8 million": (
        table("hour,level", ([i, round(5_800_000 + level(i) / 100, 4)] for i in range(N))),
        {"time": "hour"},
    ),
}

REFUSE: dict[str, tuple[str | bytes, str]] = {
    "UTF-16": (daily().encode("utf-16"), "x.csv: is text in UTF-16, as spreadsheets save it; save it as UTF-8"),
    "Latin-1": (daily(lambda i: "5 °C").encode("latin-1"), "x.csv:2: the byte 0xb0 is no UTF-8"),
    "empty": ("", "x.csv: is empty; a header and rows are needed"),
    "a header alone": ("date,level\n", "x.csv: is empty; a header and rows are needed"),
    "no header": (table("1.5,2.5", ([level(i), level(i)] for i in range(9))), "the header holds numbers only"),
    "ambiguous dates": (
        daily(when=lambda i: f"{1 + i % 12:02d}/{1 + i // 12:02d}/2024"),
        "date: `01/01/2024` can be read in 2 ways; say which with --date-format %d/%m/%Y or --date-format %m/%d/%Y",
    ),
    "ambiguous commas": (
        daily(lambda i: f"{1 + i % 9},{100 + i}", mark=";"),
        "level: `1,100` can be read in two ways; say which with `--decimal ,` or `--decimal .`",
    ),
    "an unquoted comma": (
        daily(lambda i: comma(level(i)) if i % 40 == 5 else level(i)),
        "row 7: has 3 cells, and the header has 2",
    ),
}


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Calls `synthgen ...` in a folder of its own: the exit code, and what was printed there and as an error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["synthgen", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def write(content: str | bytes) -> None:
    Path("x.csv").write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("layout", TRAIN)
def test_a_recipe_that_plans_and_trains(call: Callable[..., Any], layout: str) -> None:
    content, settings = TRAIN[layout]
    write(content)
    code, out, err = call("init", "x.csv")
    assert code == 0, err
    made = yaml.safe_load(Path("x.yaml").read_text(encoding="utf-8"))["data"]
    assert {name: made.get(name) for name in settings} == settings
    assert (
        made["channels"] == (["flow", "level"] if layout == "melted" else ["level"])
        and f"time: {settings['time']}" in out
    )
    code, out, err = call("plan", "x.yaml")
    assert code == 0 and f"time: {settings['time']}" in out and ("level" in out) == (layout != "melted"), err
    settings_given = [word for setting in TINY for word in ("--set", setting)]
    code, _, err = call("run", "x.yaml", "-o", "out", *settings_given)
    assert code == 0 and "columns: time: " in err, err
    samples = list(synthgen.load("out"))
    assert len(samples) == 2 and all(np.isfinite(sample["series"]).all() for sample in samples)
    assert samples[0]["series"].dtype == ("float64" if "million" in layout else "float32")


@pytest.mark.parametrize("layout", REFUSE)
def test_one_clear_sentence(call: Callable[..., Any], layout: str) -> None:
    content, sentence = REFUSE[layout]
    write(content)
    code, _, err = call("init", "x.csv")
    assert code == 1 and sentence in err, err
    assert len(err.strip().splitlines()) <= 21 and "Traceback" not in err
    assert not Path("x.yaml").exists()


def test_an_option_answers_the_question(call: Callable[..., Any]) -> None:
    write(REFUSE["ambiguous dates"][0])
    assert call("init", "x.csv", "--date-format", "%d/%m/%Y")[0] == 0
    assert 'date_format: "%d/%m/%Y"' in Path("x.yaml").read_text()
    write(REFUSE["ambiguous commas"][0])
    for mark, setting in ((",", 'decimal: ","'), (".", 'thousands: ","')):
        assert call("init", "x.csv", "--force", "--decimal", mark)[0] == 0
        assert setting in Path("x.yaml").read_text()
