"""From class maps without objects to model folders: images that fit them, new maps, segmenters; and rectangles."""

from __future__ import annotations

import hashlib
import json
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
from synthgen.errors import DataError, Interrupted, RecipeError
from synthgen.models import folders, registry
from synthgen.parts.protocols import Slot
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.samplers.layout_to_image import LayoutToImage
from synthgen.trainers.images.crop_settings import CropSettings, check_multiple
from synthgen.trainers.images.crops import Crops, crop, turned_boxes
from synthgen.trainers.images.layout import LayoutTrainer
from synthgen.trainers.images.layout_to_image import LayoutToImageTrainer
from synthgen.trainers.images.segmenter import class_losses
from synthgen.vision.layouts import Layout

QUICK = {"steps": 4, "checkpoint_every": 2, "batch_size": 4, "warmup_steps": 1, "crop": [32, 24], "mirror": True}
DIFFUSION = {**QUICK, "sample_every": 4, "network": {"patch_size": 2, "channels": [8, 16]}}
SETTINGS = {"layout-to-image": DIFFUSION, "layout": DIFFUSION, "segmenter": {**QUICK, "widths": [8, 16]}}


def train(folder: Path, use: str, data: dict[str, Any] | None = None, **settings: Any) -> Path:
    trainer = {"use": use, "data": data or tiny.street_data(licence="cc0-1.0"), **SETTINGS[use], **settings}
    recipe = helpers.write(folder, {"kind": "model", "name": "tiny", "trainer": trainer}, f"{use}.yaml")
    return synthgen.train(recipe, folder / use, device="cpu", quiet=True)


def weights(folder: Path) -> dict[str, str]:
    found = sorted(folder.rglob("*.safetensors"))
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in found if "training" not in p.parts}


def scene() -> Example:
    return reader.read(MaskData.model_validate(tiny.street_data())).items[1]


def test_a_layout_model_and_an_image_model_work_together(tmp_path: Path) -> None:
    """Both are trained on rectangles of class maps, and generate images with class maps."""
    painter, planner = (str(train(tmp_path, use)) for use in ("layout-to-image", "layout"))
    for place in (painter, planner):
        assert tuple(folders.read_index(Path(place))["stuff"]) == tiny.STREET
        assert "images with class maps of sky, building, road, car, person" in (Path(place) / "README.md").read_text()
    assert folders.read_index(Path(planner))["covered"] is True
    assert registry.load_pipeline(Path(planner), "cpu", torch.float32).shape == (24, 32)
    settings = {"model": painter, "layout_model": planner, "steps": 2, "layout_steps": 2}
    part = LayoutToImage(LayoutToImage.Config.model_validate(settings))
    assert part.bind({}) == []
    part.setup("cpu")
    drawn = part.sample([Slot(0, {}, "train")], [1])
    assert drawn["image"][0].shape == (24, 32, 3)
    assert set(np.unique(drawn["segmentation"][0])) <= set(range(1, 6))


def test_a_layout_model_without_latents_generates_its_rectangle() -> None:
    pipeline = registry.load_pipeline(Path(tiny.street_layouts()), "cpu", torch.float32)
    assert pipeline([0], num_inference_steps=2, output_type="pt").images.shape == (1, 5, *tiny.STREET_SHAPE)
    with pytest.raises(ValueError, match="sides that are multiples of 4"):
        pipeline([0], latents=torch.zeros(1, 5, 30, 48))


