"""Texts as people look at them: what is marked, what is cut, and pages on which no text does harm."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import helpers
from synthgen.fields import Acts, Answers, Chat, Field, Image, Label, Series, Spans, Text, Translation
from synthgen.report import templates, texts
from synthgen.report.texts import ELLIPSIS, Entry, Passage, Run, cut, parts_of
from text_samples import FIELDS, SCRIPTS, sample

PLUGIN = str(helpers.ROOT / "tests" / "text_plugin.py")


def joined(runs: tuple[Run, ...]) -> str:
    return "".join(run.text for run in runs)


def test_texts_are_shown_where_nothing_else_is() -> None:
    assert texts.is_shown_as_texts({"text": Text(), "label": Label(("a",))})
    assert texts.is_shown_as_texts({"pair": Translation(("en", "de"))})
    assert not texts.is_shown_as_texts({"image": Image(2, 2, 1), "prompt": Text()})
    assert not texts.is_shown_as_texts({"series": Series(2, ("x",), ("1",)), "entity": Text()})
    assert not texts.is_shown_as_texts({"label": Label(("a",))})


def test_marked_parts_stand_between_the_others() -> None:
    schema: dict[str, Field] = {"text": Text(), "slots": Spans("text", ("city", "time")), "answers": Answers("text")}
    values = {
        "text": "From Lyon at 10",
        "slots": [{"start": 5, "end": 9, "label": 0}, {"start": 13, "end": 15, "label": 1}],
        "answers": {"text": ["Lyon at"], "answer_start": [5]},
    }
    (part,) = parts_of(values, schema)
    runs = [("From ", ""), ("Lyon", "city, answer"), (" at", "answer"), (" ", ""), ("10", "time")]
    assert part.passages == (Passage("", tuple(Run(*run) for run in runs)),)
    assert list(texts.terminal_lines([part], 99)) == ["text", "  From [Lyon: city, answer][ at: answer] [10: time]"]
    assert [name for name, _ in texts.legend(schema)] == ["city", "time", "answer"]


def test_answers_that_overlap_are_marked_once() -> None:
    kind = Answers("text")
    assert kind.show({"text": ["in Lyon", "Lyon", "10"], "answer_start": [5, 8, 16]}) == [(5, 12, 0), (16, 18, 0)]


@pytest.mark.parametrize("text", ["word " * 300, "语" * 1000, "👩‍👩‍👧" * 200, "é" * 900, "e\u0301" * 500])
def test_long_texts_end_in_an_ellipsis_at_a_whole_character(text: str) -> None:
    runs = cut(text, [], 700)
    assert runs[-1].text == ELLIPSIS and len(joined(runs)) <= 701
    rest = text[len(joined(runs[:-1])) :]
    assert not rest.startswith(("\u0301", "\u200d")) and not joined(runs[:-1]).endswith("\u200d")
    assert cut(text[:700], [], 700) == (Run(text[:700]),)


def test_of_a_long_context_the_part_with_the_answer_is_shown() -> None:
    text = "word " * 400 + "Lyon" + " word" * 400
    runs = cut(text, [(2000, 2004, "answer")], 700)
    assert (runs[0].text, runs[-1].text) == (ELLIPSIS, ELLIPSIS)
    assert Run("Lyon", "answer") in runs and len(joined(runs)) <= 702


def test_what_acts_say_stands_under_their_messages() -> None:
    schema: dict[str, Field] = {"chat": Chat(), "acts": Acts("chat", ("inform", "request"), ("city",))}
    values = {
        "chat": [{"role": "user", "content": "To Lyon"}, {"role": "assistant", "content": "When?"}],
        "acts": [[{"act": "inform", "slot": "city", "value": "Lyon"}], [{"act": "request", "slot": "", "value": ""}]],
    }
    (part,) = parts_of(values, schema)
    assert [passage.remarks for passage in part.passages] == [("inform(city = Lyon)",), ("request",)]
    many = {"chat": [{"role": "user", "content": "a"}] * 20}
    assert parts_of(many, schema)[0].n_more == 4


def test_terminals_get_no_control_characters() -> None:
    for i in range(len(SCRIPTS)):
        lines = list(texts.terminal_lines(parts_of(sample(i), FIELDS), 40))
        assert not {unicodedata.category(c) for line in lines for c in line} & {"Cc", "Zl", "Zp"}
        assert max(map(len, lines)) < 200


class Reader(HTMLParser):
    """What a browser would see: texts of paragraphs, of marks, directions and tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.paragraphs: list[str] = []
        self.marks: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)
        if tag == "p":
            self.paragraphs.append("")
        if tag == "mark":
            self.marks.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "tags are nested rightly"

    def handle_data(self, data: str) -> None:
        if "p" in self.open and "small" not in self.open:
            self.paragraphs[-1] += data
        if "mark" in self.open and "small" not in self.open:
            self.marks[-1] += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_a_page_holds_every_text_as_it_is() -> None:
    entries = [Entry(parts_of(sample(i), FIELDS), f"s{i}", "score 1\nrejected: not >= 2", i == 0) for i in range(7)]
    page = read(templates.text_page({"<class>": entries}, "a & b", "", texts.legend(FIELDS)))
    for i in range(7):
        assert texts.visible(sample(i)["pair"]["en"]) in page.paragraphs
        assert texts.visible(sample(i)["text"]) in page.paragraphs
    assert "b" not in [tag for tag, _ in page.attributes], "markup in a text is text"
    directions = [attributes.get("dir") for tag, attributes in page.attributes if tag == "p"][1:]
    assert set(directions) == {"auto"}
    assert [a["class"] for tag, a in page.attributes if tag == "article"] == ["sample rejected"] + ["sample"] * 6
    assert {a["lang"] for tag, a in page.attributes if tag == "div" and "lang" in a} == {"fr", "en"}
    said = [sample(i)["utterance"][0:2] for i in range(7) if sample(i)["slots"]]
    assert [mark for mark in page.marks if mark in said]


