"""The text starters against real texts that nothing was trained on; skipped where the data are absent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

import helpers
from synthgen.models import folders, registry
from synthgen.models.text.segments import Segment
from synthgen.readers.texts import reader
from synthgen.readers.texts.reader import TextData

REAL = helpers.ROOT.parent / "shared" / "data" / "text"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real data are not here"),
]


def test_the_translator_translates_and_is_better_with_more_steps() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    pipeline = registry.load_pipeline(folders.resolve("starter/tatoeba-en-de"), "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    test = reader.read(TextData(texts=str(REAL / "tatoeba_en_de"), kind="pairs")).take("test")
    rows = np.random.default_rng(0).permutation(len(test))[:200]
    asked = [(Segment("source", test.texts["source"][row]), Segment("target")) for row in rows]
    references = [test.texts["target"][row] for row in rows]

    def chrf(steps: int) -> float:
        made = pipeline(asked, range(len(rows)), steps, temperature=0.0, order_noise=0.0).records
        said: Sequence[str] = [record[1].content or "" for record in made]
        return float(sacrebleu.corpus_chrf(said, [references]).score)

    assert chrf(16) > max(30.0, chrf(1))
