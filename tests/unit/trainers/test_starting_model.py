"""Going on from a finished model: old classes stay as they were, new ones are learnt, and what does not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

import helpers
import synthgen
import tiny
from synthgen.errors import DataError, ModelError
from synthgen.models import folders, registry
from synthgen.trainers.images.class_conditional import ClassConditionalTrainer
from synthgen.trainers.images.layout import LayoutTrainer
from synthgen.trainers.images.layout_to_image import LayoutToImageTrainer
from synthgen.trainers.images.starting_model import Base

QUICK = {"steps": 2, "checkpoint_every": 2, "sample_every": 2, "batch_size": 4, "warmup_steps": 1, "precision": "fp32"}
REPLAY = {"share": 0.5, "samples": 6, "steps": 2}


def shades(folder: Path, side: int = 8, **values: int) -> str:
    """A folder by class of images in one shade of grey each."""
    random = np.random.default_rng(0)
    for name, value in values.items():
        (folder / name).mkdir(parents=True)
        for i in range(8):
            pixels = random.normal(value, 3, (side, side)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return str(folder)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generates dark and bright images, after a short training."""
    folder = tmp_path_factory.mktemp("base")
    data = {"path": shades(folder / "data", dark=30, bright=220), "licence": "mit", "source": "shades"}
    network = {"patch_size": 1, "channels": [8, 16]}
    steps = {**QUICK, "steps": 60, "checkpoint_every": 60, "sample_every": 60, "batch_size": 8}
    config = ClassConditionalTrainer.Config.model_validate(
        {"data": data, "network": network, "learning_rate": 1e-2, "ema_decay": 0.9, **steps}
    )
    return ClassConditionalTrainer(config).train(folder / "model", 0, device="cpu", quiet=True)


def tune(trainer: Any, out: Path, **settings: Any) -> Path:
    config = trainer.Config.model_validate({**QUICK, **settings})
    done: Path = trainer(config).train(out, 0, device="cpu", quiet=True)
    return done


