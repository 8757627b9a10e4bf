"""`use: image-statistics`: numbers that can be reckoned by hand, and percentiles among real images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageFilter

from synthgen.errors import DataError
from synthgen.fields import Image
from synthgen.scorers.image_statistics import UNITS, ImageStatistics, percentiles, statistics

SIDE = 24


def numbers(picture: np.ndarray) -> dict[str, float]:
    return dict(zip(UNITS, statistics(picture), strict=True))


def scored(images: list[np.ndarray], **settings: Any) -> dict[str, Any]:
    part = ImageStatistics(ImageStatistics.Config(**settings))
    height, width, channels = images[0].shape
    assert part.bind({"image": Image(height, width, channels)}) == []
    part.setup("cpu")
    added = dict(part.annotate({"image": images}, [0] * len(images)))
    assert set(added) == set(part.fields)
    return added


def noisy(n: int, size: tuple[int, int] = (SIDE, SIDE)) -> list[np.ndarray]:
    """Images of more and more noise around other colours."""
    random = np.random.default_rng(0)
    return [
        (random.uniform(40, 200, 3) + random.normal(0, 2 + 3 * i, (*size, 3))).clip(0, 255).astype(np.uint8)
        for i in range(n)
    ]


@pytest.fixture
def real(tmp_path: Path) -> str:
    (tmp_path / "real" / "more").mkdir(parents=True)
    for i, picture in enumerate(noisy(20)):
        Pillow.fromarray(picture).save(tmp_path / "real" / ("more" if i % 2 else ".") / f"p{i:02d}.png")
    return str(tmp_path / "real")


def test_flat_pictures() -> None:
    grey = numbers(np.full((4, 6, 1), 51, dtype=np.uint8))
    assert grey == pytest.approx({"sharpness": 0, "entropy": 0, "saturation": 0, "brightness": 0.2, "contrast": 0})
    red = numbers(np.tile(np.array([255, 0, 0], dtype=np.uint8), (4, 4, 1)))
    assert (red["saturation"], red["brightness"]) == pytest.approx((1, 0.299))
    black = numbers(np.zeros((4, 4, 3), dtype=np.uint8))
    assert black["saturation"] == black["entropy"] == 0


def test_a_chessboard() -> None:
    board = (255 * (np.indices((8, 8)).sum(0) % 2)).astype(np.uint8)[..., None]
    found = numbers(board)
    assert found["entropy"] == pytest.approx(1)
    assert (found["brightness"], found["contrast"]) == pytest.approx((0.5, 0.5))
    assert found["sharpness"] == pytest.approx((4 * 255) ** 2)  # each pixel's four neighbours have the other value
    halves = np.repeat([[0], [85], [170], [255]], 4, axis=1).astype(np.uint8)[..., None]
    assert numbers(halves)["entropy"] == pytest.approx(2)


def test_blur_makes_a_picture_less_sharp() -> None:
    (picture,) = noisy(1)
    blurred = np.asarray(Pillow.fromarray(picture).filter(ImageFilter.GaussianBlur(2)))
    assert numbers(blurred)["sharpness"] < 0.1 * numbers(picture)["sharpness"]


def test_percentiles_of_the_real_pictures_themselves_are_uniform(real: str) -> None:
    added = scored(noisy(20), real=real)
    for name in UNITS:
        assert sorted(added[f"{name}_percentile"]) == pytest.approx(np.arange(20) * 5 + 2.5), name


def test_outside_of_what_is_real(real: str) -> None:
    flat = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
    harsh = np.random.default_rng(1).choice(np.array([0, 255], dtype=np.uint8), (SIDE, SIDE, 3))
    added = scored([flat, harsh], real=real)
    assert added["sharpness_percentile"] == [0, 100]
    assert added["saturation_percentile"][0] == 0


def test_equal_values_count_half() -> None:
    assert percentiles(np.array([1.0, 2, 2, 3]), np.array([0, 1, 2, 2.5, 3, 4])).tolist() == [
        0,
        12.5,
        50,
        75,
        87.5,
        100,
    ]


def test_real_pictures_of_other_sizes_are_compared_at_the_size_of_the_samples(real: str, tmp_path: Path) -> None:
    for name in ("large", "fitted"):
        (tmp_path / name).mkdir()
    for i, picture in enumerate(noisy(20)):
        wide = np.full((4 * SIDE, 6 * SIDE, 3), 255 * (i % 2), dtype=np.uint8)
        wide[:, SIDE : 5 * SIDE] = picture.repeat(4, axis=0).repeat(4, axis=1)
        Pillow.fromarray(wide).save(tmp_path / "large" / f"p{i:02d}.png")
        middle = Pillow.fromarray(wide[:, SIDE : 5 * SIDE]).resize((SIDE, SIDE), Pillow.Resampling.LANCZOS)
        middle.save(tmp_path / "fitted" / f"p{i:02d}.png")
    places = (real, str(tmp_path / "large"), str(tmp_path / "fitted"))
    small, large, fitted = (scored(noisy(20), real=place) for place in places)
    assert large == fitted
    assert large["brightness_percentile"] == pytest.approx(small["brightness_percentile"], abs=5)


def test_the_real_pictures_are_part_of_what_the_dataset_is_made_from(real: str) -> None:
    def made() -> ImageStatistics:
        return ImageStatistics(ImageStatistics.Config(real=real, licence="cc0-1.0"))

    first = made()
    (source,) = first.sources
    assert (source.kind, source.name, source.licence, source.details) == ("data", "real", "cc0-1.0", {"pictures": 20})
    Pillow.fromarray(noisy(1)[0]).save(Path(real) / "another.png")
    assert made().identity() != first.identity()


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no images"):
        ImageStatistics(ImageStatistics.Config(real=str(tmp_path)))
    with pytest.raises(DataError, match="no such folder"):
        ImageStatistics(ImageStatistics.Config(real=str(tmp_path / "nowhere")))


def test_names_can_have_a_start(real: str) -> None:
    added = scored(noisy(2), name="raw", real=real)
    assert "raw_sharpness" in added and "raw_sharpness_percentile" in added and "sharpness" not in added
