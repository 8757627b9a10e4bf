"""Measures against closed forms and against data whose answer is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from PIL import Image

import helpers
import tiny
from synthgen.cli import evaluate
from synthgen.dataset.store import Store
from synthgen.errors import DataError
from synthgen.fields import Label, Number, Probabilities
from synthgen.measures import features
from synthgen.measures.images import probe, tricks
from synthgen.measures.images.labelled import Labelled, stacked
from synthgen.measures.images.probe import Budget
from synthgen.measures.images.usefulness import named, shares_right, usefulness
from synthgen.measures.settings import Spread, gain
from synthgen.readers import origin
from synthgen.readers.images import labelled as data
from synthgen.recipe.sections import Trick
from synthgen.stages import evaluation

RNG = np.random.default_rng(0)


def test_frechet_distance_of_gaussians() -> None:
    """|mean difference|^2 + |s1 - s2|^2 for independent coordinates with deviations s."""
    a = RNG.normal(0, 1, (200_000, 3))
    b = RNG.normal([1, 0, 2], [2, 1, 0.5], (200_000, 3))
    assert features.frechet_distance(a, b) == pytest.approx(5 + 1 + 0 + 0.25, rel=0.02)
    assert features.frechet_distance(a, a) == pytest.approx(0, abs=1e-3)


def test_frechet_distance_of_flat_clouds() -> None:
    """Features with too few samples have singular covariances; then the root is that of their eigenvalues."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        a = rng.normal(0, 1, (6, 2)) @ rng.normal(0, 1, (2, 6)) * (rng.random(6) < 0.5)
        b = rng.normal(0, 1, (6, 6)) * (rng.random(6) < 0.5)
        cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
        root = np.sqrt(np.maximum(np.linalg.eigvals(cov_a @ cov_b).real, 0)).sum()
        apart = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * root
        assert features.frechet_distance(a, b) == pytest.approx(apart, rel=0.01, abs=0.01)


def test_coverage() -> None:
    """Two far clusters, of which only one is drawn: half is covered."""
    real = np.concatenate([RNG.normal(0, 1, (300, 4)), RNG.normal(50, 1, (300, 4))]).astype(np.float32)
    fake = RNG.normal(0, 1, (600, 4)).astype(np.float32)
    assert features.coverage(real, fake) == pytest.approx(0.5, abs=0.02)
    assert features.coverage(real, real + 1e-3) > 0.95
    assert features.coverage(real, fake + 1000) == 0


def test_copies_are_near() -> None:
    real, other = RNG.normal(0, 1, (200, 5)).astype(np.float32), RNG.normal(0, 1, (50, 5)).astype(np.float32)
    copies, _ = features.nearest_distances(real[:50] + 1e-4, real)
    fresh, _ = features.nearest_distances(other, real)
    assert np.median(copies) < 0.01 * np.median(fresh)


def digits(n: int) -> tuple[Labelled, Labelled]:
    found = data.read("sklearn:digits", split="train", resolution=8, channels=1)
    test = data.read("sklearn:digits", split="test", resolution=8, channels=1)
    return Labelled(found.images[:n], found.labels[:n]), Labelled(test.images, test.labels)


def test_the_probe_learns_and_wrong_labels_teach_nothing() -> None:
    train, test = digits(1000)
    nonsense = Labelled(train.images, RNG.permutation(train.labels))
    budget = Budget(steps=150, shift_px=0)
    model = probe.train(train.images, train.labels, 10, 0, budget)
    assert (probe.predict(model, test.images) == test.labels).mean() > 0.9
    fooled = probe.train(nonsense.images, nonsense.labels, 10, 0, budget)
    assert (probe.predict(fooled, test.images) == test.labels).mean() < 0.4


