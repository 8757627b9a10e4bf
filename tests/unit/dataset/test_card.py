"""Cards of datasets whose names are Markdown, HTML or control characters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet
import yaml

import helpers

CLASSES = ["a|b", "<img src=x onerror=y>", "`c` *d*", "\x1b[31mred", "e\nf", "100 % été"]


def test_names_neither_break_tables_nor_become_markup(tmp_path: Path) -> None:
    recipe = helpers.toy(
        condition={"use": "classes", "quotas": dict.fromkeys(CLASSES, 1)},
        description="<script>|x|</script>\n# no heading",
    )
    helpers.run(helpers.write(tmp_path, recipe), tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["pretty_name"] == "toy"
    rows = re.findall(r"^\| \d \|.*$", body, flags=re.MULTILINE)
    assert len(rows) == len(CLASSES)
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
    assert rows[0] == "| 0 | a\\|b | 1 |"
    assert "<img" not in body
    assert "<script" not in body
    assert "\x1b" not in body
    assert not re.search("^# no heading", body, flags=re.MULTILINE)
    croissant = json.loads((tmp_path / "out" / "croissant.json").read_text(encoding="utf-8"))
    assert croissant["name"] == "toy"


def test_pages_and_pictures_show_names_as_they_are(cli, tmp_path: Path) -> None:
    recipe = helpers.toy(condition={"use": "classes", "quotas": dict.fromkeys(CLASSES, 1)}, name="odd")
    helpers.run(helpers.write(tmp_path, recipe), tmp_path / "out")
    answer = cli("report", tmp_path / "out")
    assert answer.code == 0
    page = (tmp_path / "out" / "reports" / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=y&gt;" in page
    assert re.search(r"<figcaption>s\d{9}; brightness 0\.\d+</figcaption>", page)
    assert cli("preview", tmp_path / "out", "-o", tmp_path / "sheet.png").code == 0


def test_classes_of_pixels_are_in_the_card_and_in_the_schema(tmp_path: Path) -> None:
    helpers.run(helpers.write(tmp_path, helpers.streets()), tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    section = text.split("### Classes of `segmentation`")[1].split("## Load it")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| ")]
    assert rows == [
        ["id", "class", "kind", "colour"],
        ["1", "sky", "stuff", "`#4682b4`"],
        ["2", "road", "stuff", "`#804080`"],
        ["3", "car", "thing", "`#00008e`"],
        ["4", "person", "thing", "`#dc143c`"],
    ]
    assert 'pyarrow.parquet.read_schema(FILE).field("segmentation").metadata' in section
    for file in (tmp_path / "out").glob("parquet/*/*.parquet"):
        metadata = pyarrow.parquet.read_schema(file).field("segmentation").metadata
        facts = {name.decode(): json.loads(value) for name, value in metadata.items()}
        assert facts["classes"] == [row[1] for row in rows[1:]]
        assert facts["stuff"] == ["sky", "road"]
        assert facts["colours"] == [row[3].strip("`") for row in rows[1:]]
    croissant = json.loads((tmp_path / "out" / "croissant.json").read_text(encoding="utf-8"))
    described = {field["name"]: field["description"] for field in croissant["recordSet"][0]["field"]}
    assert "0 background, 1 sky, 2 road, 3 car, 4 person, 255 unknown" in described["segmentation"]


def test_hubs_are_shown_the_table_that_names_classes(tmp_path: Path) -> None:
    for writers, expected in (["jsonl", "parquet"], "parquet"), (["webdataset", "jsonl"], "jsonl"):
        folder = tmp_path / expected
        folder.mkdir()
        helpers.run(helpers.write(folder, helpers.toy(output={"writers": writers})), folder / "out")
        front = yaml.safe_load((folder / "out" / "README.md").read_text(encoding="utf-8").split("---\n", 2)[1])
        paths = [entry["path"] for entry in front["configs"][0]["data_files"]]
        assert paths == [f"{expected}/train/*.{expected}", f"{expected}/val/*.{expected}"]
