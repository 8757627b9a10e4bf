"""Results of `synthgen evaluate` as tables."""

from __future__ import annotations

from synthgen.report import evaluated

FOUND = {
    "kind": "series",
    "n_test": 456,
    "evaluator": None,
    "usefulness": {
        "rare": "A",
        "scores": {
            "synthetic": {"accuracy": {"mean": 71.25, "interval": 1.5, "values": [70, 72.5]}, "n": 84},
            "real": {"accuracy": {"mean": 80.0, "deviation": 0.25}, "n": 90},
        },
    },
    "metrics": {"rows": {"synthetic": {"context_fid": {"mean": 0.033333, "interval": None}}}},
}


def test_every_number_stands_in_a_table() -> None:
    tables = {table.title: table for table in evaluated.tables(FOUND)}
    assert tables[""].rows == [("kind", "series"), ("n_test", "456")]
    scores = tables["usefulness: scores"]
    assert scores.head == ("", "accuracy", "n")
    assert scores.rows == [["synthetic", "71.25 ± 1.5", "84"], ["real", "80 ± 0.25", "90"]]
    assert tables["metrics: rows"].rows == [["synthetic", "0.03333"]]
    assert tables["usefulness"].rows == [("rare", "A")]


def test_rows_may_lack_columns() -> None:
    (table,) = evaluated.tables({"scores": {"a": {"x": 1, "floor": 0.5}, "b": {"x": 2}}})
    assert table.rows == [["a", "1", "0.5"], ["b", "2", "-"]]