def test_usefulness_compares_at_equal_size_and_budget() -> None:
    train, test = digits(1000)
    said: list[str] = []
    found = usefulness(train.subset(200, 0), train, test, 10, [0, 1], [Budget(steps=20)], said.append)
    assert set(found) == {"synthetic", "real", "both"}
    assert all(len(arm.accuracy) == 2 for arm in found.values())
    assert "trained on 200 synthetic" in said[0]
    assert "trained on 200 real" in said[1]
    assert "trained on 400 both" in said[2]


def test_each_network_has_the_steps_that_are_best_on_validation_images() -> None:
    train, test = digits(1000)
    held = np.arange(len(train)) % 10 == 0
    train, validation = train.take(np.flatnonzero(~held)), train.take(np.flatnonzero(held))
    budgets, said = [Budget(steps=5, shift_px=0), Budget(steps=120, shift_px=0)], list[str]()
    nonsense = Labelled(train.images, RNG.permutation(train.labels))
    found = usefulness(nonsense, train, test, 10, [0], budgets, said.append, validation)
    assert found["real"].chosen == [budgets[1]] and found["real"].accuracy[0] > 0.85
    assert "images in 120 steps: " in said[1]
    fooled = [probe.train(nonsense.images, nonsense.labels, 10, 0, budget) for budget in budgets]
    best = max(range(2), key=lambda i: np.nanmean(shares_right(fooled[i], validation, 10)[1]))
    assert found["synthetic"].chosen == [budgets[best]]
    assert found["synthetic"].accuracy == [shares_right(fooled[best], test, 10)[0]]


def uneven(n_rare: int) -> tuple[Labelled, Labelled]:
    """Digits of which half of the classes have a few images each, and test images."""
    train, test = digits(1400)
    rows = [np.flatnonzero(train.labels == label)[: n_rare if label >= 5 else 400] for label in range(10)]
    return train.take(np.concatenate(rows)), test


@pytest.mark.parametrize("trick", ["oversampled", "adjusted"])
def test_tricks_for_rare_classes_find_more_of_them(trick: Any) -> None:
    train, test = uneven(4)
    models = [probe.train(train.images, train.labels, 10, 0, Budget(150, shift_px=0, trick=t)) for t in (None, trick)]
    plain, tricked = (shares_right(model, test, 10)[1][5:].mean() for model in models)
    assert tricked > plain + 0.1


@pytest.mark.parametrize("trick", ["cutout", "mixup", "averaged"])
def test_tricks_learn_as_well(trick: Any) -> None:
    train, test = digits(1000)
    budget = Budget(steps=150, shift_px=0, trick=trick)
    first, second = (probe.train(train.images, train.labels, 10, 0, budget) for _ in range(2))
    assert shares_right(first, test, 10)[0] > 0.9
    assert np.array_equal(probe.predict(first, test.images), probe.predict(second, test.images))
    plain = probe.train(train.images, train.labels, 10, 0, Budget(steps=150, shift_px=0))
    assert not np.array_equal(probe.probabilities(first, test.images), probe.probabilities(plain, test.images))


def test_what_tricks_do_to_images() -> None:
    torch.manual_seed(0)
    x = torch.ones(50, 1, 8, 8)
    share = (tricks.cutout(x) == 0).float().mean((1, 2, 3))
    assert share.max() == pytest.approx(25 / 64) and 0.1 < share.mean() < 0.35
    mixed, shares = tricks.mixup(torch.arange(8.0).reshape(8, 1, 1, 1), torch.eye(8))
    assert torch.allclose(shares.sum(1), torch.ones(8))
    assert torch.allclose(mixed.ravel(), shares @ torch.arange(8.0))
    rows = tricks.oversampled(np.array([0, 0, 0, 0, 0, 1, 1]), 0)
    assert np.bincount(rows).tolist() == [1, 1, 1, 1, 1, 3, 2] or np.bincount(rows).tolist() == [1, 1, 1, 1, 1, 2, 3]
    shares = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    assert tricks.log_prior(shares).exp().tolist() == pytest.approx([0.75, 0.25])
    assert tricks.log_prior(shares, torch.tensor([0.0, 3.0])).exp().tolist() == pytest.approx([0.5, 0.5])


