"""Parts by name, and files of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

import helpers
from synthgen.errors import PluginError
from synthgen.parts.registry import Plugins


def test_a_file_adds_parts() -> None:
    assert "smooth" in Plugins([helpers.TOY]).names("samplers")
    assert "smooth" not in Plugins().names("samplers")
    assert len(Plugins([helpers.TOY]).origin("samplers", "smooth")) == 64
    assert Plugins().origin("samplers", "class-conditional") == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "p.py:1: ZeroDivisionError"),
        ("x = 1\ny = (", "p.py"),
        ("import nothing_like_this", "No module named 'nothing_like_this'"),
        ("x = 1", "must define SYNTHGEN_PLUGINS"),
        ("SYNTHGEN_PLUGINS = {'sampler': {}}", "with roles from conditions, samplers"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.py").write_text(text)
    with pytest.raises(PluginError) as caught:
        Plugins([str(tmp_path / "p.py")])
    assert message in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="no such file"):
        Plugins([str(tmp_path / "nothing.py")])
