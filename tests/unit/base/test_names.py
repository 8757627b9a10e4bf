"""Names in file systems, on terminals, in XML and in Markdown."""

from __future__ import annotations

import os
import urllib.parse
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.base import names

AWKWARD = [
    "C++", "C--", "C##", "..", ".", "", " ", "a/b", "a\\b", "a\0b", "con", "NUL.txt", "Cat", "cat", "cat (2)",
    "a. ", "é", "e\u0301", "x" * 300, "猫" * 100, "__x", "a%2Fb", "\ud800", "a\nb", "\x1b[31mred", "\u202eabc",
]  # fmt: skip


def test_file_names_are_distinct_where_case_does_not_count_and_can_be_made(tmp_path: Path) -> None:
    made = names.file_names(AWKWARD)
    assert made[:3] == ["C++", "C--", "C##"]
    assert made[7] == "a%2Fb"
    assert len({name.casefold() for name in made}) == len(AWKWARD)
    for name in made:
        (tmp_path / name).mkdir()
        assert (tmp_path / name).resolve().parent == tmp_path
        assert name[-1] not in ". "
        assert name[0] not in ". "
        assert not set(name) & set('<>:"/\\|?*\n\x1b')
    assert len(os.listdir(tmp_path)) == len(AWKWARD)


@pytest.mark.parametrize(
    "name", ["..", "a/b", "C:\\x", "aux", "100 %", "a\tb", ".hidden", "été", "猫", "plain name-1_2"]
)
def test_names_that_were_escaped_come_back(name: str) -> None:
    assert urllib.parse.unquote(names.file_names([name])[0]) == name


@given(st.lists(st.text(max_size=40), unique=True, max_size=8))
def test_any_names_make_as_many_file_names(texts: list[str]) -> None:
    made = names.file_names(texts)
    assert len({name.casefold() for name in made}) == len(texts)
    assert all(0 < len(name.encode()) <= 160 and "/" not in name and "\0" not in name for name in made)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("été", "ete"),
        ("Übergröße", "ubergrosse"),
        ("My Photos (2)", "my-photos-2"),
        ("猫", "u732b"),
        ("猫 photos", "u732b-photos"),
        ("犬 photos", "u72ac-photos"),
        ("..", "dataset"),
        ("---", "dataset"),
        ("x" * 300, "x" * 51 + "-0d4e2ca9"),
    ],
)
def test_slugs(text: str, slug: str) -> None:
    assert names.slug(text, "dataset") == slug


def test_markdown_shows_a_name_as_it_is() -> None:
    shown = names.markdown("a|b <img src=x onerror=y>\n# `c` *d* [e](f) _g_ h_i \x1b[31m")
    assert shown == ("a\\|b &lt;img src=x onerror=y&gt; \\# \\`c\\` \\*d\\* \\[e\\](f) \\_g\\_ h_i \\\\x1b\\[31m")
    assert names.markdown("T-shirt/top & fashion-mnist") == "T-shirt/top &amp; fashion-mnist"
    assert names.markdown_code("a | b") == "`a \\| b`"
    assert names.markdown_code("``a`") == "``` ``a` ```"


def test_printable_text_is_legal_xml_on_one_line() -> None:
    text = names.printable("".join(map(chr, range(0x300))) + "\ud800\ufffe\u2028\u202e猫\u200d")
    element = ElementTree.Element("a")
    element.text = text
    assert ElementTree.fromstring(ElementTree.tostring(element)).text == text
    assert "\x1b" not in text
    assert "\\x1b" in text
    assert text.endswith("\\u202e猫\u200d")
    assert len(text.splitlines()) == 1
