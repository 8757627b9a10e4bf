"""Two nodes of a real cluster: a cut cable and a lost node cost time, and change no byte."""

from __future__ import annotations

from pathlib import Path

import pytest

import nodes
import two_nodes

pytestmark = [pytest.mark.ray, pytest.mark.slow]
WHY_NOT = nodes.why_not()


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_a_cut_cable_and_a_lost_node(tmp_path: Path) -> None:
    two_nodes.play(tmp_path, print, in_store=True)
