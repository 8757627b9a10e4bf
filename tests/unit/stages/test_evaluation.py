"""What evaluations leave beside a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthgen.dataset.store import Store
from synthgen.errors import StoreError
from synthgen.stages import evaluation

FOUND = {"kind": "series", "n_test": 456, "metrics": {"rows": {"synthetic": {"context_fid": {"mean": 0.0333}}}}}


def test_there_may_be_none(tmp_path: Path) -> None:
    assert evaluation.read(Store(tmp_path)) is None


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    path = evaluation.keep(Store(tmp_path), {"real": "here"}, FOUND)
    known = evaluation.read(Store(tmp_path))
    assert path == f"{tmp_path}/reports/evaluation.json" and known is not None
    assert known.found == FOUND and known.asked == {"real": "here"}


@pytest.mark.parametrize("content", ["{", "[1]", "{}", '{"found": 3}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = evaluation.keep(Store(tmp_path), {}, FOUND)
    Path(path).write_text(content)
    with pytest.raises(StoreError, match=r"evaluation\.json .*evaluate"):
        evaluation.read(Store(tmp_path))
