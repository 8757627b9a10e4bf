"""Properties that hold for all inputs, searched by hypothesis."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import helpers
from synthgen import seeds
from synthgen.base import json_files
from synthgen.conditions.classes import Classes
from synthgen.errors import RecipeError
from synthgen.fields import Image, Label, Number
from synthgen.generate import plan as plans
from synthgen.generate.plan import Plan
from synthgen.parts.protocols import Encoded
from synthgen.parts.registry import Plugins
from synthgen.recipe import rules, yaml_text
from synthgen.recipe.recipe import DatasetRecipe
from synthgen.writers.parquet import Parquet
from synthgen.writers.webdataset import WebDataset

settings.register_profile(
    "synthgen", deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("synthgen")

TOY = Plugins([helpers.TOY])
QUOTAS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 60), min_size=1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def plan_of(**changes: Any) -> Plan:
    return plans.build(DatasetRecipe.model_validate(helpers.toy(**changes)), TOY)


@given(st.integers(1, 500), st.integers(1, 70), st.integers(0, 3))
def test_a_plan_partitions_its_slots(samples: int, shard_size: int, seed: int) -> None:
    found = plan_of(samples=samples, shard_size=shard_size, seed=seed)
    assert [index for shard in range(found.n_shards) for index in found.shard_range(shard)] == list(range(samples))
    assert all(len(found.shard_range(shard)) == shard_size for shard in range(found.n_shards - 1))


@given(QUOTAS)
def test_quotas_are_exact_and_every_prefix_is_close(quotas: dict[str, int]) -> None:
    part = Classes(Classes.Config(quotas=quotas))
    labels = [part.condition(index)[0]["label"] for index in range(part.samples)]
    assert Counter(part.fields["label"].classes[label] for label in labels) == quotas
    counts = np.zeros(len(quotas))
    for n, label in enumerate(labels, 1):
        counts[label] += 1
        expected = n * np.array(list(quotas.values())) / part.samples
        assert np.abs(counts - expected).max() <= len(quotas)


@given(st.dictionaries(st.sampled_from(["seed", "shard_size", "batch_size", "tries"]), st.integers(1, 9)), st.randoms())
def test_a_digest_ignores_the_order_of_keys(changes: dict[str, int], random: Any) -> None:
    recipe = helpers.toy(**changes)
    keys = list(recipe)
    random.shuffle(keys)
    shuffled = plans.build(DatasetRecipe.model_validate({key: recipe[key] for key in keys}), TOY)
    assert shuffled.digest == plan_of(**changes).digest


@given(JSON)
def test_canonical_json_reads_back(value: Any) -> None:
    assert json.loads(json_files.canonical(value)) == value


@given(st.lists(st.tuples(st.integers(), st.text(max_size=5), st.integers(0), st.integers(0)), max_size=20))
def test_seeds_are_distinct(places: list[tuple[int, str, int, int]]) -> None:
    found = {seeds.seed_of(*place) for place in places}
    assert len(found) == len(set(places))
    assert all(0 <= seed < 1 << seeds.SEED_BITS for seed in found)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_in_our_words(text: str) -> None:
    try:
        yaml_text.parse(text, "f")
    except RecipeError as error:
        assert all(problem.startswith("f:") for problem in error.problems)


@given(JSON.filter(lambda value: value is not None))
def test_json_is_yaml(value: Any) -> None:
    assert yaml_text.parse(json.dumps(value), "f").data == value


@given(st.sampled_from(sorted(rules.OPERATORS)), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_rule_and_its_text_decide_alike(operator: str, threshold: float, value: float) -> None:
    rule = rules.parse(f"s {operator} {threshold!r}", ["s"])
    assert rules.parse(str(rule), ["s"]) == rule
    assert rule.holds({"s": value}) == eval(f"value {operator} threshold", {}, {"value": value, "threshold": threshold})


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([1, 3]),
    st.sampled_from(["png", "webp"]),
    st.integers(0, 2**32),
)
def test_lossless_pictures_round_trip(height: int, width: int, channels: int, codec: Any, seed: int) -> None:
    kind = Image(height, width, channels, codec)
    value = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    assert np.array_equal(kind.decode(kind.encode(value)), value)


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=1500), st.integers(0, 2), st.floats(allow_nan=False)), max_size=8)
)
def test_files_give_back_what_was_put_in(rows: list[tuple[bytes, int, float]]) -> None:
    schema = {"image": Image(1, 1, 1), "label": Label(("a", "b", "c")), "score": Number()}
    samples = [
        Encoded(f"s{i:09d}", "train", {"image": raw, "label": label, "score": score}, {"index": i})
        for i, (raw, label, score) in enumerate(rows)
    ]
    file = io.BytesIO()
    members = WebDataset(WebDataset.Config()).write(file, samples, schema)
    for sample, member in zip(samples, members, strict=True):
        record = WebDataset.record(file.getvalue()[member.offset : member.offset + member.length], schema)
        assert {name: schema[name].decode(record[name]) for name in ("label", "score")} == {
            name: sample.values[name] for name in ("label", "score")
        }
        assert record["image"] == sample.values["image"]
    other = io.BytesIO()
    other.close = lambda: None  # type: ignore[method-assign]
    assert len(Parquet(Parquet.Config()).write(other, samples, schema)) == len(samples)