def drawn(folder: Path, labels: list[int]) -> np.ndarray:
    pipeline = registry.load_pipeline(folder, "cpu", torch.float32)
    noise = torch.randn(len(labels), 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found: np.ndarray = pipeline(labels, latents=noise, num_inference_steps=6, output_type="uint8").images
    return found


def test_at_first_old_classes_are_drawn_as_before(base: Path, tmp_path: Path) -> None:
    """A rate so small that it changes nothing: what is drawn comes from the base's weights alone."""
    data = {"path": shades(tmp_path / "data", bright=220, middle=120), "licence": "cc0-1.0"}
    still = {"learning_rate": 1e-30, "weight_decay": 0}
    out = tune(ClassConditionalTrainer, tmp_path / "out", base=str(base), data=data, **still)
    index = folders.read_index(out)
    assert folders.names_in_order(index) == ["bright", "dark", "middle"]
    assert np.array_equal(drawn(out, [0, 1, 0, 1]), drawn(base, [0, 1, 0, 1]))
    assert folders.component_config(out, "unet")["num_class_embeds"] == 4
    ours, its = (json.loads((f / "scheduler" / "scheduler_config.json").read_text()) for f in (out, base))
    assert ours["sigma_data"] == its["sigma_data"]
    card = folders.read_card(out)
    assert (card["license"], card["datasets"]) == ("cc0-1.0 and mit", ["data", "shades"])
    assert card["classes"] == ["bright", "dark", "middle"]
    assert "dark" not in next(line for line in (out / "README.md").read_text().splitlines() if "By class" in line)


def test_a_new_class_is_learnt_and_replay_keeps_the_old_ones(base: Path, tmp_path: Path) -> None:
    data = {"path": shades(tmp_path / "data", middle=120)}
    more: dict[str, Any] = {"base": str(base), "data": data, "learning_rate": 5e-3, "ema_decay": 0.8, "batch_size": 8}
    more |= {"steps": 40, "checkpoint_every": 40, "sample_every": 40}
    plain = tune(ClassConditionalTrainer, tmp_path / "plain", **more)
    kept = tune(ClassConditionalTrainer, tmp_path / "kept", **more, replay={**REPLAY, "samples": 32, "steps": 6})
    for out in (plain, kept):
        assert abs(drawn(out, [2] * 8).mean() - 120) < 40
    wanted = drawn(base, [0] * 4 + [1] * 4).mean((1, 2, 3))
    lost, held = (np.abs(drawn(out, [0] * 4 + [1] * 4).mean((1, 2, 3)) - wanted).mean() for out in (plain, kept))
    assert held < 0.8 * lost


def test_replay_is_drawn_once_by_the_base(base: Path, tmp_path: Path) -> None:
    data = {"path": shades(tmp_path / "data", middle=120)}
    settings = {"base": str(base), "data": data, "replay": REPLAY}
    out = tune(ClassConditionalTrainer, tmp_path / "out", **settings)
    (piece,) = (out / "training" / "replay").glob("piece-*.npy")
    first = piece.stat().st_mtime_ns
    pipeline = registry.load_pipeline(base, "cpu", torch.float32)
    from synthgen import seeds

    noise = torch.from_numpy(seeds.normals([seeds.seed_of(0, "replay", i) for i in range(6)], (1, 8, 8)))
    again = pipeline([0, 1] * 3, latents=noise, num_inference_steps=2, output_type="uint8").images
    assert np.array_equal(np.load(piece), again)
    before = folders.weights_sha256(out)
    tune(ClassConditionalTrainer, out, **settings)
    assert piece.stat().st_mtime_ns == first
    assert folders.weights_sha256(out) == before
    with pytest.raises(ModelError, match=r"other settings or data \(replay\)"):
        tune(ClassConditionalTrainer, out, **{**settings, "replay": {**REPLAY, "samples": 4}})


def test_a_tuned_model_is_usable_and_tunable_in_a_recipe(base: Path, tmp_path: Path) -> None:
    data = {"path": shades(tmp_path / "data", middle=120)}
    trainer = {"use": "class-conditional", "base": str(base), "data": data, **QUICK}
    model = helpers.write(tmp_path, {"kind": "model", "name": "m", "trainer": trainer}, "model.yaml")
    out = synthgen.train(model, tmp_path / "model", device="cpu")
    recipe = {
        "kind": "dataset",
        "name": "shades",
        "condition": {"use": "classes", "quotas": {"dark": 2, "middle": 2}},
        "sampler": {"use": "class-conditional", "model": str(out), "steps": 2},
    }
    result = synthgen.run(helpers.write(tmp_path, recipe), tmp_path / "out", workers=1, device="cpu")
    assert result.complete
    again = tune(
        ClassConditionalTrainer, tmp_path / "again", base=str(out), data={"path": shades(tmp_path / "x", extra=80)}
    )
    assert folders.names_in_order(folders.read_index(again)) == ["bright", "dark", "middle", "extra"]


def test_a_tuned_model_does_not_depend_on_where_its_base_lies(base: Path, tmp_path: Path) -> None:
    data = {"path": shades(tmp_path / "data", dark=30, bright=220)}
    elsewhere = tmp_path / "elsewhere" / "moved"
    shutil.copytree(base, elsewhere)
    made = [
        tune(ClassConditionalTrainer, tmp_path / f"tuned-{at}", base=str(folder), data=data)
        for at, folder in enumerate((base, elsewhere))
    ]
    assert folders.weights_sha256(made[0]) == folders.weights_sha256(made[1])


def test_what_does_not_fit_the_base_is_told(base: Path, tmp_path: Path) -> None:
    data = {"path": shades(tmp_path / "data", middle=120)}

    def refused(match: str, kind: type[Exception] = ModelError, **settings: Any) -> None:
        with pytest.raises(kind, match=match):
            tune(ClassConditionalTrainer, tmp_path / "out", **{"base": str(base), "data": data, **settings})

    refused(r"network: comes from the base .* leave it out", network={"channels": [16, 32]})
    refused("objective: comes from the base .* and is edm", objective="v-prediction")
    refused(r"resolution: must be a multiple of 2 .*\(got 9\); set it to 8", DataError, resolution=9)
    refused("holds a LayoutPipeline; a ClassConditionalPipeline is needed here", base=tiny.layouts())
    refused("is for `use: layout-to-image`", replay={**REPLAY, "layout_model": "starter/nuclei-layouts"})
    refused("`replay` generates with the base", ValidationError, base=None, replay=REPLAY)
    refused("of a batch of 1 leaves one part empty", ValidationError, replay=REPLAY, batch_size=1)
    coloured = tmp_path / "coloured" / "red"
    coloured.mkdir(parents=True)
    for i in range(3):
        Image.new("RGB", (8, 8), (200, 10, 10)).save(coloured / f"{i}.png")
    refused(
        "images are in colours, and the base .* generates images grey", DataError, data={"path": str(coloured.parent)}
    )
    assert not (tmp_path / "out" / "training").exists()


def test_layouts_go_on_with_new_classes(tmp_path: Path) -> None:
    data = tiny.mask_data(scale=0.5, classes={"grey": "grey", "colour": "stained"})
    out = tune(LayoutTrainer, tmp_path / "out", base=tiny.layouts(), data=data, crop=16, replay=REPLAY)
    made = registry.load_pipeline(out, "cpu", torch.float32)
    assert made.classes == ["grey", "colour", "stained"]
    assert made.config.smooth == 0.0
    for wrong, match in (
        ({"scale": 1.0}, "data.scale: is 1.0, .* set it to 0.5"),
        ({"objects": ["x"]}, "a channel each for cell"),
    ):
        with pytest.raises(DataError, match=match):
            tune(LayoutTrainer, tmp_path / "no", base=tiny.layouts(), data={**data, **wrong}, crop=16)
    with pytest.raises(DataError, match=r"crop: must be a multiple of 4 .*\(got 18\)"):
        tune(LayoutTrainer, tmp_path / "no", base=tiny.layouts(), data=data, crop=18)


def pictures_of(folder: Path | str, labels: list[int], styles: list[int]) -> np.ndarray:
    pipeline = registry.load_pipeline(Path(folder), "cpu", torch.float32)
    noise = torch.randn(len(labels), 3, 32, 32, generator=torch.Generator().manual_seed(0))
    layouts = np.stack([np.where(tiny.discs(3, 32, i) > 0, 0.5, -1.0)[None] for i in range(len(labels))])
    found: np.ndarray = pipeline(
        layouts, labels, styles, latents=noise, num_inference_steps=2, output_type="uint8"
    ).images
    return found


def test_pictures_for_layouts_go_on_with_new_styles(tmp_path: Path) -> None:
    """A known class of one style in both keeps it; a known one of two styles and a new one get new styles."""
    settings: dict[str, Any] = {"base": tiny.layout_to_image(), "crop": 32, "learning_rate": 1e-30, "weight_decay": 0}
    data = tiny.mask_data(classes={"grey": "grey", "colour": "stained"})
    out = tune(LayoutToImageTrainer, tmp_path / "one", data=data, **settings)
    index = folders.read_index(out)
    assert folders.names_in_order(index) == ["grey", "colour", "stained"]
    assert (index["class_of_style"], index["style_shares"]) == ([0, 1, 2], [1.0, 1.0, 1.0])
    assert (index["gamma"], index["grey"]) == (0.5, [0])
    ours, its = (pictures_of(folder, [1, 0], [1, 0]) for folder in (out, tiny.layout_to_image()))
    assert np.array_equal(ours[0], its[0])
    assert (ours[1] == ours[1, ..., :1]).all(), "its new images are grey, so that the class is"
    new, old = (
        registry.load_pipeline(Path(folder), "cpu", torch.float32).unet.class_embedding.weight.detach()
        for folder in (out, tiny.layout_to_image())
    )
    apart = [float((rows - old.mean(0)).std()) for rows in (new[2:], old)]
    assert apart[0] == pytest.approx(apart[1], rel=0.6), "a new class is as loud as old ones"
    replay = {**REPLAY, "share": 0.25, "layout_model": tiny.layouts()}
    out = tune(LayoutToImageTrainer, tmp_path / "many", data=data, styles=4, replay=replay, **settings)
    index = folders.read_index(out)
    shares = [(of, share) for of, share in zip(index["class_of_style"], index["style_shares"], strict=True)]
    assert shares[:2] == [(0, 0.25), (1, 1.0)]
    assert sum(share for of, share in shares if of == 0) == pytest.approx(1)
    assert sum(share for of, share in shares if of == 2) == pytest.approx(1)
    assert len(list((out / "training").glob("replay*/piece-*"))) == 2


def test_pictures_for_layouts_that_do_not_fit(tmp_path: Path) -> None:
    for wrong, match in (
        ({"replay": REPLAY}, "the base generates images for layouts and has none of its own; name a layout model"),
        ({"gamma": 1.0}, "gamma: comes from the base .* and is 0.5"),
        ({"base": tiny.layouts()}, "holds a LayoutPipeline; a LayoutToImagePipeline is needed"),
    ):
        settings = {"base": tiny.layout_to_image(), "data": tiny.mask_data(), "crop": 32, **wrong}
        with pytest.raises(ModelError, match=match):
            tune(LayoutToImageTrainer, tmp_path / "out", **settings)
    two = tiny.layout_to_image(objects=("cell", "dirt"))
    with pytest.raises(DataError, match="a channel each for cell, dirt"):
        tune(LayoutToImageTrainer, tmp_path / "out", base=two, data=tiny.mask_data(), crop=32)


def test_without_a_base_nothing_is_asked_of_old_checkpoints() -> None:
    trainer = LayoutTrainer(LayoutTrainer.Config.model_validate({"data": tiny.mask_data()}))
    assert not {"base", "replay"} & set(trainer.identity())
    assert not trainer.sources


def test_new_classes_are_as_far_from_each_other_as_old_ones_are(base: Path) -> None:
    pipeline = registry.load_pipeline(base, "cpu", torch.float32)
    found = Base("base", pipeline, folders.source(str(base))).with_new_classes(200, 0)
    old, new, null = found[:2], found[2:-1], found[-1]
    assert torch.equal(old, pipeline.unet.class_embedding.weight[:2])
    assert torch.equal(null, pipeline.unet.class_embedding.weight[2])
    wanted = float((old - old.mean(0)).std())
    assert float((new - null).std()) == pytest.approx(wanted, rel=0.1)
    assert not torch.equal(new, Base("base", pipeline, folders.source(str(base))).with_new_classes(200, 1)[2:-1])
