"""Licences of models and data, as far as their names tell what they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from synthgen.parts.protocols import Source

_NON_COMMERCIAL = re.compile(r"(^|[-_ .])(nc|non-?commercial|research)([-_ .]|$)", re.IGNORECASE)
_UNKNOWN = ("", "unknown", "other", "see the hub")


def warnings(sources: Iterable[Source]) -> list[str]:
    """One line for each source whose licence forbids commercial use, by its name, or is not known."""
    found = []
    for source in sources:
        if _NON_COMMERCIAL.search(source.licence):
            found.append(
                f"the licence of {source.name} ({source.licence}) forbids commercial use, of its output perhaps as well"
            )
        elif source.licence in _UNKNOWN:
            found.append(f"the licence of {source.name} is not known; read it before you pass samples on")
    return found
