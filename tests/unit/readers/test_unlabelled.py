"""Images without labels beside labelled ones: what is read, and what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.readers import origin
from synthgen.readers.images import labelled, unlabelled
from synthgen.readers.images.labelled import DataConfig


def picture(value: int) -> Image.Image:
    return Image.fromarray(np.full((8, 8), value, dtype=np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of two images, 10 to 40, and a folder `more` of them and of three others, 50 to 70."""
    for i, name in enumerate(["a", "a", "b", "b"]):
        (tmp_path / "labelled" / name).mkdir(parents=True, exist_ok=True)
        picture(10 * i + 10).save(tmp_path / "labelled" / name / f"{i}.png")
    (tmp_path / "more" / "deep").mkdir(parents=True)
    for value in (10, 50, 60):
        picture(value).save(tmp_path / "more" / f"{value}.png")
    picture(70).save(tmp_path / "more" / "deep" / "70.png")
    return tmp_path


def read(root: Path, path: str, **more: object) -> unlabelled.UnlabelledImages:
    data = DataConfig.model_validate({"path": str(root / "labelled"), "unlabelled": path, **more})
    return unlabelled.read(data, labelled.read_training(data))


def values(found: unlabelled.UnlabelledImages) -> list[int]:
    return sorted(int(image.max()) for image in found.images)


def test_images_of_all_subfolders_are_read_but_those_that_have_a_label(root: Path) -> None:
    found = read(root, str(root / "more"))
    assert found.images.shape == (3, 8, 8, 1)
    assert values(found) == [50, 60, 70]
    assert found.notes == ("1 of 4 unlabelled images are labelled, and left out",)


def test_test_images_are_not_learned_from(root: Path) -> None:
    for split, value in (("train", 80), ("test", 90)):
        (root / "divided" / split).mkdir(parents=True)
        picture(value).save(root / "divided" / split / "1.png")
    found = read(root, str(root / "divided"))
    assert values(found) == [80]
    assert found.notes == (f"unlabelled images are those of {root / 'divided' / 'train'}",)


def test_test_images_of_the_labelled_ones_are_not_learned_from(root: Path) -> None:
    """Where the folder of unlabelled images holds everything, as a camera's does."""
    (root / "labelled").rename(root / "train")
    for split, value in (("test", 50), ("val", 60)):
        (root / split / "a").mkdir(parents=True)
        picture(value).save(root / split / "a" / "1.png")
    data = DataConfig(path=str(root), unlabelled=str(root / "more"))
    found = unlabelled.read(data, labelled.read_training(data))
    assert values(found) == [70]
    assert found.notes == (
        "3 of 4 unlabelled images are among the labelled ones or in a split of theirs that is held out, and left out",
    )


def test_a_parquet_file_needs_no_labels(root: Path) -> None:
    content = (root / "more" / "50.png").read_bytes()
    pq.write_table(pa.table({"image": [{"bytes": content}, {"bytes": content}]}), root / "more.parquet")
    assert values(read(root, str(root / "more.parquet"))) == [50, 50]
    pq.write_table(pa.table({"picture": [content]}), root / "other.parquet")
    with pytest.raises(DataError, match="needs the column `image`, has picture"):
        read(root, str(root / "other.parquet"))


def test_images_are_of_the_size_and_colours_of_the_labelled_ones(root: Path) -> None:
    (root / "photos").mkdir()
    Image.new("RGB", (20, 12), (200, 200, 200)).save(root / "photos" / "1.png")
    assert read(root, str(root / "photos")).images.shape == (1, 8, 8, 1)


def test_deep_images_are_read_by_the_range_of_the_labelled_ones(tmp_path: Path) -> None:
    def save(name: str, *values: int) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.resize(np.array(values, dtype=np.uint16), (8, 8))).save(tmp_path / name)

    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        save(f"labelled/{name}", 0, 4095)
    save("more/1.png", 0, 1000)
    found = read(tmp_path, str(tmp_path / "more"))
    assert int(found.images.max()) == round(1000 / 4095 * 255)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent", "data.unlabelled: .*absent: no such folder; a folder of images, idx files, a .parquet file"),
        ("empty", "data.unlabelled: .*empty: has no images"),
        ("labelled", "all of its images are among the labelled ones"),
    ],
)
def test_errors_name_the_key_and_what_is_accepted(root: Path, path: str, message: str) -> None:
    (root / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        read(root, str(root / path))


def test_broken_images_stop_or_are_counted(root: Path) -> None:
    (root / "more" / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.png"):
        read(root, str(root / "more"))
    found = read(root, str(root / "more"), skip_broken=True)
    assert values(found) == [50, 60, 70]
    assert any("broken.png" in note for note in found.notes)


def test_models_of_other_unlabelled_images_are_other_models(root: Path) -> None:
    data = DataConfig(path=str(root / "labelled"))
    more = data.model_copy(update={"unlabelled": str(root / "more")})
    first = origin.sha256(more)
    assert first != origin.sha256(data)
    picture(77).save(root / "more" / "77.png")
    assert origin.sha256(more) != first
