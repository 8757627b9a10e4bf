"""What licences are warned of."""

from __future__ import annotations

import pytest

from synthgen.dataset import licences
from synthgen.parts.protocols import Source


@pytest.mark.parametrize(
    ("licence", "told"),
    [
        ("mit", ""),
        ("apache-2.0", ""),
        ("openrail++", ""),
        ("cc-by-4.0", ""),
        ("cc-by-nc-4.0", "forbids commercial use"),
        ("flux-1-dev-non-commercial-license", "forbids commercial use"),
        ("unknown", "is not known"),
        ("see the hub", "is not known"),
    ],
)
def test_only_what_limits_use_is_warned_of(licence: str, told: str) -> None:
    found = licences.warnings([Source("model", "a model", "0" * 64, licence)])
    assert bool(found) == bool(told)
    assert all(told in text and "a model" in text for text in found)
