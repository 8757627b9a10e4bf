"""Classes by quota: quotas from scores, and samples of two classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import helpers
from synthgen.conditions.classes import Classes
from synthgen.errors import DataError, RecipeError


def made(**settings: object) -> Classes:
    return Classes(Classes.Config.model_validate(settings))


def scores(folder: Path, labels: list[str], losses: list[float]) -> str:
    path = folder / "scores.parquet"
    pq.write_table(pa.table({"label": labels, "loss": losses}), path)
    return str(path)


def test_classes_with_greater_losses_get_more(tmp_path: Path) -> None:
    path = scores(tmp_path, ["cat", "dog", "cat", "owl"], [3.0, 1.0, 1.0, 0.0])
    part = made(quotas={"by": path, "samples": 103})
    assert part.fields["label"].classes == ("cat", "dog", "owl")  # type: ignore[attr-defined]
    assert part.class_counts(103) == [68, 34, 1], "one each, and 2 to 1 to 0 of the rest"
    assert part.samples == 103
    assert part.identity() == made(quotas={"cat": 68, "dog": 34, "owl": 1}).identity(), "the file is not in it"
    [source] = part.sources
    assert source.name == "scores.parquet"
    note = "quotas are of the 3 classes with scores: cat 68, dog 34, owl 1; other classes get no samples"
    assert source.details["notes"] == (note,)


def test_columns_may_be_called_otherwise(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("class,entropy\ncat,0.5\ndog,1.5\n")
    part = made(quotas={"by": str(tmp_path / "scores.csv"), "samples": 10, "label": "class", "score": "entropy"})
    assert part.class_counts(10) == [3, 7]


def test_wrong_scores_are_named_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("label,loss\ncat,-1\n,2\ndog,nan\nowl,much\n")
    with pytest.raises(DataError) as caught:
        made(quotas={"by": str(tmp_path / "s.csv"), "samples": 10})
    text = str(caught.value)
    for line, what in ((2, "'-1'"), (3, "label"), (4, "'nan'"), (5, "'much'")):
        assert f"s.csv:{line}" in text and what in text
    with pytest.raises(DataError, match="no such file"):
        made(quotas={"by": "nowhere.parquet", "samples": 10})
    with pytest.raises(DataError, match="all scores are 0"):
        made(quotas={"by": scores(tmp_path, ["a", "b"], [0, 0]), "samples": 10})
    with pytest.raises(DataError, match="has 2 classes; each has one"):
        made(quotas={"by": scores(tmp_path, ["a", "b"], [1, 0]), "samples": 1})
    with pytest.raises(DataError, match="did you mean `los`"):
        (tmp_path / "s.csv").write_text("label,los\ncat,1\n")
        made(quotas={"by": str(tmp_path / "s.csv"), "samples": 10})


@pytest.mark.parametrize(
    ("quotas", "message"),
    [
        ({"cat": 0}, r"condition\.quotas\.cat: must be greater than or equal to 1 \(got 0\)"),
        ({}, r"condition\.quotas: .*at least 1"),
        ({"by": "a.csv"}, r"condition\.quotas\.samples: is required"),
        ({"by": "a.csv", "sample": 3}, r"condition\.quotas\.sample: .*did you mean `samples`"),
    ],
)
def test_quotas_have_one_message_for_one_mistake(tmp_path: Path, quotas: object, message: str) -> None:
    changes = {"condition": {"use": "classes", "quotas": quotas}}
    with pytest.raises(RecipeError, match=message) as caught:
        helpers.plan_of(tmp_path, **changes)
    assert "scores." not in str(caught.value) and "counts." not in str(caught.value)


def test_a_class_may_be_called_by() -> None:
    assert made(quotas={"by": 2, "at": 3}).class_counts(5) == [2, 3]


def test_mixed_samples_are_of_two_classes_at_fixed_places() -> None:
    part = made(quotas={"cat": 50, "dog": 25, "owl": 25}, mix={"share": 0.5, "pairs": [["cat", "dog"]], "most": 0.8})
    rows = [part.condition(i)[0] for i in range(1000)]
    for row in rows:
        part.fields["soft_label"].check("soft_label", row["soft_label"])
        assert row["soft_label"].argmax() == row["label"] or row["soft_label"].max() == pytest.approx(0.5, abs=1e-6)
    mixed = [row["soft_label"] for row in rows if row["soft_label"].max() < 1]
    assert all(soft[2] == 0 for soft in mixed), "owls have no partner"
    assert 0.32 < len(mixed) / 1000 < 0.43, "half of three quarters"
    assert max(soft.max() for soft in mixed) <= 0.8
    again = made(quotas={"cat": 50, "dog": 25, "owl": 25}, mix={"share": 0.5, "pairs": [["cat", "dog"]], "most": 0.8})
    assert np.array_equal(rows[77]["soft_label"], again.condition(77)[0]["soft_label"])
    assert part.identity() != made(quotas={"cat": 50, "dog": 25, "owl": 25}, mix={"share": 0.5}).identity()


def test_wrong_pairs_are_named() -> None:
    with pytest.raises(DataError) as caught:
        made(quotas={"cat": 1, "dog": 1}, mix={"share": 0.5, "pairs": [["cat", "dot"], ["dog", "dog"]]})
    assert "did you mean `dog`?" in str(caught.value) and "dog stands twice" in str(caught.value)
    with pytest.raises(DataError, match="needs two classes"):
        made(quotas={"cat": 1}, mix={"share": 0.5})


def test_a_sampler_that_cannot_mix_is_refused(tmp_path: Path) -> None:
    """Else samples of one class would get soft labels of two."""
    changes = {"condition": {"use": "classes", "quotas": {"dark": 24, "bright": 16}, "mix": {"share": 1.0}}}
    with pytest.raises(RecipeError, match=r":\d+: condition\.mix: .*soft labels would be wrong.*`use: class-cond") as e:
        helpers.plan_of(tmp_path, **changes)
    assert len(e.value.messages) == 1
    model = {"use": "class-conditional", "model": "starter/fashion-mnist"}
    mixed = {"condition": {"use": "classes", "quotas": {"Shirt": 24, "Coat": 16}, "mix": {"share": 1.0}}}
    helpers.plan_of(tmp_path, **mixed, sampler=model)
