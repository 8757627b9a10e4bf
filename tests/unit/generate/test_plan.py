"""The plan: slots, splits, digest and what the parts know of each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import helpers
from synthgen import api
from synthgen.errors import PluginError, RecipeError, UsageError
from synthgen.generate import plan


def problems(tmp_path: Path, **changes: object) -> str:
    with pytest.raises(RecipeError) as caught:
        helpers.plan_of(tmp_path, **changes)
    return str(caught.value)


def test_shards_partition_the_slots(tmp_path: Path) -> None:
    found = helpers.plan_of(tmp_path, samples=43)
    assert found.n_shards == 5
    slots = [slot for shard in range(found.n_shards) for slot in found.slots(shard)]
    assert [slot.index for slot in slots] == list(range(43))
    assert [slot.key for slot in slots] == sorted({slot.key for slot in slots})


def test_quotas_are_exact_and_the_same_for_every_size(tmp_path: Path) -> None:
    small, large = helpers.plan_of(tmp_path), helpers.plan_of(tmp_path, samples=80)
    assert small.class_counts() == {"dark": 24, "bright": 16}
    assert large.class_counts() == {"dark": 48, "bright": 32}
    assert [large.slot(i) for i in range(40)] == [small.slot(i) for i in range(40)]


def test_splits_have_their_shares_in_every_class(tmp_path: Path) -> None:
    found = helpers.plan_of(tmp_path)
    counts = Counter((slot.condition["label"], slot.split) for shard in range(4) for slot in found.slots(shard))
    assert counts == {(0, "train"): 19, (0, "val"): 5, (1, "train"): 13, (1, "val"): 3}


def test_shipped_recipes_have_the_shares_that_they_name() -> None:
    found = api.prepare(helpers.ROOT / "recipes" / "segmentation.yaml").plan
    slots = [found.slot(index) for index in range(found.n_samples)]
    assert Counter(slot.split for slot in slots) == {"train": 400, "val": 50, "test": 50}
    assert Counter(slot.split for slot in slots if slot.condition["label"] == 1) == {"train": 80, "val": 10, "test": 10}
    assert Counter(slot.split for slot in slots[:20]) == {"train": 16, "val": 2, "test": 2}


SAME = [
    {"name": "other"},
    {"description": "words"},
    {"samples": 100},
    {"tries": 3},
    {"keep": ["brightness>=0.30"]},
    {"splits": {"val": 0.2, "train": 0.8}},
    {"condition": {"use": "classes", "quotas": {"dark": 48, "bright": 32}}},
]
OTHER = [
    {"seed": 8},
    {"shard_size": 20},
    {"batch_size": 8},
    {"splits": {"train": 0.7, "val": 0.3}},
    {"condition": {"use": "classes", "quotas": {"bright": 16, "dark": 24}}},
    {"condition": {"use": "classes", "quotas": {"dark": 24, "bright": 17}}},
    {"sampler": {"use": "smooth", "size": 5}},
    {"scorers": [{"use": "brightness", "noise": 0.2}]},
    {"keep": []},
    {"output": {"writers": ["parquet", "webdataset"]}},
    {"output": {"writers": ["webdataset", "parquet"], "image_format": "webp"}},
]


def test_the_digest_is_the_content_s(tmp_path: Path) -> None:
    base = helpers.plan_of(tmp_path)
    for changes in SAME:
        assert helpers.plan_of(tmp_path, **changes).digest == base.digest, changes
    digests = {helpers.plan_of(tmp_path, **changes).digest for changes in OTHER} | {base.digest}
    assert len(digests) == len(OTHER) + 1


def test_differences_are_named_by_key(tmp_path: Path) -> None:
    base, other = helpers.plan_of(tmp_path), helpers.plan_of(tmp_path, seed=8, sampler={"use": "smooth", "size": 5})
    lines = list(plan.differences(base.identity, other.identity))
    assert "seed: 7 -> 8" in lines
    assert "sampler.size: 4 -> 5" in lines
    assert not list(plan.differences(base.identity, base.identity))


def test_what_only_the_parts_together_know(tmp_path: Path) -> None:
    assert "did you mean `brightness`?" in problems(tmp_path, keep=["brightnes >= 1"])
    assert "keep.0: must have the form" in problems(tmp_path, keep=["brightness"])
    twice = [{"use": "brightness"}, {"use": "brightness"}]
    assert "scorers.1: adds the field `brightness`, which exists already" in problems(tmp_path, scorers=twice)
    missing = {"use": "class-conditional", "model": "starter/nothing"}
    assert "plan.yaml" in problems(tmp_path, sampler=missing)
    assert "sampler" in problems(tmp_path, sampler=missing)


def test_a_field_must_be_about_one_that_samples_have(tmp_path: Path) -> None:
    """Found by the plan, before anything is generated."""
    plugin = [str(helpers.ROOT / "tests" / "text_plugin.py")]
    changes = {"labelers": [], "scorers": [], "keep": []}
    recipe = helpers.toy(sampler={"use": "phrases", "fields": ["slots", "text", "answers"]}, **changes)
    with pytest.raises(
        RecipeError, match="adds the field `slots`, which is about a field `utterance` that samples"
    ) as e:
        api.prepare(helpers.write(tmp_path, recipe), plugin_files=plugin)
    assert "answers" not in str(e.value)
    recipe["sampler"]["fields"].append("utterance")
    assert list(api.prepare(helpers.write(tmp_path, recipe), plugin_files=plugin).plan.schema) == [
        "slots",
        "text",
        "answers",
        "utterance",
    ]


def write_plugin(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(Path(helpers.TOY).read_text() + body)
    return path


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def bad(self): return {'image': Image(4, 4, 3), 'key': Number()}", "adds the field `key`"),
        ("def bad(self): return {'image': Image(4, 4, 3), 'label': Number()}", "adds the field `label`, which exists"),
    ],
)
def test_fields_that_cannot_be(tmp_path: Path, body: str, message: str) -> None:
    body = f"\n{body}\nSmooth.fields = property(bad, lambda self, value: None)\n"
    recipe = helpers.write(tmp_path, helpers.toy())
    with pytest.raises(RecipeError, match=message):
        api.prepare(recipe, plugin_files=[str(write_plugin(tmp_path, body))])


def test_identities_are_json(tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path, "\nSmooth.identity = lambda self: {'size': {4}}\n")
    with pytest.raises(PluginError, match="not made of JSON values"):
        api.prepare(helpers.write(tmp_path, helpers.toy()), plugin_files=[str(plugin)])


def test_the_text_of_a_local_plugin_belongs_to_the_digest(tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy())
    base = api.prepare(recipe, plugin_files=[helpers.TOY]).plan
    changed = api.prepare(recipe, plugin_files=[str(write_plugin(tmp_path, "\n# a comment\n"))]).plan
    assert changed.digest != base.digest


def test_a_model_recipe_is_no_dataset() -> None:
    with pytest.raises(UsageError, match="use `synthgen train"):
        api.prepare(helpers.ROOT / "recipes" / "train" / "classification.yaml")


def starter_problems(tmp_path: Path, name: str, *changes: tuple[str, str]) -> list[str]:
    """The problems of a recipe that ships, with some of its text changed, as `place: message` without the file."""
    text = (helpers.ROOT / "recipes" / f"{name}.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        api.prepare(path)
    return [problem.split(": ", 1)[1] for problem in caught.value.problems]


CLASSES = ("  use: classes\n", "  use: clases\n")
TOGETHER = [
    (
        "classification",
        [("  guidance: 2.0", "  guidence: 2.0"), ("  steps: 10", "  steps: -3"), ("agreement >=", "agrement >=")],
        ["sampler.steps: must be", "sampler.guidence: unknown key", "keep.0: unknown score `agrement`"],
    ),
    (
        "classification",
        [("test: 0.1}", "test: 0.3}"), ("agreement >= 0.5", "agreement > banana")],
        ["splits: the shares must add up", "keep.0: must have the form"],
    ),
    (
        "segmentation",
        [("prompts: boxes", "prompts: boxen"), ("of: instances", "of: instnces"), ("colour: 100", "color: 100")],
        [
            "sampler: model starter/nuclei: unknown class `color`",
            "sampler: model starter/nuclei-layouts: unknown class `color`",
            "labelers.2: takes its prompts from `instnces`",
            "labelers.2.prompts: must be 'boxes'",
        ],
    ),
    (
        "segmentation",
        [
            ("size: 96", "size: 97"),
            ("starter/nuclei-layouts", "starter/nuclei-layots"),
            ("predicted: sam_instances", "predicted: sam_instance"),
            ("filter_dice >=", "filtr_dice >="),
        ],
        [
            "sampler: no starter is called starter/nuclei-layots",
            "sampler: generates images whose sides are multiples of 16",
            "scorers.0: `sam_instance` is no instance map",
            "keep.1: unknown score `filtr_dice`",
        ],
    ),
    (
        "classification",
        [("seed: 0", "seed: 0\nseed: 1"), ("  steps: 10", "  steps: -3"), ("agreement >=", "agrement >=")],
        ["seed: given twice, first in line 8", "sampler.steps: must be", "keep.0: unknown score `agrement`"],
    ),
    ("segmentation", [CLASSES, ("filter_dice >=", "filtr_dice >=")], ["condition.use: unknown", "keep.1: unknown"]),
]
FOLLOWED = [
    ("segmentation", [CLASSES], ["condition.use: unknown condition `clases`"]),
    ("segmentation", [("model: starter/nuclei\n", "model: models/nuclei\n")], ["sampler: model folder models/nuclei"]),
    ("segmentation", [("use: segmenter ", "use: segmentr ")], ["labelers.3.use: unknown labeler `segmentr`"]),
    ("segmentation", [("of: instances", "of: instnces")], ["labelers.2: takes its prompts from `instnces`"]),
    ("classification", [("use: agreement", "use: agrement")], ["scorers.0.use: unknown scorer `agrement`"]),
    ("classification", [("seed: 0", "sampler: {use: smooth}")], ["sampler: given twice, first in line 8"]),
]


@pytest.mark.parametrize(("name", "changes", "found"), [*TOGETHER, *FOLLOWED])
def test_one_reading_finds_every_cause_and_no_consequence(tmp_path: Path, name: str, changes, found) -> None:
    problems = starter_problems(tmp_path, name, *changes)
    assert len(problems) == len(found), problems
    for problem, start in zip(problems, found, strict=True):
        assert problem.startswith(start)


def test_a_setting_that_is_wrong_is_not_missed_as_well(tmp_path: Path) -> None:
    """A hub's model needs a size: one that cannot be read is no missing one."""
    sampler = {"use": "text-to-image", "model": f"owner/name@{'0' * 40}", "size": "large"}
    condition = {"use": "prompts", "template": "a {animal}", "axes": {"animal": ["cat"]}}
    changes = {"condition": condition, "labelers": None, "scorers": None, "keep": None, "samples": 4}
    assert problems(tmp_path, sampler=sampler, **changes).count("\n") == 0
    del sampler["size"]
    assert "how large the images are to be must be said" in problems(tmp_path, sampler=sampler, **changes)


