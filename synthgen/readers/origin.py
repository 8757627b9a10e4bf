"""The hash of real data of any kind, so that a model of them is trained once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.images import folder
from synthgen.readers.series import reader
from synthgen.readers.series.types import SeriesData


def sha256(data: BaseModel | Mapping[str, Any]) -> str:
    """sha256 over names and bytes of everything that a setting `data` reads.

    Of series those are their own files; of other data everything that lies at `path`. Names such as
    `sklearn:digits`, which are no paths, stand for themselves.

    Raises:
        DataError: there is nothing at the path.
    """
    found = as_series(data)
    if found is not None:
        return reader.sha256(found)
    settings = data.model_dump() if isinstance(data, BaseModel) else data
    path = str(settings.get("path", ""))
    root = Path(path)
    if root.is_file():
        return folder.sha256(root.parent, [root])
    if root.is_dir():
        return folder.sha256(root, listing.files(root))
    if ":" in path:
        return hashlib.sha256(path.encode()).hexdigest()
    raise DataError(f"{path}: no such file or folder; put your data there, or name where they are")


def as_series(data: BaseModel | Mapping[str, Any]) -> SeriesData | None:
    """The data of series that the settings describe, None if they describe others."""
    if isinstance(data, BaseModel):
        return data if isinstance(data, SeriesData) else None
    try:
        return SeriesData.model_validate(dict(data))
    except ValueError:
        return None
