"""The evaluation that a dataset's recipe asks for: its real data, and its report beside the finished dataset."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from synthgen.base.environment import leave_one_core
from synthgen.dataset import loading, records
from synthgen.dataset.layout import EVALUATION
from synthgen.dataset.storage import Storage
from synthgen.dataset.store import Store
from synthgen.errors import (
    Interrupted,
    PluginError,
    RecordError,
    StoreError,
    SynthgenError,
    TerminatedError,
    UsageError,
)
from synthgen.parts.problem import Location, Problem
from synthgen.parts.protocols import Comparison
from synthgen.parts.registry import of_process, unknown
from synthgen.readers import origin
from synthgen.recipe.reading import Draft
from synthgen.recipe.recipe import DatasetRecipe
from synthgen.recipe.sections import Evaluation


def problems(draft: Draft) -> list[Problem]:
    """What an evaluation would miss in the real data; known before anything is generated."""
    recipe = draft.recipe
    if not isinstance(recipe, DatasetRecipe) or recipe.evaluate is None or draft.broken or draft.wrong:
        return []
    place: Location = ("data", "test") if recipe.data is not None else ("train", "data", "test")
    data = origin.real_data(recipe) or {}
    found = []
    for cls in _measures().values():
        lack: Callable[[Mapping[str, Any]], str] | None = getattr(cls, "lack", None)
        with contextlib.suppress(SynthgenError):  # of data that cannot be read, which their other readers report
            found += [Problem(text, place=place) for text in ([lack(data)] if lack else []) if text]
    return found


def _measures() -> dict[str, Any]:
    """The classes of all measures by name."""
    plugins = of_process()
    return {name: plugins.find("measures", name) for name in plugins.names("measures")}


def compare(
    folder: str,
    real: str | Mapping[str, Any],
    settings: Evaluation,
    note: Callable[[str], None],
    test: str | None = None,
    allow_incomplete: bool = False,
) -> dict[str, Any]:
    """What every measure finds whose fields the dataset has, as JSON values without times.

    Of these, measures of another kind of real data than `real` are left out if there is one that fits both.

    Args:
        real: real data, as `--real` names them, or as the section `data` of a recipe describes them.
        test: real test data, if they are not part of `real`.
        note: called with what is found on the way.

    Raises:
        UsageError: nothing measures what the dataset holds; or `real`, `test` or a setting does not suit it.
        DataError: the real data and the dataset are not alike.
    """
    leave_one_core()
    dataset = loading.load(folder, allow_incomplete=True)
    known = _measures()
    chosen = {name: cls for name, cls in known.items() if cls.fits(dataset.fields)}
    if not chosen:
        needs = "; or ".join(dict.fromkeys(cls.needs for cls in known.values()))
        raise UsageError(
            f"{folder}: cannot be evaluated; measures need {needs}. Its fields are: {', '.join(dataset.fields)}"
        )
    data = origin.data_section(real, _key(chosen.values())) if isinstance(real, str) else real
    kind, _ = origin.reader_of(data)
    chosen = {name: cls for name, cls in chosen.items() if kind in getattr(cls, "readers", (kind,))} or chosen
    if settings.tricks and not any("tricks" in cls.Config.model_fields for cls in chosen.values()):
        names = ", ".join(chosen)
        raise UsageError(f"tricks: no measure of this dataset takes any ({names}); those of images and series do")
    for name in settings.measures.keys() - chosen.keys():
        raise UsageError(f"evaluate.measures: {unknown(name, chosen, 'measure of this dataset')}")
    name = real if isinstance(real, str) else origin.place_of(data)
    comparison = Comparison(folder, data, name, test, allow_incomplete, note)
    found: dict[str, Any] = {"dataset": (dataset.manifest or {}).get("digest")}
    for measure, cls in chosen.items():
        values = cls(_config(measure, cls, settings)).measure(comparison)
        if twice := sorted(found.keys() & values.keys()):
            raise PluginError(f"measure `{measure}`: another measure has values of the names {', '.join(twice)}")
        found |= values
    return found


def real_section(folder: str, real: str) -> Mapping[str, Any]:
    """The section `data` that `--real` names for a dataset in `folder`: of texts a path is that of texts."""
    fields = loading.load(folder, allow_incomplete=True).fields
    return origin.data_section(real, _key(cls for cls in _measures().values() if cls.fits(fields)))


def _key(measures: Iterable[Any]) -> str:
    """Under which key a path stands that these measures compare with."""
    return "texts" if {name for cls in measures for name in getattr(cls, "readers", ())} == {"texts"} else "path"


def _config(name: str, cls: Any, settings: Evaluation) -> Any:
    """The settings of one measure: those of `evaluate` that it has, and its own."""
    shared = settings.model_dump(exclude_none=True, include=set(cls.Config.model_fields))
    try:
        return cls.Config.model_validate(shared | settings.measures.get(name, {}))
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] and first["loc"][0] == "steps" and isinstance(settings.steps, list):
            raise UsageError(f"steps: must be one number for the measure `{name}` (got {settings.steps})") from None
        if first["loc"] and first["loc"][0] == "tricks":
            accepted = first.get("ctx", {}).get("expected", "")
            raise UsageError(
                f"tricks: `{first['input']}` is none of the measure `{name}`; accepted: {accepted}"
            ) from None
        place = ".".join(map(str, ("evaluate.measures", name, *first["loc"])))
        raise UsageError(f"{place}: {first['msg']}") from None


def text(found: Mapping[str, Any]) -> str:
    """What was measured as text for people."""
    return "\n".join(filter(None, (cls.text(found) for cls in _measures().values())))


def evaluate(
    out: str | Path | Storage,
    manifest: Mapping[str, Any],
    real: Mapping[str, Any],
    settings: Evaluation,
    note: Callable[[str], None],
    command: str = "",
) -> dict[str, Any]:
    """Compares a complete dataset with real data, once: the report in `reports/evaluation.json` of its folder.

    Args:
        command: shown when the evaluation is interrupted.

    Raises:
        SynthgenError: what went wrong; the dataset itself is finished.
        Interrupted: on SIGINT or SIGTERM.
    """
    store = Store(out)
    asked = {
        "digest": manifest["digest"],
        "samples": manifest["samples"],
        "settings": settings.model_dump(mode="json"),
        "data": dict(real),
        "data_sha256": origin.sha256(real),
    }
    with contextlib.suppress(RecordError):
        known = store.load(EVALUATION, records.Compared, allow_nan=True)
        if known and known.asked == json.loads(json.dumps(asked)):
            return known.found
    note(f"comparing {store.place} with the real data")
    try:
        found = compare(store.place, real, settings, note)
    except KeyboardInterrupt as error:
        text = "interrupted; the dataset is complete, and was not compared with the real data yet."
        text += f" Go on with: {command}" if command else ""
        raise Interrupted(text, 143 if isinstance(error, TerminatedError) else 130) from None
    keep(store, asked, found)
    return found


def keep(store: Store, asked: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Writes what was found, and what was asked, to `reports/evaluation.json`; returns the file's name for people."""
    content = json.dumps({"asked": asked, "found": found}, indent=1, ensure_ascii=False) + "\n"
    store.write(EVALUATION, content.encode())
    return store.show(EVALUATION)


def read(store: Store) -> records.Compared | None:
    """What the last evaluation of a dataset was asked and found, None if there was none.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        return store.load(EVALUATION, records.Compared, allow_nan=True)
    except RecordError as error:
        raise StoreError(f"{store.show(EVALUATION)} {error}; evaluate the dataset again, or remove it") from None
