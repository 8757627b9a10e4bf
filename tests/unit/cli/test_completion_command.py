"""Shell completion: the scripts, and what they ask for."""

from __future__ import annotations

import shutil
import subprocess

import pytest

import helpers
from synthgen.cli import COMMANDS
from synthgen.cli.completion import SHELLS


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_right_for_their_shell(cli, shell: str) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("click asks bash for its version")
    script = cli("completion", shell).out
    assert f"_SYNTHGEN_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, text=True, check=False).returncode == 0


def completed(line: str, word: int) -> list[str]:
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(word), "_SYNTHGEN_COMPLETE": "bash_complete"}
    return helpers.call(helpers.command(), **asked).stdout.split()


def test_commands_and_options_are_completed() -> None:
    assert completed("synthgen pl", 1) == [f"plain,{name}" for name in COMMANDS if name.startswith("pl")]
    assert completed("synthgen run --sa", 2) == ["plain,--samples"]
    assert completed("synthgen run ", 2) == ["file,"]
