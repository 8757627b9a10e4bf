"""Conditions that bring real images: how often each comes, what goes with it, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

import tiny
from synthgen.conditions.images import Images
from synthgen.conditions.masked_images import MaskedImages
from synthgen.conditions.random_boxes import RandomBoxes
from synthgen.conditions.random_regions import RandomRegions
from synthgen.errors import DataError
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import MaskData


def images(**settings: Any) -> Images:
    return Images(Images.Config.model_validate({"path": tiny.photos(), "size": [32, 24], **settings}))


def regions(**settings: Any) -> RandomRegions:
    objects = {"fox": {"samples": 3, "side_px": [8, 16]}, "deer": {"samples": 1, "side_px": [10, 10]}}
    base = {"path": tiny.photos(), "size": [32, 40], "objects": objects}
    return RandomRegions(RandomRegions.Config.model_validate({**base, **settings}))


def test_every_picture_comes_as_often() -> None:
    part = images(repeats=3)
    assert part.samples == 18
    seen = Counter(part.condition(i)[0]["source"] for i in range(18))
    assert set(seen.values()) == {3} and len(seen) == 6
    assert {part.condition(i)[0]["source"] for i in range(6)} == set(seen), "all of them before any comes again"


def test_classes_are_folders_and_quotas_are_exact() -> None:
    part = images(quotas={"dog": 9, "cat": 1})
    rows = [part.condition(i)[0] for i in range(10)]
    assert Counter(part.fields["label"].classes[row["label"]] for row in rows) == {"dog": 9, "cat": 1}
    assert all(row["source"].startswith(("cat", "dog")[row["label"] == 0]) for row in rows)
    with pytest.raises(DataError, match=r"quotas: unknown class `bird`"):
        images(quotas={"bird": 2})


def test_folders_that_are_no_classes_are_left_out_and_named(tmp_path: Path) -> None:
    """As of labelled images: what nobody labelled has no class, and test images stay unseen."""

    def put(*names: str) -> None:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), "blue").save(tmp_path / name)

    def classes_and_notes(name: str) -> tuple[dict[str, int], list[str]]:
        part = images(path=str(tmp_path / name))
        names = part.fields["label"].classes  # type: ignore[attr-defined]
        labels = Counter(names[part.condition(i)[0]["label"]] for i in range(part.samples))
        return dict(labels), part.sources[0].details.get("notes", [])

    put("pets/cat/1.png", "pets/dog/1.png", "pets/Unlabelled/1.png", "pets/Unlabelled/2.png")
    assert classes_and_notes("pets") == ({"cat": 1, "dog": 1}, ["images of the folder Unlabelled are left out"])
    put("split/Train/cat/1.png", "split/Train/dog/1.png", "split/test/cat/1.png", "split/unlabelled/1.png")
    expected = ["images are those of the folder Train", "images of the folder test are left out"]
    assert classes_and_notes("split") == ({"cat": 1, "dog": 1}, expected)
    put("loose/1.png", "loose/more/2.png", "loose/more/again/3.png", "loose/test/4.png")
    labels, notes = classes_and_notes("loose")
    assert labels == {"loose": 3} and "images of the folder test are left out" in notes
    assert any("of one class" in note for note in notes)
    put("alone/unlabelled/1.png")
    with pytest.raises(DataError, match=r"alone: holds no images .* but those of .*unlabelled; name that folder"):
        images(path=str(tmp_path / "alone"))
    put("open/test/1.png", "open/val/1.png")
    with pytest.raises(DataError, match="called after a split, and none after `train`"):
        images(path=str(tmp_path / "open"))


def test_pictures_are_read_at_the_size_that_is_asked_for(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 60), 200, dtype=np.uint8)).save(tmp_path / "grey.png")
    Image.new("RGBA", (30, 30), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    (tmp_path / "notes.txt").write_text("no image")
    part = images(path=str(tmp_path))
    assert part.samples == 2 and part.fields["label"].classes == (tmp_path.name,)
    found = {part.condition(i)[0]["source"]: part.condition(i)[0]["image"] for i in range(2)}
    assert (found["grey.png"] == 200).all() and found["grey.png"].shape == (24, 32, 3)
    assert (found["clear.png"] == 255).all()


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        images(path=str(tmp_path / "none"))
    with pytest.raises(DataError, match="holds no images"):
        images(path=str(tmp_path))
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.png: is no readable image"):
        _ = images(path=str(tmp_path)).condition(0)[0]["image"]


def test_the_identity_follows_the_files_and_not_the_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (32, 32), "blue").save(tmp_path / name / "x.png")
    one, same = (images(path=str(tmp_path / name)).identity()["data_sha256"] for name in ("a", "b"))
    Image.new("RGB", (32, 32), "red").save(tmp_path / "b" / "x.png")
    assert one == same != images(path=str(tmp_path / "b")).identity()["data_sha256"]


def test_axes_vary_beside_the_pictures() -> None:
    part = images(vary={"weather": {"rain": 2, "fog": 1}})
    seen = Counter(part.fields["weather"].classes[part.condition(i)[0]["weather"]] for i in range(30))
    assert seen == {"rain": 20, "fog": 10}
    with pytest.raises(ValueError, match="an axis cannot be called `label`"):
        images(vary={"label": ["x"]})


def test_a_masked_image_and_its_maps_are_cut_alike() -> None:
    settings = {"data": tiny.mask_data(), "size": 40, "turn": True}
    part = MaskedImages(MaskedImages.Config.model_validate(settings))
    by_name = {item.name: item for item in reader.read(MaskData.model_validate(tiny.mask_data())).items}
    for i in range(12):
        row, family = part.condition(i)
        item = by_name[family]
        inside, picture = row["instances"] > 0, row["image"].astype(int)
        assert row["image"].shape == (40, 40, 3)
        if inside.any():
            assert item.layout is not None
            whole = item.image.astype(int)
            truth = whole[item.layout.instances > 0].mean() - whole[item.layout.instances == 0].mean()
            assert abs((picture[inside].mean() - picture[~inside].mean()) - truth) < 12


def test_regions_are_exact_in_number_and_lie_inside() -> None:
    part = regions()
    assert part.samples == 4
    rows = [part.condition(i)[0] for i in range(8)]
    assert Counter(part.fields["label"].classes[row["label"]] for row in rows) == {"fox": 6, "deer": 2}
    for row in rows:
        region = row["instances"] == 1
        height, width = (np.ptp(axis) + 1 for axis in np.nonzero(region))
        assert set(np.unique(row["segmentation"][region])) == {row["label"] + 1}
        assert not row["segmentation"][~region].any()
        assert 7 <= (height * width) ** 0.5 <= 17
        assert row["image"].shape == (40, 32, 3)
    for box in regions(shape="box").condition(0)[0]["instances"], rows[0]["instances"]:
        y, x = np.nonzero(box)
        filled = box[y.min() : y.max() + 1, x.min() : x.max() + 1].mean()
        assert filled == 1 or abs(filled - np.pi / 4) < 0.1
    with pytest.raises(ValidationError, match="must name the least first"):
        regions(objects={"fox": {"samples": 1, "side_px": [16, 8]}})


def test_boxes_may_bring_maps_that_fill_them() -> None:
    objects = {"cell": {"count": [1, 4], "side_px": [4, 12]}, "dirt": {"count": [0, 2], "side_px": [4, 6]}}
    settings = {"size": 48, "objects": objects, "overlap": 0.0}
    part = RandomBoxes(RandomBoxes.Config.model_validate({**settings, "shape": "box"}))
    plain = RandomBoxes(RandomBoxes.Config.model_validate(settings))
    for i in range(20):
        row = part.condition(i)[0]
        assert np.array_equal(row["boxes"], plain.condition(i)[0]["boxes"])
        for number, (left, top, right, bottom, cls) in enumerate(row["boxes"], start=1):
            inside = row["instances"] == number
            assert abs(inside.sum() - (right - left) * (bottom - top)) <= (right - left) + (bottom - top)
            assert set(np.unique(row["segmentation"][inside])) == {cls}
