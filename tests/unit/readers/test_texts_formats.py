"""Texts in layouts of their own: SQuAD, TMX, CoNLL, chat logs, slots, text files and folders of classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.readers.texts.reader import read
from synthgen.readers.texts.records import Act, Answer, Message, Span
from text_files import data, problems, read_file, write

CONTEXT = "Ein Gr\u00fc\u00df \U0001f600 an Anna und Anna."


def squad(*qas: dict[str, Any], context: Any = CONTEXT) -> str:
    return json.dumps({"version": "2.0", "data": [{"paragraphs": [{"context": context, "qas": list(qas)}]}]}, indent=1)


def qa(name: str, *answers: tuple[str, Any], **more: Any) -> dict[str, Any]:
    entries = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": name, "question": f"Question {name}?", "answers": entries, **more}


def test_squad_with_questions_that_cannot_be_answered(tmp_path: Path) -> None:
    start = CONTEXT.index("Anna")
    content = squad(
        qa("q1", ("Anna", start), ("Anna", start), ("an Anna", start - 3), is_impossible=False),
        qa("q2", is_impossible=True, plausible_answers=[{"text": "Anna", "answer_start": start}]),
    )
    found = read_file(tmp_path, "t.json", content)
    assert found.kind == "questions"
    assert found.texts["context"] == (CONTEXT, CONTEXT)
    assert found.answers == ((Answer("Anna", start), Answer("an Anna", start - 3)), ())
    assert found.lines.tolist() == [i for i, line in enumerate(content.split("\n"), 1) if '"id"' in line]
    assert "1 of 2 questions cannot be answered" in found.notes


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (len(CONTEXT[: CONTEXT.index("Anna")].encode()), "it does at byte 19: offsets must count characters"),
        (CONTEXT.index("Anna") + 1, "it does at UTF-16 unit 15"),
        (0, "'Anna' is said to begin at character 0, where 'Ein ' stands; it begins at 14 and at 1 more place"),
        (500, "where nothing stands"),
        (-1, "`answer_start` must be a whole number from 0 (got '-1')"),
        ("13", "`answer_start` must be a whole number from 0 (got '13')"),
    ],
)
def test_answers_that_stand_elsewhere(tmp_path: Path, start: Any, said: str) -> None:
    found = problems(tmp_path, "t.json", squad(qa("q1", ("Anna", start))))
    assert len(found) == 1 and found[0].startswith("t.json:10: answers: ") and said in found[0]


def test_what_is_wrong_with_squad_files(tmp_path: Path) -> None:
    wrong = squad(qa("a", is_impossible=False), qa("b", ("Anna", 13), is_impossible=True))
    assert problems(tmp_path, "a.json", wrong) == [
        "a.json: data[0].paragraphs[0].qas[0]: is_impossible is false, and it has no answers",
        "a.json: data[0].paragraphs[0].qas[1]: is_impossible is true, and it has answers",
    ]
    assert "data[0].paragraphs: must be a list (got nothing)" in problems(tmp_path, "b.json", '{"data": [{}]}')[0]
    assert "context: holds a number" in problems(tmp_path, "c.json", squad(qa("a", ("3", 0)), context=3))[0]


def test_questions_as_tables_have_them(tmp_path: Path) -> None:
    rows = [{"context": "ab c", "question": "q?", "answers": {"text": ["c"], "answer_start": [3]}, "id": "1"}]
    rows += [{"context": "ab c", "question": "r?", "answers": {"text": [], "answer_start": []}, "id": "2"}]
    lines = read_file(tmp_path, "t.jsonl", "\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    assert lines.answers == read(data(tmp_path / "t.parquet")).answers == ((Answer("c", 3),), ())
    plain = read_file(tmp_path, "t.csv", 'question,answer\nq?,[a] or b\nr?,"[""a"", ""b""]"\n')
    assert plain.answers == ((Answer("[a] or b"),), (Answer("a"), Answer("b")))
    assert plain.texts == {"question": ("q?", "r?")}


CHATS = [
    {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]},
    {"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "a"}]},
]


@pytest.mark.parametrize("row", CHATS)
def test_chat_logs(tmp_path: Path, row: dict[str, Any]) -> None:
    found = read_file(tmp_path, "t.jsonl", json.dumps(row))
    assert found.kind == "dialogues"
    assert found.dialogues == ((Message("system", "s"), Message("user", "a")),)


def test_prompts_with_completions(tmp_path: Path) -> None:
    found = read_file(tmp_path, "t.csv", "prompt,completion\na,b\n")
    assert found.dialogues == ((Message("user", "a"), Message("assistant", "b")),)


def test_acts_of_messages(tmp_path: Path) -> None:
    acts = [["INFORM", "date", ["the 8th", "the 9th"]], ["BYE", "", []], {"act": "ASK", "slot": "time"}, ["OK"]]
    turns = [{"role": "user", "content": "a", "acts": acts}, {"role": "gpt", "content": "", "acts": [["BYE"]]}]
    found = read_file(tmp_path, "t.jsonl", json.dumps({"id": "1", "turns": turns}))
    assert found.dialogues is not None
    first, second = found.dialogues[0]
    assert first.acts == (
        Act("INFORM", "date", "the 8th"), Act("INFORM", "date", "the 9th"), Act("BYE"), Act("ASK", "time"), Act("OK"),
    )  # fmt: skip
    assert second == Message("assistant", "", (Act("BYE"),))
    assert "1 message has no content, and acts alone" in found.notes


def test_what_is_wrong_with_messages(tmp_path: Path) -> None:
    messages = [
        {"role": "king", "content": "a"}, {"role": "user", "content": 3}, "x", {"role": "user", "content": " "},
        {"role": "user", "content": "a", "acts": [[1, 2]]},
    ]  # fmt: skip
    rows = [{"messages": messages}, {"messages": []}, {"messages": "hello"}]
    found = problems(tmp_path, "t.jsonl", "\n".join(map(json.dumps, rows)))
    assert [text.split(":", 3)[1] for text in found] == ["1"] * 5 + ["2", "3"]
    assert "message 1: its role is 'king'; accepted are system, user, assistant, tool, human" in found[0]
    assert "message 2: content: holds a number" in found[1]
    assert "message 3: holds a text; an object" in found[2]
    assert "message 4: content: is empty" in found[3]
    assert "message 5: acts: entry 1" in found[4]
    assert found[5].endswith("has no messages") and "and a list is needed" in found[6]


def test_slots_by_parts_and_by_places(tmp_path: Path) -> None:
    parts = [
        {"text": "\U0001f600 in "},
        {"text": "Bern", "entity": "city"},
        {"text": " "},
        {"text": "now", "slot": "t"},
    ]
    by_parts = read_file(tmp_path, "a.jsonl", json.dumps({"intent": "x", "parts": parts}))
    places = [{"start": 10, "end": 13, "label": "t"}, {"start": 5, "end": 9, "label": "city", "value": "Bern"}]
    rows = [{"text": "\U0001f600 in Bern now", "intent": "x", "slots": places}]
    by_places = read_file(tmp_path, "b.jsonl", json.dumps(rows[0]))
    assert by_parts.texts == by_places.texts
    assert by_parts.spans == by_places.spans == ((Span(5, 9, 0), Span(10, 13, 1)),)
    assert by_parts.slot_classes == ("city", "t")
    cell = json.dumps(places).replace('"', '""')
    table = read_file(tmp_path, "c.csv", f'text,slots\n\U0001f600 in Bern now,"{cell}"\nnothing,\n')
    assert table.spans == ((Span(5, 9, 0), Span(10, 13, 1)), ())


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ([{"start": 2, "end": 6, "label": "c", "value": "Bern"}], "slot 1: 'Bern' is said to begin at character 2"),
        ([{"start": 8, "end": 12, "label": "c", "value": "Bern"}], "it does at byte 8"),
        ([{"start": 5, "end": 8, "label": "c", "value": "Bern"}], "'Bern' is 4 characters, and `end` - `start` is 3"),
        ([{"start": 5, "end": 50, "label": "c"}], "slot 1: is at 5 to 50 of a text of 9 characters"),
        ([{"start": 5, "end": 5, "label": "c"}], "must not be empty"),
        ([{"start": 0, "end": 7, "label": "a"}, {"start": 5, "end": 9, "label": "b"}], "slots overlap: a at 0 to 7"),
        ([{"start": 5, "end": 9}], "slot 1: has no class; one of `label`"),
        ([{"start": 5, "label": "a"}], "`end` must be a whole number from 0"),
        ([3], "slot 1 must be an object"),
        ("x", "and a list is needed"),
    ],
)
def test_slots_that_cannot_be_right(tmp_path: Path, slots: Any, said: str) -> None:
    row = json.dumps({"text": "\U0001f600 in Bern", "slots": slots})
    found = problems(tmp_path, "t.jsonl", row)
    assert len(found) == 1 and found[0].startswith("t.jsonl:1: slots: ") and said in found[0]


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([(0, 7), (17, 25)], "2 of 2 places cut a word or a blank, and none does if they count bytes"),
        ([(0, 5), (16, 22)], "none does if the last character is included"),
        ([(0, 6), (16, 23)], ""),
        ([(1, 6), (16, 23)], ""),  # a part of a word may be meant
    ],
)
def test_places_that_count_something_else(tmp_path: Path, ends: list[tuple[int, int]], said: str) -> None:
    slots = [{"start": start, "end": end, "label": "x"} for start, end in ends]
    row = json.dumps({"text": "M\u00fcller wohnt in M\u00fcnchen heute", "slots": slots})
    if said:
        [found] = problems(tmp_path, "t.jsonl", row)
        assert found.startswith("t.jsonl: slots: ") and said in found
    else:
        assert read_file(tmp_path, "t.jsonl", row).spans is not None


CONLL = """-DOCSTART- -X- O

