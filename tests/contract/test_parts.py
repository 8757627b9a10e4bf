"""What every part promises, whoever wrote it: one row a part; a new part adds its row here."""

from __future__ import annotations

import copy
import io
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import helpers
import tiny
from synthgen import seeds
from synthgen.fields import Columns, Events, Image, Label, Schema, Series, check_columns
from synthgen.models import folders
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Encoded, Slot
from synthgen.parts.registry import PARTS, Plugins
from synthgen.recipe.reading import load_recipe

PLUGINS = Plugins([helpers.TOY])
RECIPES = helpers.ROOT / "recipes"
STARTER, FILTER = "starter/fashion-mnist", "starter/fashion-mnist-filter"
CLASSES = ("Bag", "Sneaker", "Shirt")
CLOTHES = Label(CLASSES)


Given = Callable[[int], tuple[Schema, Columns]]


def clothes(n: int) -> tuple[Schema, Columns]:
    """A condition of classes that the starter knows."""
    return {"label": CLOTHES}, {"label": [i % len(CLASSES) for i in range(n)]}


def pictures(n: int) -> tuple[Schema, Columns]:
    """Images of the size that the starter generates, and classes."""
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (28, 28, 1), dtype=np.uint8) for _ in range(n)]
    schema = {"condition.label": CLOTHES, "image": Image(28, 28, 1)}
    return schema, {"condition.label": [i % len(CLASSES) for i in range(n)], "image": images}


def kinds(n: int) -> tuple[Schema, Columns]:
    return {"label": Label(("dots", "border"))}, {"label": [i % 2 for i in range(n)]}


@dataclass(frozen=True)
class Row:
    """A part with settings that make it small and fast, and what it is given: a condition, or columns.

    Settings whose values are functions are made when the part is, so that collecting tests makes no models.
    """

    role: str
    name: str
    settings: dict[str, Any]
    given: Given | None = None

    def values(self) -> dict[str, Any]:
        return {name: value() if callable(value) else value for name, value in self.settings.items()}

    def make(self) -> Any:
        cls: Any = PLUGINS.find(self.role, self.name)
        return cls(cls.Config.model_validate(self.values()))


