"""Folders of images without labels, and images fitted to a size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.readers.images import decoding, folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "b").mkdir(parents=True)
    for name, level in (("b/2.PNG", 20), ("1.jpg", 10), ("c.webp", 30)):
        Image.new("RGB", (6, 4), (level, level, level)).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


def test_pictures_of_subfolders_in_order(place: Path) -> None:
    listed = folder.listed(str(place))
    assert [listed.name(i) for i in range(3)] == ["1.jpg", "b/2.PNG", "c.webp"]
    found = [listed.picture(i, 1) for i in range(3)]
    assert [picture.shape for picture in found] == [(4, 6, 1)] * 3
    assert [int(picture.mean()) for picture in found] == pytest.approx([10, 20, 30], abs=1)


def test_the_hash_is_of_names_and_bytes_of_pictures_alone(place: Path) -> None:
    first = folder.listed(str(place)).source("cc0-1.0")
    assert (first.kind, first.name, first.licence, first.details) == ("data", "photos", "cc0-1.0", {"pictures": 3})
    (place / "notes.txt").write_text("other notes")
    assert folder.listed(str(place)).source("cc0-1.0") == first
    (place / "1.jpg").rename(place / "0.jpg")
    renamed = folder.listed(str(place)).source("cc0-1.0").sha256
    Image.new("RGB", (6, 4)).save(place / "c.webp")
    assert len({first.sha256, renamed, folder.listed(str(place)).source("cc0-1.0").sha256}) == 3


def test_nothing_to_read(tmp_path: Path, place: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, text in (("nowhere", "no such folder"), ("empty", "has no images")):
        with pytest.raises(DataError, match=text):
            folder.listed(str(tmp_path / name))
    (place / "1.jpg").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"1\.jpg: is no readable image"):
        folder.listed(str(place)).picture(0)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 8), (4, 8), (8, 4), (3, 5)])
def test_fitted_pictures_keep_their_middle_and_their_proportions(height: int, width: int) -> None:
    wide = np.zeros((20, 40, 3), dtype=np.uint8)
    wide[:, 20:] = 200
    fitted = decoding.fit(wide, height, width)
    assert fitted.shape == (height, width, 3)
    left, right = fitted[:, : width // 2].mean(), fitted[:, -(width // 2) :].mean()
    assert left < 40 and right > 160
    assert decoding.fit(wide, 20, 40) is wide
    assert np.array_equal(decoding.fit(wide, 4, 4), decoding.resize(wide, 4))
