"""Where the real data of a page come from."""

from __future__ import annotations

from pathlib import Path

import pytest

import helpers
import tiny
from synthgen.errors import UsageError
from synthgen.readers import origin
from synthgen.report import real_data


def test_those_of_an_evaluation_are_found_by_its_recipe_or_its_settings(tmp_path: Path) -> None:
    content = tiny.series_recipe()
    data = content["trainer"]["data"]
    recipe = str(helpers.write(tmp_path, content))
    sha256 = origin.sha256(data)
    of_recipe = real_data.of_evaluation({"real": recipe, "data_sha256": sha256})
    assert of_recipe is not None and of_recipe.name == recipe and not of_recipe.changed
    of_run = real_data.of_evaluation({"data": data, "data_sha256": sha256})
    assert of_run is not None and of_run.name == data["path"] and not of_run.changed
    other = real_data.of_evaluation({"data": data, "data_sha256": "0" * 64})
    assert other is not None and other.changed
    before_hashes = real_data.of_evaluation({"real": recipe})
    assert before_hashes is not None and not before_hashes.changed
    assert real_data.of_evaluation({}) is None


def test_what_describes_no_series_is_refused() -> None:
    with pytest.raises(UsageError, match=r"x\.csv: must be a recipe that trains a model on series"):
        real_data.of_evaluation({"data": {"path": "x.csv", "length": "many"}})
    with pytest.raises(UsageError, match=r"gone\.yaml: no such recipe"):
        real_data.of_evaluation({"real": "gone.yaml"})