SAM = {"model": tiny.segment_anything, "min_area_px": 1}
L2I = {"model": tiny.layout_to_image, "steps": 2}
SAID = {"cell": "a cell", "dirt": "dirt"}
ANIMALS = {"cat": "cat", "hound": "dog"}
SEEN = {"min_presence": 0.0, "levels": [0.2, 0.6]}
FEW_OR_MANY = {"few": (0, 2), "many": (9, 12)}
FEW = {"steps": 2, "size": [32, 32]}
T2I = {"model": tiny.stable_diffusion, "steps": 2}
PHOTO = {"size": [32, 32]}
CONTROL = {"controlnet": tiny.controlnet, "control": "segmentation"}
CITIES = {"a": {"city": tiny.cities()}}
WEATHER = {"vary": {"weather": ["rain", "fog"]}}
STREETS = {"data": tiny.street_data, "size": [32, 24]}
LM = {"model": tiny.llama, "max_new_tokens": 12}
REGIONS = {"cat": {"samples": 2, "side_px": (8, 20)}, "dog": {"samples": 1, "side_px": (9, 9)}}
ROWS = [
    Row("conditions", "real-layouts", {"data": tiny.mask_data, "size": 32, "quotas": {"colour": 1, "grey": 2}}),
    Row("conditions", "real-layouts", {"data": tiny.mask_data, "size": 64, "turn": True}),
    Row(
        "conditions",
        "placed-objects",
        {"data": tiny.mask_data, "size": 32, "densities": {"few": (0, 2), "many": (9, 12)}},
    ),
    Row("conditions", "real-layouts", {**STREETS, "mirror": True, "require": {"person": 1, "anything": 3}}),
    Row("conditions", "edited-layouts", {**STREETS, "paste": {"car": 0.5, "person": 0.5}, "require": {"person": 1}}),
    Row("conditions", "edited-layouts", {"data": tiny.mask_data, "size": 32, "turn": True, "paste": {"cell": 1}}),
    Row("conditions", "masked-images", {**STREETS, "mirror": True}),
    Row("conditions", "prompts", {"template": "a {a}", "axes": {"a": ["cat", "dog"]}, "label": "a"}),
    Row("conditions", "prompts", {"template": "a {a}", "axes": {"a": {"cat": 2, "dog": 1}}, "combine": "grid"}),
    Row("conditions", "masked-images", {"data": tiny.mask_data, "size": 32, "turn": True, **WEATHER}),
    Row("conditions", "images", {"path": tiny.photos, "size": [32, 24], **WEATHER}),
    Row("conditions", "images", {"path": "sklearn:photos", "size": [32, 32], "quotas": {"images": 3}}),
    Row("conditions", "images", {"path": tiny.photos, "size": [32, 32], "quotas": {"dog": 2, "cat": 1}}),
    Row("conditions", "random-regions", {"path": tiny.photos, "size": [32, 40], "objects": REGIONS, **WEATHER}),
    Row("conditions", "random-regions", {"path": tiny.photos, "size": [24, 24], "objects": REGIONS, "shape": "box"}),
    Row("conditions", "prompt-file", {"path": tiny.prompt_table, "label": "animal"}),
    Row(
        "conditions",
        "random-boxes",
        {"size": 32, "objects": {"cell": {"count": (1, 4), "side_px": (4, 9)}}, "shape": "ellipse"},
    ),
    Row("conditions", "random-boxes", {"size": 32, "objects": {"cell": {"count": (1, 4), "side_px": (4, 9)}}}),
    Row("samplers", "layout-to-image", L2I, tiny.layout_condition),
    Row(
        "samplers",
        "layout-to-image",
        {**L2I, "guidance": 2.0, "layout_model": tiny.layouts},
        tiny.style_condition,
    ),
    Row(
        "samplers",
        "layout-to-image",
        {**L2I, "model": tiny.one_style},
        tiny.box_condition,
    ),
    Row("samplers", "layout-to-image", {**L2I, "model": tiny.street_painter}, tiny.street_condition),
    Row("samplers", "layout-to-image", {**L2I, "guidance": 2.0, "strength": 0.5}, tiny.masked_condition),
    Row("samplers", "text-to-image", {"model": tiny.stable_diffusion, "steps": 2}, tiny.prompts),
    Row("samplers", "text-to-image", {"model": tiny.stable_diffusion, "steps": 2, "guidance": 1.0}, tiny.prompts),
    Row("samplers", "text-to-image", {**T2I, "prompt": "a {label}", "guidance": [1.0, 2.5, 4.0]}, tiny.style_condition),
    Row("samplers", "text-to-image", {"model": tiny.stable_diffusion_xl, **FEW}, tiny.prompts),
    Row("samplers", "text-to-image", {"model": tiny.stable_diffusion_3, **FEW, "guidance": [1.5, 3.0]}, tiny.prompts),
    Row("samplers", "text-to-image", {"model": tiny.flux, **FEW, "guidance": [2.0, 3.5]}, tiny.prompts),
    Row("samplers", "text-to-image", {"model": tiny.qwen_image, **FEW, "guidance": [2.0, 3.5]}, tiny.prompts),
    Row("samplers", "text-to-image", {"model": tiny.z_image, **FEW, "negative_prompt": "fog"}, tiny.prompts),
    Row("samplers", "image-to-image", {**T2I, **PHOTO}, tiny.photo_condition),
    Row("samplers", "image-to-image", {**PHOTO, "model": tiny.stable_diffusion_xl, "steps": 4}, tiny.photo_condition),
    Row("samplers", "inpaint", {**T2I, **PHOTO, "grow_px": 2}, tiny.photo_condition),
    Row("samplers", "inpaint", {**PHOTO, "model": tiny.flux, "steps": 2, "redraw": "background"}, tiny.photo_condition),
    Row("samplers", "controlnet", {**T2I, **PHOTO, **CONTROL}, tiny.photo_condition),
    Row("samplers", "controlnet", {**T2I, **PHOTO, **CONTROL, "control": "outlines"}, tiny.photo_condition),
    Row("samplers", "controlnet", {**T2I, **PHOTO, **CONTROL, "control": "edges"}, tiny.photo_condition),
    Row(
        "samplers",
        "controlnet",
        {**FEW, **PHOTO, "model": tiny.stable_diffusion_xl, "controlnet": tiny.controlnet_xl, "control": "picture"},
        tiny.photo_condition,
    ),
    Row("samplers", "causal-lm", LM, tiny.prompts),
    Row("samplers", "causal-lm", {**LM, "parse": "chat", "system": "Be brief.", "top_p": 0.9, "rows": 2}, tiny.prompts),
    Row("samplers", "causal-lm", {**LM, "model": tiny.gemma3_text, "prompt": "a {label}"}, tiny.style_condition),
    Row("samplers", "diffusion-lm", {**LM, "model": tiny.diffusion_gemma, "steps": 3, "parse": "chat"}, tiny.prompts),
    Row("samplers", "diffusion-lm", {**LM, "model": tiny.bert, "steps": 4, "block_length": 8}, tiny.prompts),
    Row("labelers", "boxes", {}, tiny.pictures),
    Row("labelers", "segmenter", {"model": tiny.segmenter, "segmentation": "found_classes"}, tiny.pictures),
    Row("labelers", "segmenter", {"model": tiny.street_segmenter}, tiny.street_pictures),
    Row("labelers", "noisy-to-ignore", {"model": tiny.street_segmenter}, tiny.street_pictures),
    Row("scorers", "class-agreement", {"name": "filter", "classes": ["person", "car"]}, tiny.street_pictures),
    Row("labelers", "detector", {"model": tiny.detector, "min_score": 0.0}, tiny.boxed),
    Row("labelers", "noisy-to-ignore", {"model": tiny.segmenter}, tiny.pictures),
    Row("labelers", "segment-anything", {**SAM, "stretch": True}, tiny.pictures),
    Row("labelers", "segment-anything", {**SAM, "prompts": "points", "nms_iou": 1.0, "stretch": True}, tiny.pictures),
    Row("labelers", "segment-anything", {**SAM, "prompts": "auto", "points_per_side": 3}, tiny.pictures),
    Row("labelers", "sam2", {"model": tiny.sam2, "min_area_px": 1}, tiny.pictures),
    Row("labelers", "sam2", {"model": tiny.sam2, "prompts": "points", "nms_iou": 1.0}, tiny.pictures),
    Row(
        "labelers", "sam2", {"model": tiny.sam2, "prompts": "auto", "points_per_side": 3, "nms_iou": 1.0}, tiny.pictures
    ),
    Row("labelers", "sam3-tracker", {"model": tiny.sam3_tracker, "min_area_px": 1}, tiny.pictures),
    Row("labelers", "sam3-tracker", {"model": tiny.sam3_tracker, "prompts": "points", "nms_iou": 1.0}, tiny.pictures),
    Row("labelers", "sam3", {"model": tiny.sam3, "objects": SAID, "min_score": 0.0, "min_area_px": 1}, tiny.pictures),
    Row("labelers", "segment-anything", {**SAM, "of": "found_boxes", "nms_iou": 1.0, "field": "cut"}, tiny.asked),
    Row("labelers", "sam2", {"model": tiny.sam2, "of": "found_boxes", "min_area_px": 1, "field": "cut"}, tiny.asked),
    Row("labelers", "owlv2", {"model": tiny.owlv2, "objects": SAID, "min_score": 0.0}, tiny.pictures),
    Row("labelers", "owlv2", {"model": tiny.owlv2, "objects": SAID, "nms_iou": 1.0, "max_boxes": 3}, tiny.pictures),
    Row("labelers", "grounding-dino", {"model": tiny.grounding_dino, "objects": SAID, "max_boxes": 9}, tiny.pictures),
    Row("labelers", "grounding-dino", {"model": tiny.grounding_dino, "objects": {"cell": "a cell"}}, tiny.pictures),
    Row("labelers", "zero-shot-class", {"model": tiny.clip, "classes": SAID}, tiny.pictures),
    Row("labelers", "zero-shot-class", {"model": tiny.siglip, "classes": SAID, "field": "kind"}, tiny.pictures),
    Row("labelers", "model-features", {"model": tiny.class_head}, tiny.small_pictures),
    Row("labelers", "model-features", {"model": tiny.class_head, "soft": "soft_label"}, tiny.small_pictures),
    Row("labelers", "class-label", {}, tiny.shown_mixes),
    Row("labelers", "depth", {"model": tiny.depth_anything}, tiny.pictures),
    Row("labelers", "anomalies", {"count": [1, 3], "length": [4, 8]}, tiny.normal_series),
    Row("labelers", "anomalies", {"length": [6, 9], "model": tiny.series, "steps": 2}, tiny.normal_series),
    Row("labelers", "denoising-error", {"model": tiny.series, "block": 4, "repeats": 2}, tiny.normal_series),
    Row("labelers", "step-classes", {"model": tiny.step_head}, tiny.normal_series),
    Row("labelers", "denoising-error", {"model": tiny.series, "mask": "none", "sigma": [1]}, tiny.normal_series),
    Row("scorers", "peak", {"field": "series"}, tiny.normal_series),
    Row("scorers", "clip-similarity", {"model": tiny.clip}, tiny.asked),
    Row("scorers", "clip-similarity", {"model": tiny.siglip, "text": "a photo of a {animal}"}, tiny.asked),
    Row("scorers", "presence", {"boxes": "found_boxes", "scores": "found_score", "of": "animal"}, tiny.asked),
    Row("scorers", "number", {"field": "log_likelihood"}, tiny.answers),
    Row("scorers", "image-statistics", {}),
    Row("scorers", "image-statistics", {"real": tiny.real_pictures}, tiny.pictures),
    Row("scorers", "nsfw", {"model": tiny.vit}, tiny.pictures),
    Row("scorers", "near-duplicate", {"folder": tiny.real_pictures}),
    Row("scorers", "near-duplicate", {"folder": tiny.real_pictures, "model": tiny.dinov2}, tiny.pictures),
    Row("scorers", "near-duplicate", {"folder": tiny.real_pictures, "model": tiny.clip, "name": "c"}, tiny.pictures),
    Row(
        "labelers",
        "attention-masks",
        {"model": tiny.stable_diffusion, "objects": ANIMALS, **SEEN},
        tiny.prompted,
    ),
    Row(
        "labelers",
        "attention-masks",
        {"model": tiny.stable_diffusion_xl, "of": "animal", **SEEN},
        tiny.prompted,
    ),
    Row("scorers", "mask-agreement", {"predicted": "found_instances", "name": "found"}, tiny.pictures),
    Row("scorers", "box-agreement", {"predicted": "found_boxes", "name": "found"}, tiny.boxed),
    Row("scorers", "unboxed-foreground", {"boxes": "found_boxes", "min_px": 4}, tiny.boxed),
    Row("trainers", "detector", {"data": tiny.box_data, "steps": 1}),
    Row("trainers", "layout-to-image", {"data": tiny.mask_data, "steps": 1}),
    Row("trainers", "layout", {"data": tiny.mask_data, "steps": 1}),
    Row("trainers", "segmenter", {"data": tiny.mask_data, "steps": 1}),
    Row("trainers", "segment-anything", {"data": tiny.mask_data, "steps": 1}),
    Row("trainers", "text-to-image", {"base": tiny.stable_diffusion, "data": tiny.wall, "steps": 1}),
    Row("conditions", "classes", {"quotas": {"a": 2, "b": 3}}),
    Row("conditions", "classes", {"quotas": {"a": 2, "b": 3}, "mix": {"share": 0.5}}),
    Row("conditions", "classes", {"quotas": tiny.scored_quotas}),
    Row("samplers", "real-series", {}, tiny.whole_series),
    Row("samplers", "real-images", {}, tiny.given_pictures),
    Row("samplers", "real-images", {"channels": 1}, tiny.given_pictures),
    Row("samplers", "class-conditional", {"model": STARTER, "steps": 2}),
    Row("samplers", "class-conditional", {"model": STARTER, "steps": 2, "guidance": 2.0}),
    Row("samplers", "class-conditional", {"model": STARTER, "steps": 2}, tiny.mixed_clothes),
    Row("conditions", "real-series", {"data": tiny.gaps_data, "repeats": 2}),
    Row("conditions", "real-series", {"data": tiny.series_data, "generate": "end", "context_length": 5}),
    Row("conditions", "real-series", {"data": tiny.gaps_data, "generate": "nothing"}),
    Row("conditions", "real-series", {"data": tiny.gaps_data, "generate": "hidden", "hidden_share": 0.2}),
    Row("conditions", "real-series", {"data": tiny.gaps_data, "generate": "variants", "repeats": 2}),
    Row("conditions", "real-texts", {"data": tiny.text_data}),
    Row("conditions", "real-texts", {"data": tiny.text_data, "part": "train", "give": [], "repeats": 2}),
    Row("conditions", "real-texts", {"data": tiny.text_data, "give": {"target": "source"}}),
    Row("conditions", "slot-values", {"quotas": {"a": 2, "b": 1}, "slots": {"*": {"city": ["Lyon", "Bern"]}}}),
    Row(
        "conditions",
        "slot-values",
        {"quotas": {"a": 2}, "slots": CITIES, "optional": {"city": 0.3}, "licence": "cc0-1.0"},
    ),
    Row("conditions", "facts", {"data": tiny.fact_data}),
    Row("conditions", "facts", {"data": tiny.fact_data, "part": "train", "relations": {"river": 2, "mayor": 1}}),
    Row("conditions", "dialogue-plans", {"data": tiny.dialogue_data, "values": {"city": ["Oslo", "Rome"]}}),
    Row("conditions", "dialogue-plans", {"plans": tiny.dialogues, "repeats": 3, "seed": 1}),
    Row("samplers", "text", {"model": tiny.text_model, "steps": 3}, tiny.sources),
    Row("samplers", "text", {"model": tiny.dialogue_model, "steps": 3}, tiny.planned),
    Row("scorers", "plan-values", {}, tiny.planned_dialogues),
    Row("samplers", "text", {"model": tiny.text_model, "steps": 2, "guidance": 2.0, "temperature": 0.5}, tiny.kinds),
    Row("scorers", "language", {"text": "translation"}, tiny.translated),
    Row("scorers", "language", {"text": "question", "language": "en", "among": ["en", "de"]}, tiny.translated),
    Row("scorers", "length-ratio", {"texts": ["translation"]}, tiny.translated),
    Row("scorers", "text-copies", {"data": tiny.text_data}, tiny.translated),
    Row("scorers", "asked-values", {"values": ["source"], "text": "translation.en"}, tiny.translated),
    Row("scorers", "answered", {}, tiny.translated),
    Row("scorers", "text-class", {"model": tiny.text_classifier, "text": "translation.de"}, tiny.translated),
    Row("scorers", "personal-data", {"regions": ["DE"], "languages": ["en", "de"]}, tiny.translated),
    Row("scorers", "round-trip", {"model": tiny.text_model, "steps": 2, "temperature": 0.5}, tiny.translated),
    Row("samplers", "series", {"model": tiny.series, "steps": 3}, tiny.kinds),
    Row("samplers", "series", {"model": tiny.asking_series, "steps": 2}, tiny.partly_known),
    Row("samplers", "series", {"model": tiny.series, "steps": 3, "guidance": 2.0}, tiny.kinds),
    Row("samplers", "series", {"model": tiny.series, "steps": 4, "strength": 0.5}, tiny.varied_series),
    Row("samplers", "series", {"model": tiny.series, "steps": 2, "length": 40, "overlap": 6}, tiny.kinds),
    Row("samplers", "smooth", {"size": 6}),
    Row("samplers", "scenes", {}, kinds),
    Row("samplers", "streets", {}, kinds),
    Row("labelers", "class-label", {}),
    Row("scorers", "agreement", {"model": FILTER}),
    Row("scorers", "agreement", {"model": tiny.class_head, "field": "seen"}, tiny.asked_pictures),
    Row("scorers", "realism", {"model": FILTER, "data": lambda: {"path": tiny.named_pictures()}}),
    Row("scorers", "brightness", {"noise": 0.1}),
    Row("writers", "webdataset", {}),
    Row("writers", "parquet", {}),
    Row("writers", "jsonl", {}),
    Row("trainers", "series", {"data": tiny.series_data, "steps": 1}),
    Row("trainers", "text", {"data": tiny.text_data, "steps": 1, "preset": "tiny"}),
    Row("trainers", "text-classifier", {"data": tiny.text_data}),
    Row("trainers", "class-conditional", {"data": {"path": "sklearn:digits"}, "steps": 1}),
    Row("trainers", "feature-classifier", {"data": {"path": "sklearn:digits"}, "base": STARTER}),
    Row("trainers", "step-classifier", {"data": tiny.state_data, "base": tiny.series}),
    Row("trainers", "classifier", {"data": {"path": "sklearn:digits"}, "steps": 1}),
]


