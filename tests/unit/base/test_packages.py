"""Packages that only some parts need."""

from __future__ import annotations

import pytest

from synthgen.base.packages import version_of
from synthgen.errors import UsageError


def test_the_version_or_how_to_install_it() -> None:
    assert version_of("numpy", "numpy", "texts", "language")[0].isdigit()
    with pytest.raises(UsageError, match=r"`language` needs the Python package no-such, .* pip install no-such, or"):
        version_of("no_such_module", "no-such", "texts", "language")