@pytest.mark.parametrize("use", ["layout-to-image", "layout", "segmenter"])
def test_a_stopped_training_ends_with_the_same_weights(
    use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = weights(train(tmp_path / "whole", use))
    from synthgen.training import checkpoint

    save = checkpoint.save

    def stop(folder: Path, step: int, *more: Any) -> Path:
        saved = save(folder, step, *more)
        if step == 2:
            raise Interrupted("stopped", 130)
        return saved

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", stop)
        with pytest.raises(Interrupted):
            train(tmp_path / "parts", use)
    assert weights(train(tmp_path / "parts", use)) == whole
    (tmp_path / "plain").mkdir()
    assert weights(train(tmp_path / "plain", use, mirror=False)) != whole


def test_a_segmenter_learns_streets(tmp_path: Path) -> None:
    more = {"steps": 150, "checkpoint_every": 150, "crop": [48, 32], "learning_rate": 1e-2, "ema_decay": 0.8}
    out = train(tmp_path, "segmenter", **more)
    scores = json.loads((out / "training" / "losses.jsonl").read_text().splitlines()[-1])
    assert scores["validation pixel accuracy"] > 0.9
    assert scores["validation mIoU"] > 0.6
    assert scores["validation IoU of road"] > 0.8
    assert not any("dice" in name for name in scores)
    index = folders.read_index(out)
    assert tuple(index["stuff"]) == tiny.STREET
    assert len(index["class_losses"]) == 6
    item = scene()
    assert item.layout is not None
    found = registry.load_network(out, "cpu").segment(item.image[None])[0]
    assert not found.instances.any()
    known = item.layout.segmentation != 255
    assert (found.segmentation == item.layout.segmentation)[known].mean() > 0.9


def test_losses_of_classes_that_held_out_images_do_not_show() -> None:
    """Without a loss of its own, every pixel of a rare class would count as noisy."""

    class Even:
        def outputs(self, images: np.ndarray) -> tuple[np.ndarray, None]:
            return np.full((1, 6, *images.shape[1:3]), 1 / 6), None

    examples = reader.read(MaskData.model_validate(tiny.street_data())).take([0])
    assert class_losses(Even(), examples) == pytest.approx([np.log(6)] * 6, abs=1e-4)


def test_regions_beside_objects_are_segmented_apart(tmp_path: Path) -> None:
    data = tiny.street_data(mask_kind="classes", stuff=["sky", "building", "road"])
    out = train(tmp_path, "segmenter", data)
    layout = registry.load_network(out, "cpu").segment(scene().image[None])[0]
    assert not layout.instances[np.isin(layout.segmentation, (0, 1, 2, 3))].any()
    assert layout.instances[np.isin(layout.segmentation, (4, 5))].all()


def test_models_of_objects_have_no_regions_even_if_objects_fill_the_images(tmp_path: Path) -> None:
    tiles = np.kron(np.arange(1, 7).reshape(2, 3), np.ones((16, 16))).astype(np.uint8)
    for name, pixels in (("images", np.repeat(tiles[..., None] * 30, 3, 2)), ("masks", tiles)):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    data = {"path": str(tmp_path), "mask_kind": "instances", "objects": ["tile"], "validation": 0.2}
    assert not reader.read(MaskData.model_validate(data)).covered
    out = train(tmp_path, "layout", data)
    assert folders.read_index(out)["stuff"] == [] and folders.read_index(out)["covered"] is False


def test_a_base_of_other_regions_is_refused(tmp_path: Path) -> None:
    settings = {**DIFFUSION, "data": tiny.street_data(mask_kind="classes"), "base": tiny.street_layouts()}
    del settings["network"]
    config = LayoutTrainer.Config.model_validate(settings)
    with pytest.raises(DataError, match=r"data\.stuff: regions without objects are \(none\), and those of the base"):
        LayoutTrainer(config).train(tmp_path / "out", 0, device="cpu", quiet=True)
    config = LayoutTrainer.Config.model_validate({**settings, "data": tiny.street_data()})
    assert folders.read_index(LayoutTrainer(config).train(tmp_path / "out", 0, device="cpu", quiet=True))["covered"]


@pytest.mark.parametrize("use", ["layout-to-image", "layout", "segmenter"])
def test_rectangles_cannot_be_turned(use: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="`turn` needs square crops"):
        train(tmp_path, use, turn=True)


def test_rectangles_that_do_not_fit_are_named_with_one_that_does(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"crop: must be multiples of 4 .*\(got \[34, 24\]\); set it to \[32, 24\]"):
        train(tmp_path, "layout-to-image", crop=[34, 24])
    with pytest.raises(DataError, match=r"crop: must be a multiple of 8 for x \(got 20\); set it to 16"):
        check_multiple((20, 20), 8, "crop", "x")
    check_multiple((24, 16), 8, "crop", "x")


def test_mirrored_crops_move_image_and_map_together() -> None:
    item, seen = scene(), set()
    plain = crop(item, (32, 48), torch.Generator().manual_seed(0), turn=False)
    for seed in range(8):
        view = crop(item, (32, 48), torch.Generator().manual_seed(seed), turn=False, mirror=True)
        assert view.layout is not None and plain.layout is not None
        mirrored = not np.array_equal(view.image, plain.image)
        step = -1 if mirrored else 1
        assert np.array_equal(view.image, plain.image[:, ::step])
        assert np.array_equal(view.layout.segmentation, plain.layout.segmentation[:, ::step])
        seen.add(mirrored)
    assert seen == {True, False}


def test_boxes_are_mirrored_within_the_width_of_a_rectangle() -> None:
    box = np.array([[2, 3, 10, 9]], dtype=np.float32)
    item = Example("a", np.zeros((24, 40, 3), np.uint8), 0, boxes=box, box_classes=np.array([1]))
    views = [crop(item, (24, 40), torch.Generator().manual_seed(i), turn=False, mirror=True) for i in range(8)]
    assert {tuple(view.boxes[0].tolist()) for view in views} == {(2, 3, 10, 9), (30, 3, 38, 9)}  # type: ignore[index]
    assert turned_boxes(box, 40, 1, 0).tolist() == [[30, 3, 38, 9]]


def test_small_images_are_mirrored_on_to_rectangles() -> None:
    view = crop(scene(), (40, 60), torch.Generator().manual_seed(0), turn=False)
    assert view.image.shape == (40, 60, 3) and view.layout is not None and view.layout.shape == (40, 60)
    assert np.array_equal(view.layout.segmentation[:32, 48:], view.layout.segmentation[:32, 47:35:-1])


def test_crops_of_which_nothing_is_known_teach_nothing() -> None:
    from synthgen.trainers.images.segmenter import SegmenterTask, SegmenterTrainer

    unknown = Layout(np.zeros((32, 48), np.uint16), np.full((32, 48), 255, np.uint8))
    items = tuple(Example(str(i), np.zeros((32, 48, 3), np.uint8), 0, unknown) for i in range(4))
    examples = Examples(items, ("picture",), tiny.STREET, stuff=tiny.STREET)
    config = SegmenterTrainer.Config.model_validate({"data": tiny.street_data(), **SETTINGS["segmenter"]})
    task = SegmenterTask(config, examples, examples, examples, 0, "cpu")
    batch = task.batch(0, torch.Generator().manual_seed(0))
    assert task.losses(batch).tolist() == [0] * 4


def test_squares_are_as_before() -> None:
    assert CropSettings(crop=48, turn=True).crop_shape == (48, 48)
    assert "mirror" not in CropSettings().model_dump()
    with pytest.raises(ValidationError, match="greater than or equal to 8"):
        CropSettings(crop=4)


def test_rectangles_are_replayed(tmp_path: Path) -> None:
    """Images of layouts that a layout model generates are mixed in, in the shape of the crops."""
    replay = {"share": 0.5, "samples": 4, "steps": 2, "layout_model": tiny.street_layouts()}
    settings = {name: value for name, value in DIFFUSION.items() if name != "network"}
    data = tiny.street_data()
    config = LayoutToImageTrainer.Config.model_validate(
        {**settings, "data": data, "base": tiny.street_painter(), "replay": replay}
    )
    LayoutToImageTrainer(config).train(tmp_path / "out", 0, device="cpu", quiet=True)
    (planned,) = (tmp_path / "out" / "training" / "replay-layouts").glob("*.npy")
    assert np.load(planned).shape == (4, 5, 24, 32)


def test_layout_models_learn_no_holes_and_image_models_see_what_is_unknown() -> None:
    """Unknown pixels have the class of the nearest known one in what a layout model generates; labels stay as read."""
    examples = reader.read(MaskData.model_validate(tiny.street_data()))
    before = [item.layout.segmentation.copy() for item in examples.items if item.layout is not None]
    assert all((ids == 255).any() for ids in before)
    rows, generator = torch.arange(len(examples)), torch.Generator().manual_seed(0)
    generated = Crops(examples, examples, tiny.STREET_SHAPE, 1.0, False, 0.1, draw_layouts=True).batch(rows, generator)
    seen = Crops(examples, examples, tiny.STREET_SHAPE, 1.0, False, 0.1).batch(rows, generator)
    assert seen.layout is not None
    for ids, layout, channels in zip(before, generated.x.numpy(), seen.layout.numpy(), strict=True):
        unknown = ids == 255
        assert ((layout == 1).sum(0) == 1).all() and (layout[0][unknown] == 1).all(), "unknown is beside sky alone"
        assert np.array_equal(layout[:, ~unknown], channels[:, ~unknown]) and (channels[:, unknown] == -1).all()
    after = [item.layout.segmentation for item in examples.items if item.layout is not None]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