def rows(*roles: str) -> Any:
    chosen = [row for row in ROWS if row.role in roles]
    return pytest.mark.parametrize("row", chosen, ids=lambda row: f"{row.name}-{len(row.settings)}")


def test_every_part_has_its_row() -> None:
    assert {(row.role, row.name) for row in ROWS} == {(role, name) for role in PARTS for name in PLUGINS.names(role)}


@rows(*PARTS)
def test_identity_is_json_and_repeatable(row: Row) -> None:
    identity = dict(row.make().identity())
    assert json.loads(json.dumps(identity, allow_nan=False)) == identity
    assert dict(row.make().identity()) == identity
    assert isinstance(row.make().version, int)


@rows(*PARTS)
def test_unknown_settings_are_refused_and_known_ones_described(row: Row) -> None:
    cls: Any = PLUGINS.find(row.role, row.name)
    with pytest.raises(ValidationError):
        cls.Config.model_validate(row.values() | {"no_such_setting": 1})
    if PLUGINS.origin(row.role, row.name) == "":
        assert cls.__doc__ and cls.Config.__doc__
        assert all(field.description for field in cls.Config.model_fields.values())


@rows(*PARTS)
def test_sources_name_licence_and_hash(row: Row) -> None:
    for source in row.make().sources:
        assert source.kind in ("model", "data")
        assert source.name and source.licence
        assert len(source.sha256) == 64


