"""Passages: texts alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from synthgen.models.text import roles
from synthgen.models.text.kinds.kind import Kind


class Passages(Kind):
    """`text`."""

    order: ClassVar[Sequence[str]] = (roles.TEXT,)
