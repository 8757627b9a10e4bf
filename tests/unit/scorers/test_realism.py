"""`use: realism`: what is among real images scores 1 or more, what is apart from them less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.fields import Image as ImageField
from synthgen.measures.features import manifold
from synthgen.scorers.realism import Realism, balls, realism

FILTER = "starter/fashion-mnist-filter"


def test_scores_are_ratios_of_radii_and_distances() -> None:
    real = np.array([[0.0], [1.0], [2.0], [10.0]])
    centres, radii = balls(real, 1)
    assert centres[:, 0].tolist() == [0, 1, 2] and radii.tolist() == [1, 1, 1], "the widest ball is left out"
    assert realism(np.array([[0.5], [4.0], [10.0], [1.0]]), centres, radii).tolist() == [2, 0.5, 0.125, 1]


def test_precision_counts_what_is_in_a_ball() -> None:
    """Without its halving the score is the published precision, sample by sample."""
    random = np.random.default_rng(0)
    real, made = random.normal(size=(60, 4)), random.normal(1, 1.5, size=(50, 4))
    found = np.sort(np.linalg.norm(real[:, None] - real[None], axis=2), axis=1)[:, 3]
    assert (realism(made, real, found) >= 1).mean() == manifold(real, made, 3)["precision"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of bright squares, half of them called `a`, and one in `test`, which is no reference."""
    random = np.random.default_rng(1)
    for split, n in (("train", 24), ("test", 4)):
        for i in range(n):
            place = tmp_path / split / "ab"[i % 2]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(square(random)).save(place / f"{i}.png")
    return tmp_path


def square(random: np.random.Generator) -> np.ndarray:
    image = random.integers(0, 30, (28, 28), dtype=np.uint8)
    y, x = random.integers(4, 8, 2)
    image[y : y + 14, x : x + 14] = 220
    return image


def scorer(path: Path, **settings: object) -> Realism:
    return Realism(Realism.Config.model_validate({"model": FILTER, "data": {"path": str(path)}, **settings}))


def test_images_like_the_real_ones_score_higher(folder: Path) -> None:
    part = scorer(folder)
    assert part.bind({"image": ImageField(28, 28, 1)}) == []
    part.setup("cpu")
    random = np.random.default_rng(2)
    alike = [square(random)[..., None] for _ in range(8)]
    noise = [random.integers(0, 256, (28, 28, 1), dtype=np.uint8) for _ in range(8)]
    scores = part.annotate({"image": alike + noise}, range(16))["realism"]
    assert min(scores[:8]) > max(scores[8:])
    alone = [part.annotate({"image": [image]}, [0])["realism"][0] for image in alike]
    assert alone == pytest.approx(scores[:8])
    own = [np.asarray(Image.open(path))[..., None] for path in sorted((folder / "train").rglob("*.png"))]
    assert np.median(part.annotate({"image": own}, range(24))["realism"]) >= 1


def test_what_does_not_suit_is_said(folder: Path) -> None:
    [problem] = scorer(folder).bind({"image": ImageField(32, 32, 3)})
    assert "sees images of shape (28, 28, 1), the sampler generates (32, 32, 3)" in str(problem)
    [problem] = scorer(folder, neighbours=24).bind({"image": ImageField(28, 28, 1)})
    assert problem.place == ("data", "path") and "has 24 images, and `neighbours: 24` needs more" in str(problem)