def slots(columns: Columns) -> list[Slot]:
    n = len(next(iter(columns.values())))
    return [Slot(10 + i, {name: values[i] for name, values in columns.items()}, "train") for i in range(n)]


def seed_list(stream: str, n: int) -> list[int]:
    return [seeds.seed_of(0, stream, 10 + i) for i in range(n)]


def same(a: Any, b: Any) -> bool:
    """Equal values; missing ones are equal to missing ones."""
    x, y = np.asarray(a), np.asarray(b)
    return np.array_equal(x, y, equal_nan=x.dtype.kind == "f")


@rows("conditions")
def test_a_condition_is_a_function_of_the_slot(row: Row) -> None:
    part, again = row.make(), row.make()
    for index in [*range(12), 10**6]:
        values, family = part.condition(index)
        more, other = again.condition(index)
        assert family == other
        assert all(same(values[name], more[name]) for name in part.fields)
        assert set(values) == set(part.fields)
        for name, field in part.fields.items():
            field.check(name, values[name])
    assert part.samples is None or part.samples > 0


@rows("samplers")
def test_samples_are_what_was_declared_and_depend_on_their_own_seed_alone(row: Row) -> None:
    """In a batch of the same size, neighbours in other places do not matter."""
    part = row.make()
    schema, columns = (row.given or clothes)(4)
    assert part.bind(schema) == part.bind(schema) == []
    part.setup("cpu")
    asked, some = slots(columns), seed_list("sampler", 4)
    drawn = part.sample(asked, some)
    check_columns(drawn, part.fields, 4)
    mirrored = part.sample(asked[::-1], some[::-1])
    again = part.sample(asked, some)
    moved = part.sample(asked, [some[0], *seed_list("other", 3)])
    for name in part.fields:
        assert all(same(a, b) for a, b in zip(drawn[name], again[name], strict=True))
        assert all(same(a, b) for a, b in zip(drawn[name], mirrored[name][::-1], strict=True))
        assert same(moved[name][0], drawn[name][0])
        repeatable = ("instances", "segmentation", "prompt", "time", "known", "acts", "finished")
        if name not in schema and name not in repeatable:
            assert not same(moved[name][1], drawn[name][1])


