"""Options of exporters."""

from __future__ import annotations

from synthgen.base.settings import Settings


class NoOptions(Settings):
    """This format has no options."""
