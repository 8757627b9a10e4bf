"""`skip_broken` and `range`, as every reader of images has them: what is left out is counted, named, and no part
of the hash of what is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.conditions.images import Images
from synthgen.conditions.random_regions import RandomRegions
from synthgen.errors import DataError
from synthgen.parts.protocols import Condition
from synthgen.readers.images import captioned, labelled
from synthgen.readers.images.captioned import CaptionData
from synthgen.readers.images.labelled import DataConfig
from synthgen.scorers.image_statistics import ImageStatistics
from synthgen.scorers.near_duplicate import NearDuplicate
from synthgen.training.trainer import data_sha256

NOTE = "2 images cannot be read and are left out: cat/torn.png, dog/words.jpg"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for level, name in enumerate(("cat", "dog"), 1):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.fromarray(np.full((8, 8), 60 * level + i, np.uint8)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def spoil(place: Path) -> Path:
    (place / "cat" / "torn.png").write_bytes((place / "cat" / "1.png").read_bytes()[:45])
    (place / "dog" / "words.jpg").write_bytes(b"words")
    return place


def test_all_broken_pictures_are_named_at_once_without_it(place: Path) -> None:
    spoil(place)
    for read in (
        lambda: labelled.read(str(place)),
        lambda: captioned.read(CaptionData(path=str(place), caption="a {label}"), 8),
    ):
        with pytest.raises(DataError, match=r"torn\.png: is no readable image: .*\n.*words\.jpg: is no readable"):
            read()


def test_trainers_data_without_them(place: Path) -> None:
    whole = labelled.read_training(DataConfig(path=str(place)))
    captions = captioned.read(CaptionData(path=str(place), caption="a {label}"), 8)
    spoil(place)
    found = labelled.read_training(DataConfig(path=str(place), skip_broken=True))
    np.testing.assert_array_equal(found.images, whole.images)
    assert (found.labels.tolist(), found.notes, whole.notes) == ([0, 0, 0, 1, 1, 1], [NOTE], [])
    assert found.split(0.4, 0)[0].notes == [NOTE]
    again = captioned.read(CaptionData(path=str(place), caption="a {label}", skip_broken=True), 8)
    assert (data_sha256(again), again.files, list(again.notes)) == (data_sha256(captions), captions.files, [NOTE])


def images(place: Path, **more: object) -> Condition:
    return Images(Images.Config(path=str(place), size=(8, 8), **more))


def regions(place: Path, **more: object) -> Condition:
    objects = {"disc": {"samples": 2, "side_px": [8, 8]}}
    return RandomRegions(RandomRegions.Config(path=str(place), size=(8, 8), objects=objects, **more))


@pytest.mark.parametrize("make", [images, regions])
def test_conditions_are_about_the_pictures_that_are_used(place: Path, make: object) -> None:
    whole = make(place)  # type: ignore[operator]
    identity, shown = whole.identity(), [dict(whole.condition(i)[0]) for i in range(2)]
    spoil(place)
    found = make(place, skip_broken=True)  # type: ignore[operator]
    assert found.identity() == identity
    assert found.sources[0].details == {"pictures": 6, "notes": [NOTE]}
    for i in range(2):
        np.testing.assert_equal(dict(found.condition(i)[0]), shown[i])
    assert make(place, skip_broken=True, range=[0, 4095]).identity() != identity  # type: ignore[operator]


def test_scorers_compare_with_the_pictures_that_are_used(place: Path) -> None:
    for scorer, name in ((ImageStatistics, "real"), (NearDuplicate, "folder")):
        whole = scorer(scorer.Config(**{name: str(place)})).identity()  # type: ignore[attr-defined]
        spoil(place)
        found = scorer(scorer.Config(**{name: str(place), "skip_broken": True}))  # type: ignore[attr-defined]
        assert (found.identity(), found.sources[0].details["notes"]) == (whole, [NOTE])
        for torn in ("cat/torn.png", "dog/words.jpg"):
            (place / torn).unlink()


def test_a_class_of_which_nothing_is_left_is_an_error(place: Path) -> None:
    for path in (place / "dog").iterdir():
        path.write_bytes(b"words")
    with pytest.raises(DataError, match="dog: none of its 3 images can be read"):
        labelled.read(str(place), skip_broken=True)
    with pytest.raises(DataError, match="dog: none of its images can be read"):
        images(place, skip_broken=True)
    for path in (place / "cat").iterdir():
        path.write_bytes(b"words")
    with pytest.raises(DataError, match="no image can be read; the first of 6"):
        images(place, skip_broken=True)
    with pytest.raises(DataError, match="none of its 6 images can be read"):
        captioned.read(CaptionData(path=str(place), caption="a {label}", skip_broken=True), 8)


def test_train_and_test_pictures_have_one_range(tmp_path: Path) -> None:
    for split, value in (("train", 200), ("test", 4000)):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / split / "a" / "1.png")
    found = [labelled.read(str(tmp_path), split).images.max() for split in ("train", "test")]  # type: ignore[arg-type]
    assert found == [12, 249]
    wide = labelled.read_training(DataConfig(path=str(tmp_path), range=(0, 255)))
    assert wide.images.max() == 200
    assert DataConfig(path=str(tmp_path)).notes() == labelled.read(str(tmp_path)).notes


@pytest.mark.parametrize("wrong", [[5, 1], [0, float("nan")], [0, float("inf")], [1], "all"])
def test_ranges_that_mean_nothing(wrong: object) -> None:
    with pytest.raises(ValueError, match="range"):
        DataConfig(path="x", range=wrong)  # type: ignore[arg-type]


def test_defaults_are_no_part_of_identities() -> None:
    assert {"range", "skip_broken"}.isdisjoint(DataConfig(path="x").model_dump(mode="json"))
    assert DataConfig(path="x", range=(0, 1), skip_broken=True).model_dump(mode="json")["range"] == [0, 1]
