"""The real data of a page: those that were asked for, or those of the dataset's last evaluation, where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.measures.series.sets import series_data
from synthgen.readers import origin


@dataclass(frozen=True, slots=True)
class Real:
    """Real data: the settings of a section `data`, and what messages call them.

    `changed` says that they are not those any more that the dataset was evaluated with.
    """

    data: Mapping[str, Any]
    name: str
    changed: bool = False


def named(recipe: str) -> Real:
    """Those of a recipe. Raises UsageError if it names none."""
    return Real(origin.data_section(recipe), recipe)


def of_evaluation(asked: Mapping[str, Any]) -> Real | None:
    """Those of an evaluation, by what `reports/evaluation.json` says was asked; None if it does not say.

    That file has the path of the data, as it was written then, and a hash, and never the data.

    Raises:
        UsageError: they were named by a recipe that is not there, or does not name them any more; or are no series.
        DataError: they are not where they were.
    """
    recipe, data = asked.get("real"), asked.get("data")
    if isinstance(recipe, str):
        found = named(recipe)
    elif isinstance(data, Mapping):
        found = Real(data, str(data.get("path", "")))
    else:
        return None
    series_data(found.data, found.name)
    before = asked.get("data_sha256")
    return Real(found.data, found.name, before is not None and before != origin.sha256(found.data))
