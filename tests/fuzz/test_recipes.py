"""Recipes as files: any text is read, or refused with file and line."""

from __future__ import annotations

from hypothesis import strategies as st

import fuzzing
import helpers
from synthgen import recipe, yamltext
from synthgen.plugins import Plugins

SHIPPED = sorted((helpers.ROOT / "recipes").rglob("*.yaml"))


def test_damaged_recipes_are_read_or_refused() -> None:
    plugins = Plugins()
    seeds = st.sampled_from([path.read_bytes() for path in SHIPPED])

    def attempt(raw: bytes) -> None:
        recipe.validate(yamltext.read(raw.decode("utf-8", "replace"), "f.yaml"), plugins)

    fuzzing.check("recipes", fuzzing.damaged(seeds), attempt)