# intent: fly
to NNP O
New NNP B-city
York NNP I-city
Bern NNP B-city

# intent: stay
# O
I-95 I-road
North E-road
today S-day
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_conll(tmp_path: Path, end: str) -> None:
    found = read_file(tmp_path, "t.conll", CONLL.replace("\n", end))
    assert found.texts["text"] == ("to New York Bern", "# I-95 North today")
    assert found.classes == ("fly", "stay") and found.slot_classes == ("city", "day", "road")
    assert found.spans == (
        (Span(3, 11, 0), Span(12, 16, 0)),
        (Span(2, 12, 2), Span(13, 18, 1)),
    )
    assert found.lines.tolist() == [4, 10]
    assert any("continue no slot begin one (1)" in note for note in found.notes)


def test_hashtags_and_no_break_spaces_are_tokens(tmp_path: Path) -> None:
    text = "# sent_id = 1\n#NowPlaying O\nJustin B-person\n\n#Apple B-company\n10\u00a0000 B-sum\n\n#a O\n#b O\n"
    found = read_file(tmp_path, "t.conll", text)
    assert found.texts["text"] == ("#NowPlaying Justin", "#Apple 10\u00a0000", "#a #b")
    assert found.spans == ((Span(12, 18, 1),), (Span(0, 6, 0), Span(7, 13, 2)), ())