def test_the_command_knows_all_tricks() -> None:
    assert get_args(Trick) == evaluate.TRICKS


def test_images_without_labels_train_under_the_classes_that_a_probe_sees() -> None:
    train, test = digits(1400)
    few, others = train.take(np.arange(60)), train.images[60:]
    teacher = probe.train(few.images, few.labels, 10, 0, Budget(steps=100, shift_px=0))
    found = named(teacher, others, 10)
    assert abs(len(found) - len(others) / 2) <= 5
    truth = {image.tobytes(): label for image, label in zip(train.images, train.labels, strict=True)}
    right = np.mean([truth[i.tobytes()] == label for i, label in zip(found.images, found.labels, strict=True)])
    assert right > (probe.predict(teacher, others) == train.labels[60:]).mean()
    budgets = [Budget(steps=100, shift_px=0)]
    arms = usefulness(few, few, test, 10, [0], budgets, lambda text: None, unlabelled=others)
    assert arms["self-trained"].n == 60 + len(found)
    assert arms["self-trained"].accuracy[0] > arms["real"].accuracy[0]


def test_gains_have_intervals_of_pairs() -> None:
    assert gain([2.0, 3.0, 4.0], [1.0, 2.0, 3.0]) == "+1.00 points, 95 % interval +1.00 to +1.00 over 3 seeds"
    assert gain([2.0, 3.0], [1.0, 1.0]) == "+1.50 points, 95 % interval -4.85 to +7.85 over 2 seeds"
    assert gain([0.5], [1.0]) == "-0.50 points"


def test_probes_honour_weights_and_soft_labels() -> None:
    train, test = digits(1000)
    n, budget = len(train), Budget(steps=150, shift_px=0)
    wrong = np.arange(n) % 2 == 1
    labels = np.where(wrong, (train.labels + 1) % 10, train.labels)
    plain = probe.train(train.images, labels, 10, 0, budget)
    weighed = probe.train(train.images, labels, 10, 0, budget, np.where(wrong, 0.0, 3.0))
    right = [(probe.predict(model, test.images) == test.labels).mean() for model in (plain, weighed)]
    assert right[1] > 0.9 > right[0]
    first, second = (np.eye(10, dtype=np.float32)[(train.labels + i) % 10] for i in range(2))
    soft = 0.7 * first + 0.3 * second
    model = probe.train(train.images, soft, 10, 0, budget)
    chances = model(probe.to_tensor(test.images)).softmax(1).detach().numpy()
    assert 0.2 < chances[np.arange(len(test)), (test.labels + 1) % 10].mean() < 0.4


class Mixes(list[Any]):
    """A loaded dataset of two images between two classes."""

    classes = ("a", "b")

    def __init__(self, weights: tuple[float, float], of: tuple[str, ...] = classes) -> None:
        image, soft = np.zeros((2, 2, 1), np.uint8), np.array([0.3, 0.7], np.float32)
        super().__init__({"image": image, "label": 1, "soft_label": soft, "weight": weight} for weight in weights)
        others = Label(("b", "a"))  # of a labeler that stands first, in another order
        self.fields = {
            "seen": others,
            "label": Label(self.classes),
            "soft_label": Probabilities(of),
            "weight": Number(),
        }


def test_soft_labels_and_weights_of_a_dataset_are_trained_with() -> None:
    found = stacked(Mixes((0.5, 2.0)))
    assert found.weights is not None and found.weights.tolist() == [0.5, 2.0]
    assert found.targets(2).tolist() == [pytest.approx([0.3, 0.7])] * 2
    with pytest.raises(DataError, match=r"`weight` must be 0 or more, .*; -1 is the least"):
        stacked(Mixes((-1.0, 2.0)))
    with pytest.raises(DataError, match=r"`soft_label` is of other classes than `label`: b, a"):
        stacked(Mixes((1.0, 1.0), ("b", "a")))


