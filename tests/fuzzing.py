"""What the tests of tests/fuzz/ share: many damaged inputs, each read or refused in our own words, and counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from synthgen.errors import SynthgenError

N_EXAMPLES = int(os.environ.get("SYNTHGEN_FUZZ") or (20000 if os.environ.get("CI") else 2000))
"""Inputs of each kind; fewer while a test is being written."""

COUNTS: dict[str, Counter[str]] = {}
"""Outcomes by kind of input; printed at the end of the test run."""


def check(kind: str, inputs: st.SearchStrategy[Any], attempt: Callable[[Any], object], among: int = 1) -> None:
    """Calls `attempt` with `N_EXAMPLES` inputs, the same ones in every run; it may return or raise a SynthgenError.

    A kind that is one of several `among` which a reader has gets its share of them.

    Anything else that it raises fails the test, with the smallest input that does so.
    """
    outcomes = COUNTS.setdefault(kind, Counter())

    @settings(
        max_examples=max(1, N_EXAMPLES // among),
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def run(example: Any) -> None:
        try:
            attempt(example)
        except SynthgenError as error:
            assert str(error).strip(), "an error without a word"
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1

    run()


@st.composite
def damaged(draw: st.DrawFn, seeds: st.SearchStrategy[bytes], most: int = 6) -> bytes:
    """Valid bytes with up to `most` edits: bytes changed, cut out, repeated, or replaced by awkward ones."""
    content = bytearray(draw(seeds))
    for _ in range(draw(st.integers(0, most))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.integers(0, 12))
        kind = draw(st.sampled_from(("set", "cut", "insert", "repeat", "end")))
        if kind == "set":
            content[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "cut":
            del content[place : place + length]
        elif kind == "insert":
            content[place:place] = draw(st.sampled_from(AWKWARD))
        elif kind == "repeat":
            content[place:place] = content[place : place + length]
        else:
            del content[place:]
    return bytes(content)


AWKWARD = (
    b"\0", b"\n", b"\r\n", b'"', b",", b"-1", b"nan", b"1e999", b"null", b"[]", b"{}", b"../../x", b"\xff\xfe",
    b"\xef\xbb\xbf", b"99999999999999999999", "\u2028".encode(), "é".encode(), b"\x1b[31m", b"true", b"{" * 50,
)  # fmt: skip
"""Pieces that readers of text and of numbers trip over."""
