"""The evaluation that a dataset's recipe asks for: its real data, and its report beside the finished dataset."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthgen.dataset import records
from synthgen.dataset.layout import EVALUATION
from synthgen.dataset.store import Store
from synthgen.errors import Interrupted, RecordError, StoreError, SynthgenError, TerminatedError
from synthgen.readers import origin
from synthgen.recipe.recipe import DatasetRecipe, Draft
from synthgen.recipe.sections import Evaluation
from synthgen.recipe.yaml_text import Location


def real_data(recipe: DatasetRecipe) -> Mapping[str, Any] | None:
    """The real data of a recipe: its `data`, or those of its `train`."""
    if recipe.data is not None:
        return recipe.data
    found = recipe.train.settings.get("data") if recipe.train else None
    return found if isinstance(found, Mapping) else None


def problems(draft: Draft) -> list[tuple[Location, str]]:
    """What an evaluation would miss in the real data, each with its place; known before anything is drawn."""
    recipe = draft.recipe
    if not isinstance(recipe, DatasetRecipe) or recipe.evaluate is None or draft.broken or draft.wrong:
        return []
    place: Location = ("data",) if recipe.data is not None else ("train", "data")
    data = origin.as_series(real_data(recipe) or {})
    if data is None:  # of another kind, whose test split is looked for when it is needed
        return []
    from synthgen.measures.series import dataset

    try:
        lack = dataset.lack(data)
    except SynthgenError:  # told by whoever reads them for more than this
        return []
    return [((*place, "test"), lack)] if lack else []


def evaluate(
    out: Path,
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
    from synthgen.measures import dataset

    note(f"comparing {out} with the real data")
    try:
        found = dataset.evaluate(str(out), real, settings, note)
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


def read(folder: Path) -> dict[str, Any] | None:
    """What the last evaluation of a dataset found, None if there was none.

    Raises:
        StoreError: it cannot be read.
    """
    store = Store(folder)
    try:
        known = store.load(EVALUATION, records.Compared, allow_nan=True)
    except RecordError as error:
        raise StoreError(f"{store.show(EVALUATION)} {error}; evaluate the dataset again, or remove it") from None
    return known.found if known else None