def test_weights_and_soft_labels_go_along_with_their_images() -> None:
    images, labels = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1), np.array([0, 1, 0, 1, 0, 1])
    soft = np.stack([1 - labels * 0.8, labels * 0.8], 1).astype(np.float32)
    one = Labelled(images, labels, soft, np.arange(6.0))
    some = one.subset(4, 0)
    assert some.weights is not None and np.array_equal(some.weights, some.images.ravel())
    both = one.join(Labelled(images, labels))
    assert both.weights is not None and both.weights.tolist() == [0, 1, 2, 3, 4, 5, 1, 1, 1, 1, 1, 1]
    assert np.array_equal(both.targets(2)[6:], np.eye(2)[labels])
    assert np.array_equal(both.targets(2)[:6], soft)
    assert np.array_equal(one.widened(3).targets(3), np.pad(soft, ((0, 0), (0, 1))))


def test_probes_are_repeatable() -> None:
    train, test = digits(200)
    a, b = (probe.train(train.images, train.labels, 10, 3, Budget(steps=5)) for _ in range(2))
    assert np.array_equal(probe.predict(a, test.images), probe.predict(b, test.images))


def test_subsets_keep_the_shares_of_classes() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    some = Labelled(np.zeros((1000, 1, 1, 1), dtype=np.uint8), labels).subset(100, 0)
    assert np.bincount(some.labels).tolist() == [60, 30, 10]
    alike = Labelled(np.zeros((50, 1, 1, 1), dtype=np.uint8), np.repeat(np.arange(10), 5))
    missing = [set(range(10)) - set(alike.subset(5, seed).labels) for seed in range(20)]
    assert set.intersection(*missing) == set(), "which classes are left out depends on the seed, not on their ids"


def test_spread() -> None:
    assert Spread((0.5, 0.7)).mean == pytest.approx(0.6)
    assert Spread((0.5, 0.7)).deviation == pytest.approx(0.1414, abs=1e-4)
    assert Spread((0.5,)).deviation == 0


