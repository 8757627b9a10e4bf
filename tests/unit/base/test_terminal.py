"""What is printed cannot move the cursor, whatever names it holds, and needs no UTF-8 locale."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import yaml

import helpers
from synthgen.base import terminal


def test_streams_escape_and_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with terminal.escaped():
        print("a\tb\x1b[31mc\rd é", file=sys.stderr)
        sys.stdout.writelines(["x\x07\n", "y\n"])
    assert sys.stdout is before
    printed = capsys.readouterr()
    assert printed.err == "a\tb\\x1b[31mc\\rd é\n"
    assert printed.out == "x\\x07\ny\n"


def test_bars_still_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with terminal.escaped(), terminal.bar(2, "hashing") as bar:
        bar.update(2)
    assert "\r" in screen.getvalue()
    assert "hashing" in screen.getvalue()


def on_a_terminal(words: list[str], columns: int = 80) -> str:
    """What a command writes to a terminal of that width."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = subprocess.Popen(words, env=helpers.environment(TERM="xterm"), stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # the other side is closed
        while part := os.read(ours, 65536):
            seen += part
    os.close(ours)
    assert process.wait() == 0, seen
    return seen.decode()


@pytest.mark.slow
def test_a_run_and_a_training_move_their_bars(recipe: Path, tmp_path: Path) -> None:
    run = on_a_terminal(helpers.run_command(recipe, tmp_path / "out", "--executor", "local", "--workers", "1"))
    assert "\x1b[" in run and "40 of 40 samples" in run
    assert "\\x1b" not in run
    model = helpers.ROOT / "recipes" / "train" / "classification.yaml"
    train = on_a_terminal(
        helpers.command("train", model, "--set", "trainer.steps=2", "-o", tmp_path / "model", "--device", "cpu")
    )
    assert "\x1b[" in train and "2/2" in train
    assert "\\x1b" not in train


def test_names_of_classes_and_files_are_escaped(cli, tmp_path: Path) -> None:
    recipe = helpers.toy(condition={"use": "classes", "quotas": {"re\x1b[31md": 4, "été": 2}})
    path = helpers.write(tmp_path, recipe, "\x1b]0;title.yaml")
    answer = cli("plan", path, "--plugin", helpers.TOY)
    assert "re\\x1b[31md" in answer.out + answer.err
    missing = cli("plan", tmp_path / "\x1b[2J.yaml")
    assert missing.code == 2
    assert "\\x1b[2J.yaml" in missing.err
    assert "\x1b" not in answer.out + answer.err + missing.out + missing.err


@pytest.mark.slow
def test_a_locale_without_letters_is_enough(tmp_path: Path) -> None:
    place = tmp_path / "été"
    place.mkdir()
    recipe = helpers.toy(condition={"use": "classes", "quotas": {"été": 4, "猫": 4}}, splits={"train": 1.0})
    (place / "r.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    out = place / "out"
    for words in (
        ["run", place / "r.yaml", "-o", out, "--plugin", helpers.TOY, "--workers", "1"],
        ["status", out],
        ["export", out, "--to", "imagefolder", "-o", place / "export"],
    ):
        done = subprocess.run([*helpers.command(*words)], env=os.environ | bare, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(place / "export" / "train")) == ["été", "猫"]
    assert "| 0 | été | 4 |" in (out / "README.md").read_text(encoding="utf-8")
    assert (
        b"\\u732b 4"
        in done.stdout
        + subprocess.run(
            [*helpers.command("status", out)], env=os.environ | bare, capture_output=True, check=False
        ).stdout
    )