@rows("samplers", "labelers", "scorers")
def test_what_it_cannot_use_is_told_before_setup(row: Row) -> None:
    problems = row.make().bind({})
    assert all(isinstance(problem, Problem) and problem.message for problem in problems)
    assert problems or row.name in ("smooth", "streets", "text")


def taken(columns: Columns, places: Sequence[int]) -> Columns:
    return {name: [values[i] for i in places] for name, values in columns.items()}


def travelled(columns: Columns) -> Columns:
    """As a part gets them that has processes of its own: equal values, whose arrays may be laid out otherwise."""
    return {name: pickle.loads(pickle.dumps(list(values), 5)) for name, values in columns.items()}


@rows("labelers", "scorers")
def test_annotations_are_finite_complete_and_per_sample(row: Row) -> None:
    part = row.make()
    schema, columns = (row.given or pictures)(4)
    assert part.bind(schema) == part.bind(schema) == []
    part.setup("cpu")
    some = seed_list("annotator", 4)
    before = copy.deepcopy(columns)
    added = part.annotate(columns, some)
    check_columns(added, part.fields, 4)
    for name, values in before.items():
        assert all(same(a, b) for a, b in zip(values, columns[name], strict=True)), "changed its input"
    order = [2, 0, 3, 1]
    moved = part.annotate(taken(travelled(columns), order), [some[i] for i in order])
    for name, values in added.items():
        kind = part.fields[name]  # missing values of series are NaN, and events are no numbers
        assert isinstance(kind, Series | Events) or all(np.isfinite(value).all() for value in values)
        assert all(same(moved[name][place], values[i]) for place, i in enumerate(order))