def phrases(folder: Path) -> Path:
    changes: dict[str, Any] = {"condition": {"use": "classes", "quotas": {"one": 1}}, "sampler": {"use": "phrases"}}
    recipe = helpers.toy(**changes, samples=20, labelers=[], scorers=[], keep=[], output={"writers": ["jsonl"]})
    return helpers.write(folder, recipe)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phrases")
    return helpers.run(phrases(folder), folder / "out", plugin_files=[PLUGIN]).out


def test_the_preview_of_a_dataset_prints_some_and_writes_a_page(cli: Any, dataset: Path, tmp_path: Path) -> None:
    answer = cli("preview", dataset, "-o", tmp_path / "p.html", "--samples", 8)
    assert answer.code == 0, answer.err
    assert "book; s0000" in answer.out and "system: Be kind." in answer.out
    page = read((tmp_path / "p.html").read_text("utf-8"))
    assert sum(tag == "article" for tag, _ in page.attributes) == 8


def test_the_preview_of_a_recipe_shows_first_tries(cli: Any, tmp_path: Path) -> None:
    out = tmp_path / "p.html"
    answer = cli("preview", phrases(tmp_path), "--plugin", PLUGIN, "-o", out, "--samples", 3, "--device", "cpu")
    assert answer.code == 0, answer.err
    assert sum(tag == "article" for tag, _ in read(out.read_text("utf-8")).attributes) == 3
    assert f"page    {out}" in answer.out and "a sample" in answer.out


def test_an_image_is_not_what_a_preview_of_texts_writes(cli: Any, dataset: Path, tmp_path: Path) -> None:
    answer = cli("preview", dataset, "-o", tmp_path / "p.png")
    assert answer.code == 2 and "texts are shown on an HTML page" in answer.err
    assert not (tmp_path / "p.png").exists()


def test_the_report_shows_texts_by_class(cli: Any, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert cli("report", dataset, "-o", out).code == 0
    page = read(out.read_text("utf-8"))
    assert sum(tag == "article" for tag, _ in page.attributes) == 20
    assert texts.visible(SCRIPTS[1]) in page.paragraphs
    again = tmp_path / "again.html"
    assert cli("report", dataset, "-o", again).code == 0 and again.read_bytes() == out.read_bytes()