def test_the_command(finished: Path, tmp_path: Path) -> None:
    """`evaluate` on the toy dataset against real folders of the same classes."""
    for split, n in (("train", 20), ("test", 10)):
        for name, level in (("dark", 60), ("bright", 190)):
            (tmp_path / "real" / split / name).mkdir(parents=True)
            for i in range(n):
                pixels = np.clip(RNG.normal(level, 20, (4, 4, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "real" / split / name / f"{i}.png")
    out = shutil.copytree(finished, tmp_path / "out")
    words = [str(out), "--real", str(tmp_path / "real"), "--seeds", "2", "--steps", "30", "--json"]
    answer = CliRunner().invoke(evaluate.command, words, standalone_mode=False)
    assert answer.exception is None, answer.exception
    found = json.loads(answer.stdout)
    assert found["n_test"] == 20
    assert found["accuracy"]["synthetic"]["n"] == 32
    assert len(found["accuracy"]["real"]["values"]) == 2
    known = evaluation.read(Store(out))
    assert known is not None and known.found == found
    assert known.asked["data_sha256"] == origin.sha256({"path": str(tmp_path / "real")})
    several = [*words[:-3], "--steps", "10,30"]
    answer = CliRunner().invoke(evaluate.command, several, standalone_mode=False)
    assert answer.exception is None, answer.exception
    for line in ("10, 30 steps, the best on 4 real validation images:", "both less real: ", "95 % interval"):
        assert line in answer.stdout
    noisy = "a choice by 4 validation images is mostly chance: add images to a split `val`"
    assert noisy in answer.stdout and noisy in answer.stderr
    data = {"path": str(tmp_path / "real"), "validation": 0.5}
    trainer = {"use": "class-conditional", "resolution": 4, "data": data}
    recipe = {"kind": "model", "name": "m", "trainer": trainer}
    more = CliRunner().invoke(
        evaluate.command, [several[0], "--real", str(helpers.write(tmp_path, recipe)), *several[3:]]
    )
    assert "the best on 20 real validation images:" in more.stdout, more.output
    with_tricks = [*words[:-1], "--tricks", "cutout,adjusted"]
    answer = CliRunner().invoke(evaluate.command, with_tricks, standalone_mode=False)
    assert answer.exception is None, answer.exception
    assert "30 steps, the best on 4 real validation images:" in answer.stdout and "in 30 steps" in answer.stdout
    answer = CliRunner().invoke(evaluate.command, [*words, "--tricks", "cutout,cutmix"])
    assert "`cutmix` is none of cutout, mixup, averaged, oversampled, adjusted" in answer.output
    answer = CliRunner().invoke(evaluate.command, [*words[:-3], "--steps", "10,0"])
    assert "neither a number from 1 on nor several such as 500,2000,10000" in answer.output


def test_a_dataset_of_one_class_is_compared_on_all(tmp_path: Path) -> None:
    """Alone it finds nothing else; added to all real images, it leaves no class out."""
    for split, n in (("train", 30), ("test", 10)):
        for name, level in (("night", 20), ("dark", 90), ("bright", 200)):
            (tmp_path / "real" / split / name).mkdir(parents=True)
            for i in range(n):
                pixels = np.clip(RNG.normal(level, 5, (4, 4, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "real" / split / name / f"{i}.png")
    recipe = helpers.toy(condition={"use": "classes", "quotas": {"dark": 12}}, splits={"train": 1.0}, keep=None)
    helpers.run(helpers.write(tmp_path, recipe), tmp_path / "out")
    words = [str(tmp_path / "out"), "--real", str(tmp_path / "real"), "--seeds", "1", "--steps", "60"]
    answer = CliRunner().invoke(evaluate.command, words, standalone_mode=False)
    assert answer.exception is None, answer.exception
    for said in (answer.stderr, answer.stdout):
        assert "the dataset has no images of bright, night: trained on it alone" in said
    known = evaluation.read(Store(tmp_path / "out"))
    assert known is not None and known.found["n_test"] == 30 and known.found["lacks"] == ["bright", "night"]
    arms = known.found["accuracy"]
    assert {name: arm["n"] for name, arm in arms.items()} == {"synthetic": 12, "real": 90, "both": 102}
    assert arms["synthetic"]["mean"] == pytest.approx(100 / 3, abs=0.01) and arms["both"]["mean"] > 90


def test_what_cannot_be_evaluated_is_told(cli, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(labelers=None, scorers=None, keep=None, samples=10))
    helpers.run(recipe, tmp_path / "out")
    answer = cli("evaluate", tmp_path / "out", "--real", tmp_path)
    assert answer.code == 2
    assert "need an `image` and its class (`label`, by the labeler class-label); or an `image` with boxes" in answer.err


def test_masks_with_test_pictures_of_their_own(cli, scenes: Path, tmp_path: Path) -> None:
    """A flat folder has no test split; what makes one is told, and another folder can stand for it."""
    recipe = tmp_path / "model.yaml"
    data = {"path": tiny.masks(), "mask_kind": "instances", "objects": ["cell", "debris"]}
    trainer = {"use": "segmenter", "data": data}
    recipe.write_text(yaml.safe_dump({"kind": "model", "name": "m", "trainer": trainer}))
    folder = shutil.copytree(scenes, tmp_path / "scenes")
    words = ("evaluate", folder, "--real", recipe, "--seeds", 1, "--steps", 1, "--split", "all", "--json")
    answer = cli(*words)
    assert answer.code == 1
    assert f"{tiny.masks()}/test/images and {tiny.masks()}/test/masks" in answer.err
    assert "--test" in answer.err
    message = "16 of 16 test images are also among the training images of"
    assert message in cli(*words, "--test", tiny.masks()).err
    found = json.loads(cli(*words, "--test", tiny.masks(6, 40)).out)
    assert found["n_test"] == {"picture": 6}