def test_what_is_wrong_with_conll(tmp_path: Path) -> None:
    found = problems(tmp_path, "t.conll", "a O\nb\nc NOUN\n\n")
    assert [text[:10] for text in found] == ["t.conll:2:", "t.conll:3:"]
    missing = problems(tmp_path, "u.conll", "# intent: x\na O\n\nb O\n")
    assert missing == ["u.conll:4: label: is missing, and a class is needed"]


TMX = """<?xml version="1.0" encoding="{encoding}"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="de-CH" datatype="plaintext"/><body>
<tu><tuv xml:lang="en-US"><seg>A <bpt i="1">&lt;b&gt;</bpt>big<ept i="1">&lt;/b&gt;</ept>
 <hi>house</hi> &amp; tree</seg></tuv><tuv xml:lang="de-CH"><seg>Ein grosses Haus</seg></tuv></tu>
<tu><tuv xml:lang="en-US"><seg>Alone</seg></tuv></tu>
<tu><tuv lang="de-CH"><seg>Gr\u00fcezi</seg></tuv><tuv lang="en-US"><seg>Hi</seg></tuv><tuv lang="en-US"><seg>Hey</seg>
</tuv></tu></body></tmx>
"""


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1"])
def test_tmx(tmp_path: Path, encoding: str) -> None:
    found = read_file(tmp_path, "t.tmx", TMX.format(encoding=encoding).encode(encoding))
    assert found.kind == "pairs" and found.languages == ("de-CH", "en-US")
    assert found.texts == {"source": ("Ein grosses Haus", "Gr\u00fcezi"), "target": ("A big house & tree", "Hi")}
    assert found.lines.tolist() == [4, 7]
    assert found.left_out == {"units without de-CH or en-US": 1}
    assert any("codes of a format in segments are left out (2)" in note for note in found.notes)
    turned = read_file(tmp_path, "t.tmx", TMX.format(encoding=encoding).encode(encoding), languages=["en", "de"])
    assert turned.texts["source"][1] == "Hi"


