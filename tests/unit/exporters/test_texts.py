"""Exports of texts, read back by parsers that know nothing of synthgen."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import helpers
from synthgen.exporters import pairs
from synthgen.language.bio import bio
from synthgen.language.tokens import tokens
from text_samples import MORE, SLOTS, sample

PLUGIN = str(helpers.ROOT / "tests" / "text_plugin.py")
N = 14
ALL = ("utterance", "text", "slots", "pair", "chat", "answers", *MORE)
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def made(folder: Path, *fields: str) -> Path:
    """A dataset of N samples with these fields in two splits."""
    recipe = helpers.toy(
        samples=N,
        condition={"use": "classes", "quotas": {"one": 1}},
        sampler={"use": "phrases", "fields": list(fields)},
        labelers=[],
        scorers=[],
        keep=[],
        output={"writers": ["jsonl"]},
    )
    return helpers.run(helpers.write(folder, recipe), folder / "out", plugin_files=[PLUGIN]).out


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("texts"), *ALL)


@pytest.fixture
def export(cli: Any, dataset: Path, tmp_path: Path) -> Any:
    def call(to: str, *words: str, of: Path = dataset) -> tuple[Path, Any]:
        out = tmp_path / "out"
        answer = cli("export", of, "--to", to, "-o", out, *words)
        return out, answer

    return call


def samples(out: Path, split: str) -> list[int]:
    """Numbers of the samples of a split, in order, from the JSON lines of the dataset itself."""
    files = sorted((out / "jsonl" / split).rglob("*.jsonl")) or sorted((out / "data" / split).rglob("*.jsonl"))
    return [int(json.loads(line)["key"][1:]) for file in files for line in file.read_text("utf-8").splitlines()]


def articles(path: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Title, context and question of every question."""
    found = json.loads(path.read_text("utf-8"))
    return [
        (article["title"], paragraph["context"], question)
        for article in found["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_squad_holds_every_answer_where_it_stands(export: Any, dataset: Path, version: str) -> None:
    out, answer = export("squad", "--option", f"version={version}")
    assert answer.code == 0, answer.err
    seen = []
    for split in ("train", "val"):
        assert json.loads((out / f"{split}.json").read_text("utf-8"))["version"] == version
        for title, context, question in articles(out / f"{split}.json"):
            i = int(question["id"][1:])
            seen.append(i)
            assert (title, context, question["question"]) == (MORE["title"](i), sample(i)["text"], MORE["question"](i))
            for one in question["answers"]:
                assert context[one["answer_start"] :].startswith(one["text"])
            assert [one["text"] for one in question["answers"]] == sample(i)["answers"]["text"]
            assert question.get("is_impossible", False) == (not question["answers"])
    answered = [i for i in range(N) if sample(i)["answers"]["text"]]
    assert sorted(seen) == (answered if version == "1.1" else list(range(N)))
    assert ("left out, having no answer" in answer.out) == (version == "1.1")


def test_questions_of_one_context_share_a_paragraph(tmp_path: Path) -> None:
    from synthgen.exporters.squad import _Articles

    with (tmp_path / "a.json").open("w") as file, _Articles(file, "1.1") as book:
        for title, context, key in (("A", "x", "1"), ("A", "x", "2"), ("A", "y", "3"), ("B", "y", "4")):
            book.add(title, context, {"id": key})
    found = json.loads((tmp_path / "a.json").read_text())["data"]
    paragraphs = [[[q["id"] for q in p["qas"]] for p in article["paragraphs"]] for article in found]
    assert paragraphs == [[["1", "2"], ["3"]], [["4"]]]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("split", ["train", "val"])
def test_dialogues_in_the_layouts_of_trainers(export: Any, dataset: Path, split: str) -> None:
    numbers = samples(dataset, split)
    out, _ = export("chat")
    assert lines(out / f"{split}.jsonl") == [{"messages": sample(i)["chat"]} for i in numbers]


def test_sharegpt_calls_roles_by_other_names(export: Any, dataset: Path) -> None:
    out, _ = export("chat", "--option", "layout=conversations")
    first = next(i for i in samples(dataset, "train") if i % 2 == 0)
    said = [("system", "Be kind."), ("human", sample(first)["utterance"])]
    expected = {"conversations": [{"from": who, "value": what} for who, what in said]}
    assert lines(out / "train.jsonl")[samples(dataset, "train").index(first)] == expected
    assert "gpt" in (out / "train.jsonl").read_text()


def test_a_completion_is_the_last_message_of_the_assistant(export: Any, dataset: Path) -> None:
    out, answer = export("chat", "--option", "layout=prompt-completion")
    assert answer.code == 0 and "left out, having no message before one of the assistant" in answer.out
    answered = [sample(i)["chat"] for i in samples(dataset, "train") if i % 2]
    assert lines(out / "train.jsonl") == [{"prompt": chat[:2], "completion": [chat[2]]} for chat in answered]


def test_hf_datasets_reads_dialogues_and_trl_s_layouts_from_texts(export: Any, dataset: Path, tmp_path: Path) -> None:
    import datasets

    out, answer = export("chat", "--field", "completion=completion", "--option", "layout=prompt-completion")
    assert answer.code == 0, answer.err
    files = {split: str(out / f"{split}.jsonl") for split in ("train", "val")}
    read = datasets.load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert read["val"]["completion"][:] == [MORE["completion"](i) for i in samples(dataset, "val")]
    assert read["val"]["prompt"][:] == [MORE["prompt"](i) for i in samples(dataset, "val")]


def test_two_texts_are_two_messages(cli: Any, tmp_path: Path) -> None:
    folder = made(tmp_path, "prompt", "completion")
    assert cli("export", folder, "--to", "chat", "-o", tmp_path / "chat").code == 0
    first = samples(folder, "train")[0]
    said = [("user", MORE["prompt"](first)), ("assistant", MORE["completion"](first))]
    messages = [{"role": role, "content": content} for role, content in said]
    assert lines(tmp_path / "chat" / "train.jsonl")[0] == {"messages": messages}


def test_preferences_need_their_three_fields(export: Any, cli: Any, tmp_path: Path) -> None:
    out, answer = export("chat", "--option", "layout=preference")
    assert answer.code == 0, answer.err
    assert set(lines(out / "train.jsonl")[0]) == {"prompt", "chosen", "rejected"}
    folder = made(tmp_path, "prompt", "completion")
    answer = cli("export", folder, "--to", "chat", "-o", tmp_path / "x", "--option", "layout=preference")
    assert answer.code == 2 and "prompt, chosen, rejected" in answer.err


def test_tmx_holds_every_character(export: Any, dataset: Path) -> None:
    out, answer = export("tmx", "--option", "source=en")
    assert answer.code == 0, answer.err
    for split in ("train", "val"):
        root = ET.parse(out / f"{split}.tmx").getroot()
        assert root.tag == "tmx" and root.attrib == {"version": "1.4"}
        assert root.find("header").attrib["srclang"] == "en"
        units = root.findall("body/tu")
        held = [i for i in samples(dataset, split) if "\x07" not in "".join(sample(i)["pair"].values())]
        assert [int(unit.attrib["tuid"][1:]) for unit in units] == held
        for unit in units:
            found = {variant.attrib[LANGUAGE]: variant.findtext("seg") for variant in unit.findall("tuv")}
            assert found == sample(int(unit.attrib["tuid"][1:]))["pair"]


def test_what_xml_cannot_hold_is_left_out_and_named(export: Any) -> None:
    _, answer = export("tmx")
    odd = [f"s{i:09d}" for i in range(N) if "\x07" in "".join(sample(i)["pair"].values())]
    note = next(line for line in answer.out.splitlines() if "which XML cannot hold: " in line)
    assert sorted(note.rpartition(": ")[2].split(", ")) == odd


def test_a_language_that_is_not_there_is_refused(export: Any) -> None:
    _, answer = export("tmx", "--option", "source=de")
    assert answer.code == 2 and "must be one of fr, en (got de)" in answer.err


def test_csv_and_pandas_read_the_pairs(export: Any, dataset: Path) -> None:
    out, _ = export("tsv")
    numbers = samples(dataset, "train")
    with (out / "train.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    assert rows == [sample(i)["pair"] for i in numbers]
    frame = pd.read_csv(out / "train.tsv", sep="\t", keep_default_na=False)
    assert frame["en"].tolist() == [sample(i)["pair"]["en"] for i in numbers]


def test_a_lone_carriage_return_is_in_quotes() -> None:
    texts = ["one\rtwo", 'a "b"\tc', "", "d"]
    assert list(csv.reader(io.StringIO(pairs._row(texts), newline=""), "excel-tab", strict=True)) == [texts]


def test_plain_pairs_have_a_line_each(export: Any, dataset: Path) -> None:
    out, answer = export("tsv", "--option", "plain=true")
    text = (out / "train.tsv").read_bytes().decode()
    assert len(text.splitlines()) == len(samples(dataset, "train"))
    assert {line.count("\t") for line in text.splitlines()} == {1}
    assert "line ends or tabs, which are spaces now" in answer.out


def test_conll_has_the_labels_of_its_spans(export: Any, dataset: Path) -> None:
    out, answer = export("conll")
    assert answer.code == 0, answer.err
    blocks = (out / "train.conll").read_bytes().decode().split("\n\n")[:-1]
    with_tokens = [i for i in samples(dataset, "train") if sample(i)["utterance"].strip()]
    assert len(blocks) == len(with_tokens)
    for i, block in zip(with_tokens, blocks, strict=True):
        rows = [line.split("\t") for line in block.split("\n")]
        said = sample(i)["utterance"]
        assert "".join(token for token, _ in rows) == "".join(said.replace("\x07", "").split())
        assert {label for _, label in rows} <= {"O", *(f"{b}-{name}" for b in "BI" for name in SLOTS)}
    assert "left out, because they cut a token, the spans: " in answer.out and "s000000003 ('ser')" in answer.out
    assert "left out, having no token" in answer.out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't pay 3.14, or 1,000!", ["Don't", "pay", "3.14", ",", "or", "1,000", "!"]),
        ("at 10:30 a.m.: go", ["at", "10:30", "a", ".", "m", ".", ":", "go"]),
        ("well-known (yes)", ["well", "-", "known", "(", "yes", ")"]),
        ("\u2018tis l\u2019été", ["\u2018", "tis", "l\u2019été"]),
        ("e\u0301te\u0301 नमस्ते दुनिया", ["e\u0301te\u0301", "नमस्ते", "दुनिया"]),
        ("请订一张桌子。", list("请订一张桌子。")),
        ("東京タワーへ行く", list("東京タワーへ行く")),
        ("서울에 가요", ["서울에", "가요"]),
        ("احجز طاولة، شكرا", ["احجز", "طاولة", "،", "شكرا"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("👩‍👩‍👧👍🏽 🇫🇷🇩🇪 1️⃣", ["👩‍👩‍👧", "👍🏽", "🇫🇷", "🇩🇪", "1️⃣"]),
        ("a\x07b\u200bc\u2028d", ["a", "b", "c", "d"]),
        (" \n", []),
    ],
)
def test_tokens_of_every_script(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in tokens(text)] == expected


def test_spans_that_cut_a_token_are_odd_and_white_space_is_not() -> None:
    text = "fly to New York now"
    places = list(tokens(text))
    spans = [
        {"start": 0, "end": 2, "label": 1},
        {"start": 6, "end": 16, "label": 0},
        {"start": 16, "end": 19, "label": 1},
    ]
    labels, odd = bio(places, spans, ("city", "time"))
    assert labels == ["O", "O", "B-city", "I-city", "B-time"]
    assert odd == [spans[0]]


@pytest.mark.parametrize("to", ["squad", "chat", "tmx", "tsv", "conll"])
def test_datasets_of_other_things_are_refused_by_name(cli: Any, tmp_path: Path, to: str) -> None:
    folder = made(tmp_path, "utterance")
    answer = cli("export", folder, "--to", to, "-o", tmp_path / "x")
    assert answer.code == 2 and "it holds utterance" in answer.err


def test_a_question_must_be_chosen_among_several_texts(cli: Any, tmp_path: Path) -> None:
    folder = made(tmp_path, "text", "answers", "prompt", "note")
    answer = cli("export", folder, "--to", "squad", "-o", tmp_path / "x")
    assert answer.code == 2 and "choose with --field question=prompt or --field question=note" in answer.err
    answer = cli("export", folder, "--to", "squad", "-o", tmp_path / "x", "--field", "question=answers")
    assert answer.code == 2 and "`answers` cannot be question" in answer.err
    assert cli("export", folder, "--to", "squad", "-o", tmp_path / "x", "--field", "question=prompt").code == 0
