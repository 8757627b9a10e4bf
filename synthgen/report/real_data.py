"""The real data of a page: those that were asked for, or those of the dataset's last evaluation, where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.measures.series.sets import series_data
from synthgen.measures.texts.measure import text_data
from synthgen.readers import origin


@dataclass(frozen=True, slots=True)
class Real:
    """Real data: the settings of a section `data`, and what messages call them.

    `changed` says that they are not those any more that the dataset was evaluated with.
    """

    data: Mapping[str, Any]
    name: str
    changed: bool = False


def named(real: str, key: str = "path") -> Real:
    """Those that `--real` names; a path that is none of a recipe is one of data under `key`, such as `texts`.

    Raises UsageError if it is a recipe that names none.
    """
    return Real(origin.data_section(real, key), real)


def of_evaluation(asked: Mapping[str, Any], key: str = "path") -> Real | None:
    """Those of an evaluation, by what `reports/evaluation.json` says was asked; None if it does not say.

    That file has the path of the data, as it was written then, and a hash, and never the data.

    Args:
        key: `path` for series, `texts` for texts.

    Raises:
        UsageError: they were named by a recipe that is not there, or does not name them any more; or are no series,
            or no texts.
        DataError: they are not where they were.
    """
    recipe, data = asked.get("real"), asked.get("data")
    if isinstance(recipe, str):
        found = named(recipe, key)
    elif isinstance(data, Mapping):
        found = Real(data, origin.place_of(data))
    else:
        return None
    if key == "texts":
        text_data(found.data, found.name)
    else:
        series_data(found.data, found.name)
    before = asked.get("data_sha256")
    return Real(found.data, found.name, before is not None and before != origin.sha256(found.data))