def test_tmx_without_entities_of_its_own(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE tmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><tmx><body><tu/></body></tmx>'
    assert "has declarations of its own" in problems(tmp_path, "a.tmx", bomb)[0]
    outside = '<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]><tmx>&a;</tmx>'
    assert "has declarations of its own" in problems(tmp_path, "b.tmx", outside)[0]
    undefined = '<!DOCTYPE tmx SYSTEM "x.dtd"><tmx><body><tu><tuv xml:lang="en"><seg>&a;b</seg></tuv></tu></body></tmx>'
    assert problems(tmp_path, "c.tmx", undefined)[0].startswith("c.tmx:1: the entity &a; is not one of XML's own")
    text = TMX.format(encoding="UTF-8")
    assert problems(tmp_path, "d.tmx", text.replace("</seg>", "", 1))[0].startswith("d.tmx:5: is no XML")
    assert (
        "has no segments in fr; `languages` must name two"
        in problems(tmp_path, "e.tmx", text, languages=["en", "fr"])[0]
    )
    assert "is no TMX: it begins with <html>" in problems(tmp_path, "f.tmx", "<html/>")[0]
    three = text.replace("</body>", '<tu><tuv xml:lang="fr"><seg>x</seg></tuv></tu></body>')
    assert (
        "set `languages: [source, target]` to two of its languages: de-CH, en-US, fr"
        in problems(tmp_path, "g.tmx", three)[0]
    )


def test_passages_of_text_files(tmp_path: Path) -> None:
    text = "\n\nOne\ntwo \n \nThree\u2028four\n"
    paragraphs = read_file(tmp_path, "a/t.txt", text)
    assert paragraphs.kind == "passages"
    assert paragraphs.texts["text"] == ("One\ntwo", "Three\u2028four") and paragraphs.lines.tolist() == [3, 6]
    lines = read(data(tmp_path / "a", unit="line", kind="utterances"))
    assert lines.kind == "utterances" and lines.texts["text"] == ("One", "two ", "Three\u2028four")
    assert read(data(tmp_path / "a", unit="file")).texts["text"] == ("One\ntwo \n \nThree\u2028four",)


def test_lines_without_a_blank_one_between(tmp_path: Path) -> None:
    found = read_file(tmp_path, "t.txt", "A sentence.\n" * 30)
    assert len(found) == 1 and any("one text of 30 lines, because none is blank" in note for note in found.notes)


def test_no_break_spaces_of_segments_stay(tmp_path: Path) -> None:
    text = TMX.format(encoding="UTF-8").replace("Ein grosses", "Ein\u00a0 \n\tgrosses")
    assert read_file(tmp_path, "t.tmx", text).texts["source"][0] == "Ein\u00a0 grosses Haus"


@pytest.mark.parametrize("cell", ["{'text': ['Denver'], 'answer_start': [12]}", "['Bob', 'Bob2']", "array(['a'])"])
def test_answers_as_python_shows_them(tmp_path: Path, cell: str) -> None:
    rows = f'context,question,answers\nIt is in Denver,Where?,"{cell}"\n'
    [found] = problems(tmp_path, "t.csv", rows)
    assert found.startswith("t.csv:2: answers: ") and "how Python shows a list or dict, which pandas writes" in found


def test_folders_of_classes(tmp_path: Path) -> None:
    for name, text in {"train/good/1": "a\n\nb", "train/bad/1": "c", "test/good/2": "d"}.items():
        write(tmp_path, f"{name}.txt", text)
    found = read(data(tmp_path, validation=None))
    assert found.kind == "utterances" and found.classes == ("bad", "good")
    assert found.take("test").texts["text"] == ("d",)
    assert set(found.texts["text"]) == {"a\n\nb", "c", "d"}
    write(tmp_path, "train/loose.txt", "x")
    with pytest.raises(Exception, match=r"loose\.txt is in no folder of a class"):
        read(data(tmp_path))


def test_pairs_as_dataset_hubs_have_them(tmp_path: Path) -> None:
    rows = [{"id": "1", "translation": {"en": "a", "de": "b"}}]
    found = read_file(tmp_path, "t.jsonl", json.dumps(rows[0]), languages=["de", "en"])
    assert found.texts == {"source": ("b",), "target": ("a",)}
    assert "or `languages`" in problems(tmp_path, "u.jsonl", json.dumps(rows[0]))[1]


def test_problems_of_several_files_are_counted_together(tmp_path: Path) -> None:
    write(tmp_path, "d/a.csv", "text,label\n" + "a\n" * 30)
    write(tmp_path, "d/b.csv", "text,label\n" + "b\n" * 30)
    with pytest.raises(Exception, match="and 40 more") as error:
        read(data(tmp_path / "d"))
    lines = str(error.value).splitlines()
    assert len(lines) == 21 and "a.csv:2:" in lines[0] and any("b.csv:2:" in line for line in lines)
