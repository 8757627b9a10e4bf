"""`synthgen plugins`."""

from __future__ import annotations

import json

import helpers
from synthgen.cli.plugins import describe
from synthgen.parts.registry import PARTS, ROLES, Plugins
from synthgen.recipe.reading import config_class


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


def test_settings_inside_settings_are_shown_with_their_ranges(cli) -> None:
    out = cli("plugins", "trainer", "class-conditional").out
    line = next(line for line in out.splitlines() if line.startswith("  network ("))
    inside = out.partition(line)[2].splitlines()[2:]
    assert inside[0] == "      patch_size (integer from 1 to 8; default 2)"
    assert any(line.startswith("      channels (list of integer") for line in inside)
    lora = json.loads(cli("plugins", "trainer", "text-to-image", "--json").out)["settings"]
    (found,) = (each["settings"] for each in lora if each["name"] == "lora")
    (rank,) = (each for each in found if each["name"] == "rank")
    assert rank["type"].startswith("integer from 1") and rank["default"] == 16 and not rank["required"]


def test_every_model_inside_the_settings_of_every_part_is_described() -> None:
    plugins = Plugins()
    for role in PARTS:
        for name in plugins.names(role):
            schema = config_class(plugins, role, name).model_json_schema()
            described = json.dumps(describe(plugins, role, name)["settings"])
            for definition in schema.get("$defs", {}).values():
                for key in definition.get("properties", {}):
                    assert f'"name": "{key}"' in described, f"{role} {name}: {key}"