def test_classes_of_a_huge_plan_are_counted_by_arithmetic(tmp_path: Path) -> None:
    found = helpers.plan_of(tmp_path, samples=10**9, shard_size=1000)
    assert found.class_counts() == {"dark": 600_000_000, "bright": 400_000_000}
    assert found.slots(999_999)[-1].index == 10**9 - 1
    for n in (1, 7, 41):
        plan = helpers.plan_of(tmp_path, samples=n)
        counted = Counter(("dark", "bright")[plan.slot(i).condition["label"]] for i in range(n))
        assert plan.class_counts() == {name: counted[name] for name in ("dark", "bright")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 2 * 10**9}, "at most 1,000,000,000 samples have keys"),
        ({"samples": 10**9, "shard_size": 1}, "at most 1,000,000 are made: set it to 1000 or more"),
        ({"condition": {"use": "classes", "quotas": {"dark": 10**21, "bright": 7}}}, "greatest common divisor 1, so"),
        ({"condition": {"use": "classes", "quotas": {"d" * 300: 1}}}, "has a class whose name has 300 characters"),
        ({"name": "n" * 300}, "must have at most 100 characters"),
        ({"splits": {"s" * 300: 1.0}}, "lower-case word of at most 50 characters"),
        ({"scorers": [{"use": "brightness", "noise": 1}], "keep": ["brightness >= 1e999"]}, "too large for a number"),
    ],
)
def test_sizes_and_names_have_bounds_with_a_reason(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    assert message in problems(tmp_path, **changes)
