"""What README.md, CONTRIBUTING.md, docs/ and infra/ show, as something that runs.

A page is run from top to bottom in a folder of its own: every line of shell, every block of Python. A comment
before a block, which readers do not see, says what else holds for it:

    <!-- test: with --samples 20 -->        these options are added to each of its commands that knows them
    <!-- test: with train --set a=1; run --samples 20 -->        the same, for commands of this name
    <!-- test: file my.yaml -->             the block is a file that later commands use
    <!-- test: not run: needs a GPU -->     the block is not run, and why; its options are checked all the same
"""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import diffusers.models.modeling_utils
import numpy as np
import sklearn.linear_model
from PIL import Image

import helpers
import tiny
from synthgen import cli

PRELOADED = (diffusers.models.modeling_utils, sklearn.linear_model)
"""Imported here so that the processes that run pages, each forked from this one, need not."""

PAGES = {
    path.relative_to(helpers.ROOT).as_posix(): path.read_text(encoding="utf-8")
    for pattern in ("*.md", "docs/*.md", "infra/*.md")
    for path in sorted(helpers.ROOT.glob(pattern))
}
BLOCK = re.compile(
    r"(?:^<!-- test: (?P<note>[^\n]*?) -->\n+)?"
    r"(?:^```(?P<language>\w+)\n(?P<fenced>.*?)^```$|(?<=\n\n)(?P<indented>(?:    [^\n]*\n)+))",
    re.DOTALL | re.MULTILINE,
)
HERE = {"--device": "cpu", "--executor": "local", "--workers": "1"}
"""Options of every command that knows them: a page runs in one process."""


@dataclass(frozen=True)
class Block:
    """A block of a page: `bash`, `python`, `yaml` ..., its text, and what the comment before it says."""

    language: str
    text: str
    note: str = ""

    @property
    def runs(self) -> bool:
        return not self.note.startswith("not run: ")

    def commands(self) -> Iterator[list[str]]:
        """Words of every command of a block of shell, comments cut off; `uv run` and installing uv are left out."""
        for line in self.text.splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words[:2] == ["uv", "run"]:
                    words = words[2:]
                if words and words != ["pip", "install", "uv"]:
                    yield words


def blocks(page: str) -> list[Block]:
    """All blocks of a page; indented ones are shell if they call something of synthgen's."""
    found = []
    for match in BLOCK.finditer(PAGES[page]):
        indented = match["indented"]
        if indented is None:
            found.append(Block(match["language"], match["fenced"], match["note"] or ""))
        elif re.search(r"^    (uv|pip|bash|synthgen) ", indented, re.MULTILINE):
            found.append(Block("bash", re.sub(r"^    ", "", indented, flags=re.MULTILINE), match["note"] or ""))
    return found


def synthgen_commands() -> list[list[str]]:
    """Words behind `synthgen` of every command of the pages, those that are not run too."""
    shell = [block for page in PAGES for block in blocks(page) if block.language == "bash"]
    found = [words for block in shell for words in block.commands() if "synthgen" in words]
    return [words[words.index("synthgen") + 1 :] for words in found]


def options_of(words: list[str]) -> set[str]:
    """The options that the command of these words knows."""
    command = cli.group.get_command(click.Context(cli.group), words[0])
    if isinstance(command, click.Group) and words[1:] and not words[1].startswith("-"):
        command = command.get_command(click.Context(command), words[1])
    assert command is not None, words
    return {option for parameter in command.params for option in parameter.opts}


def run(page: str, folder: Path) -> None:
    """Runs a page in `folder`, in this process, which is given up to it.

    Raises:
        AssertionError: a command failed, or is none of synthgen's and not marked as one that is not run.
    """
    make_data(folder)
    os.chdir(folder)
    sys.path.insert(0, str(helpers.ROOT))
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.note.startswith("file "):
            Path(block.note.removeprefix("file ")).write_text(block.text, encoding="utf-8")
        elif block.runs and block.language == "python":
            exec(compile(block.text, page, "exec"), names)
        elif block.runs and block.language == "bash":
            for words in block.commands():
                assert words[0] == "synthgen", f"{page}: {words} needs a comment that says why it is not run"
                call([name for word in words[1:] for name in matching(word)], block.note)


def matching(word: str) -> list[str]:
    """The files that a word with `*` stands for, as a shell finds them."""
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


def call(words: list[str], note: str) -> None:
    """Calls `synthgen` with these words and the options of the note and of `HERE` that the command knows."""
    known = options_of(words)
    more = [word for option in HERE.items() if option[0] in known for word in option]
    for part in note.removeprefix("with ").split(";") if note.startswith("with ") else ():
        added = shlex.split(part)
        if not added[0].startswith("-"):
            added = added[1:] if added[0] == words[0] else []
        for option, value in zip(added[::2], added[1::2], strict=True):
            more += [option, value] if option in known else []
    sys.argv = ["synthgen", *words, *more]
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code, f"{shlex.join(sys.argv)} ended with {end.code}"


def make_data(folder: Path) -> None:
    """What readers of the pages have themselves: images by class, with masks, maps and boxes, and a table."""
    for name in ("recipes", "docs"):
        (folder / name).symlink_to(helpers.ROOT / name)
    random = np.random.default_rng(0)
    for i, name in enumerate(("cat", "dog")):
        (folder / "my_images" / name).mkdir(parents=True)
        for k in range(12):
            pixels = random.integers(i * 100, i * 100 + 100, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "my_images" / name / f"{k:02d}.png")
    masks = Path(tiny.masks())
    for kind in ("images", "masks"):
        shutil.copytree(masks / kind, folder / "my_cells" / kind)
    shutil.copytree(tiny.streets(), folder / "my_streets")
    shutil.copytree(masks / "images", folder / "my_boxes" / "images")
    shutil.copy(masks / "boxes.json", folder / "my_boxes" / "boxes.json")
    with (folder / "my.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["timestamp", "wave", "rain"])
        table.writerows([i, *row] for i, row in enumerate(tiny.sensor_values(120, 4).tolist()))
