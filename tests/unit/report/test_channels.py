"""The table of channels on a page, and which of very many have charts."""

from __future__ import annotations

import numpy as np

from synthgen.measures.series import values
from synthgen.report import channels

NAMES = [f"c{i}" for i in range(60)]


def found() -> dict:
    """60 channels; from c50 on the generated ones vary about half as much as the real ones."""
    random = np.random.default_rng(0)
    generated, real = random.normal(size=(40, 8, 60)), random.normal(size=(80, 8, 60))
    return values.measure(generated * np.where(np.arange(60) < 50, 1, 40 / np.arange(1, 61)) ** 2, real, NAMES, 4)


def test_of_very_many_channels_the_worst_have_charts_in_their_order() -> None:
    numbers = list(range(60))
    chosen = channels.choose(numbers, NAMES, found())
    assert len(chosen) == channels.N_CHARTED and chosen == sorted(chosen)
    assert set(range(50, 60)) <= set(chosen)
    assert channels.choose(numbers, NAMES, None) == numbers[: channels.N_CHARTED]
    assert channels.choose([59, 3], NAMES, found()) == [59, 3]


def test_every_channel_has_a_row_with_a_link_to_its_charts_if_it_has_some() -> None:
    made = channels.table(found(), {"c59": 59, "c1": 1})
    assert sorted(row.name for row in made.rows) == sorted(NAMES) and len(made.head) == 1 + len(made.rows[0].cells)
    assert {row.name for row in made.rows[:10]} == set(NAMES[50:]), "the worst first"
    assert {row.name: row.charted for row in made.rows if row.charted is not None} == {"c59": 59, "c1": 1}
    far = {row.name for row in made.rows if any(is_far for _, is_far in row.cells)}
    assert {"c59", "c58", "c57"} <= far and len(far) < 20
