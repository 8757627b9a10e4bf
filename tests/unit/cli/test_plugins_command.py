"""`synthgen plugins`."""

from __future__ import annotations

import json

import helpers
from synthgen.plugins import ROLES, Plugins


def test_lists_every_part_of_every_role(cli) -> None:
    found = json.loads(cli("plugins", "--json").out)
    assert {role: sorted(parts) for role, parts in found.items()} == {role: Plugins().names(role) for role in ROLES}
    assert all(text and not text.startswith(("cannot", "(")) for parts in found.values() for text in parts.values())


def test_settings_of_one(cli) -> None:
    answer = cli("plugins", "sampler", "class-conditional")
    assert answer.code == 0
    assert "steps (integer above 0 to 1000; default 18)" in answer.out
    assert "model (string; required)" in answer.out
    assert cli("plugins", "samplers", "class-conditional").out == answer.out


def test_parts_of_a_file(cli) -> None:
    assert "smooth" in cli("plugins", "sampler", "--plugin", helpers.TOY).out


def test_unknown_names_get_a_hint(cli) -> None:
    role, part = cli("plugins", "smpler"), cli("plugins", "sampler", "class-condtional")
    assert role.code == part.code == 2
    assert "did you mean `sampler`?" in role.err
    assert "did you mean `class-conditional`?" in part.err