@rows("writers")
def test_files_depend_on_samples_alone(row: Row) -> None:
    schema, columns = pictures(3)
    stored = {"image": schema["image"], "label": CLOTHES}

    def written(order: Sequence[int]) -> bytes:
        file = io.BytesIO()
        file.close = lambda: None  # type: ignore[method-assign]
        samples = [
            Encoded(f"s{i:09d}", "train", {"image": stored["image"].encode(columns["image"][i]), "label": i}, {})
            for i in order
        ]
        assert [member.key for member in row.make().write(file, samples, stored)] == [s.key for s in samples]
        return file.getvalue()

    assert written([0, 1, 2]) == written([0, 1, 2])
    assert written([0, 1]) != written([0, 2])
    assert row.make().suffix.isalnum()


@pytest.mark.parametrize("name", folders.list_starters())
def test_starters_are_small_safe_and_documented(name: str) -> None:
    folder = folders.resolve(name)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".md"}
    assert sum(path.stat().st_size for path in files) < 12e6
    card = (folder / "README.md").read_text()
    for section in ("licence", "Data", "Scores", "Limits", "recipe"):
        assert section.lower() in card.lower(), f"{name}: {section}"
    source = folders.source(name)
    assert source.licence not in ("", "unknown")


@pytest.mark.parametrize(
    "path", [*sorted(RECIPES.glob("*.yaml")), *sorted(RECIPES.glob("foundation/*.yaml"))], ids=lambda p: p.stem
)
def test_recipes_that_ship_can_be_planned(path: Path) -> None:
    from synthgen import api
    from synthgen.stages.resolve import resolve

    if "kind: model" in path.read_text():
        found = load_recipe(path)
        cls: Any = PLUGINS.find("trainers", found.trainer.use)  # type: ignore[union-attr]
        assert cls(cls.Config.model_validate(found.trainer.settings)).sources  # type: ignore[union-attr]
        return
    clothes = tiny.named_pictures()
    own = {
        "timeseries-from-csv": [f"data.path={tiny.sensors()}", "data.channels=[wave, rain]"],
        "text-from-table": [f"data.texts={tiny.texts()}"],
        "few-labels": [f"data.path={clothes}", f"data.unlabelled={tiny.photos()}"],
        "rare-classes": [f"data.path={clothes}"],
        "few-masks": [f"data.path={tiny.few_masks()}", f"data.unlabelled={tiny.few_masks()}/images"],
    }
    if path.stem in own:  # of a file that the user brings, and a model that is trained first
        found = resolve(path, overrides=own[path.stem])
        assert found.own and not found.own.done and found.binding.n_samples >= 410
    else:
        assert api.prepare(path).plan.n_samples >= 100
    assert path.read_text().count("#") > 5
