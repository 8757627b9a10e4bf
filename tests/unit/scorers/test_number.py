"""`use: number`: a field's numbers as scores."""

from __future__ import annotations

import tiny
from synthgen.fields import Label, Number
from synthgen.scorers.number import NumberScore


def test_a_score_is_the_number_in_the_field() -> None:
    schema, columns = tiny.answers(3)
    part = NumberScore(NumberScore.Config(field="log_likelihood"))
    assert part.bind(schema) == []
    assert part.annotate(columns, [0, 1, 2]) == {"log_likelihood_score": [-0.5, -1.5, -2.5]}
    named = NumberScore(NumberScore.Config(field="log_likelihood", name="sure"))
    assert named.bind({"log_likelihood": Number("nat")}) == [] and named.fields == {"sure": Number("nat")}


def test_other_fields_are_refused() -> None:
    part = NumberScore(NumberScore.Config(field="kind"))
    (problem,) = part.bind({"kind": Label(("a", "b")), "finished": Number()})
    assert problem.message == "unknown field of numbers `kind`; accepted: finished"
    assert problem.place == ("field",)
