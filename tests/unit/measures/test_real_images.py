"""Real images by class in comparisons: no image of one set is in another, and all are read alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synthgen import fields
from synthgen.errors import DataError, ModelError
from synthgen.measures.images import real
from synthgen.measures.images.classification import Evaluator
from synthgen.measures.images.labelled import Labelled
from synthgen.parts.protocols import Comparison
from synthgen.readers.images import labelled

CLASSES, SHAPE = ("cat", "dog"), (4, 4, 1)
JUDGE = "starter/fashion-mnist-evaluator"


def write(folder: Path, counts: dict[str, int], seed: int = 0, most: int = 256, depth: Any = np.uint8) -> Path:
    random = np.random.default_rng(seed)
    for name, n in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(n):
            pixels = random.integers(0, most, (4, 4)).astype(depth)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def read(data: dict[str, Any], classes: tuple[str, ...] = CLASSES, choosing: bool = True, **more: Any) -> real.RealSets:
    found = Comparison("folder", data, "real", more.get("test"), False, lambda note: None)
    return real.read(found, classes, np.zeros((0, *SHAPE), np.uint8), choosing)


def contents(some: Any) -> set[bytes]:
    return {image.tobytes() for image in (some.images if isinstance(some, Labelled) else some)}


def test_images_without_labels_are_neither_tested_on_nor_chosen_by(tmp_path: Path) -> None:
    write(tmp_path / "train", {"cat": 20, "dog": 20, "cow": 9})
    write(tmp_path / "test", {"cat": 10, "dog": 10}, 1)
    write(tmp_path / "more", {"any": 30}, 2)
    everything = tmp_path / "everything"
    everything.mkdir()
    for i, file in enumerate(sorted(tmp_path.glob("*/*/*.png"))):
        (everything / f"{i}.png").write_bytes(file.read_bytes())
    found = read({"path": str(tmp_path), "unlabelled": str(everything)})
    assert found.validation is not None and found.unlabelled is not None
    assert (len(found.train), len(found.validation), len(found.test), len(found.unlabelled)) == (44, 5, 20, 30)
    sets = [contents(one) for one in (found.train, found.validation, found.test, found.unlabelled)]
    assert len(set.union(*sets)) == sum(map(len, sets))


def test_each_class_has_validation_images(tmp_path: Path) -> None:
    counts = {f"class {i}": 5 for i in range(9)} | {"common": 200}
    write(tmp_path / "train", counts)
    write(tmp_path / "test", dict.fromkeys(counts, 1), 1)
    found = read({"path": str(tmp_path)}, tuple(sorted(counts)))
    assert found.validation is not None
    assert np.bincount(found.validation.labels).tolist() == [1] * 9 + [20]


def test_a_split_for_validation_is_read_like_the_others(tmp_path: Path) -> None:
    """Values of 16 bits mean the same in all splits, however dark one of them is."""
    write(tmp_path / "train", {"cat": 3, "dog": 3}, 0, 4000, np.uint16)
    write(tmp_path / "val", {"cat": 3, "dog": 3}, 1, 250, np.uint16)
    write(tmp_path / "test", {"cat": 3, "dog": 3}, 2, 250, np.uint16)
    found = read({"path": str(tmp_path)})
    assert found.validation is not None and len(found.train) == 6
    assert found.train.images.mean() > 100
    assert found.validation.images.max() < 20 and found.test.images.max() < 20
    (tmp_path / "val" / "cat" / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"0\.png"):
        read({"path": str(tmp_path)})
    found = read({"path": str(tmp_path), "skip_broken": True})
    assert found.validation is not None and len(found.validation) == 5


def table(path: Path, seed: int) -> str:
    random, rows = np.random.default_rng(seed), []
    for _ in range(20):
        file = path.with_suffix(".png")
        Image.fromarray(random.integers(0, 256, (4, 4)).astype(np.uint8)).save(file)
        rows.append({"bytes": file.read_bytes()})
    pq.write_table(pa.table({"image": rows, "label": [i % 2 for i in range(20)]}), path)
    return str(path)


def test_a_table_is_not_tested_on_its_own_rows(tmp_path: Path) -> None:
    data = {"path": table(tmp_path / "train.parquet", 0), "classes": list(CLASSES)}
    with pytest.raises(DataError, match=r"has no split `test`.* images on their own"):
        read(data)
    found = read(data, test=table(tmp_path / "test.parquet", 1))
    assert len(found.test) == 20 and not contents(found.test) & contents(found.train)


def test_test_images_may_be_a_folder_by_class(tmp_path: Path) -> None:
    write(tmp_path / "mine", {"cat": 5, "dog": 5})
    with pytest.raises(DataError, match="has no folder `test`; name the test images on their own"):
        read({"path": str(tmp_path / "mine")})
    other = write(tmp_path / "other", {"cat": 2, "dog": 3}, 1)
    assert np.bincount(read({"path": str(tmp_path / "mine")}, test=str(other)).test.labels).tolist() == [2, 3]


def test_nothing_is_tested_on_what_it_has_seen(tmp_path: Path) -> None:
    """A folder compared with itself, one training image among test images, and a dataset of test images."""
    mine = str(write(tmp_path / "mine", {"cat": 5, "dog": 5}))
    with pytest.raises(DataError, match=r"mine: 10 of 10 test images are also among the training images of .*--test"):
        read({"path": mine}, choosing=False, test=mine)
    with pytest.raises(DataError) as caught:
        read({"path": mine}, test=mine)
    assert [message.split(": ")[1][:46] for message in caught.value.messages] == [
        "8 of 10 test images are also among the trainin",
        "2 of 10 test images are also among the validat",
    ]
    other = write(tmp_path / "other", {"cat": 3, "dog": 3}, 1)
    assert len(read({"path": mine}, test=str(other)).test) == 6
    (other / "dog" / "9.png").write_bytes((tmp_path / "mine" / "cat" / "0.png").read_bytes())
    with pytest.raises(DataError, match="other: 1 of 7 test images"):
        read({"path": mine}, choosing=False, test=str(other))
    (other / "dog" / "9.png").unlink()
    many, notes = write(tmp_path / "many", {"cat": 30, "dog": 30}, 2), list[str]()
    (many / "dog" / "99.png").write_bytes((tmp_path / "mine" / "cat" / "0.png").read_bytes())
    noted = Comparison("my-dataset", {"path": mine}, "real", str(many), False, notes.append)
    assert len(real.read(noted, CLASSES, np.zeros((0, *SHAPE), np.uint8), False).test) == 61
    assert notes == [f"{many}: 1 of 61 test images are also among the training images of {mine}"], (
        "as real data have it"
    )
    images = labelled.read(str(other), resolution=4, channels=1).images
    comparison = Comparison("my-dataset", {"path": mine}, "real", str(other), False, lambda note: None)
    with pytest.raises(DataError, match="6 of 6 test images are also among the images of my-dataset"):
        real.read(comparison, CLASSES, images, False)


def test_classes_that_a_dataset_lacks_are_kept(tmp_path: Path) -> None:
    """Datasets of rare classes alone are for real data of all; ids go by names, whatever their order."""
    write(tmp_path / "train", {"ant": 4, "cat": 6, "dog": 5})
    write(tmp_path / "test", {"ant": 2, "dog": 1, "cat": 3}, 1)
    found = read({"path": str(tmp_path)}, ("dog",), choosing=False)
    assert found.classes == ("dog", "ant", "cat")
    assert [np.bincount(some.labels).tolist() for some in (found.train, found.test)] == [[5, 4, 6], [1, 2, 3]]
    ants = [np.asarray(Image.open(path)).tobytes() for path in (tmp_path / "test" / "ant").iterdir()]
    assert contents(found.test.take(np.flatnonzero(found.test.labels == 1))) == set(ants)
    with pytest.raises(DataError, match=r"has the classes .*; the dataset has \['owl'\]"):
        read({"path": str(tmp_path)}, ("owl",))
    write(tmp_path / "test", {"owl": 2}, 2)
    with pytest.raises(DataError, match="unknown class `owl`; accepted: dog, ant, cat, as of the dataset and of train"):
        read({"path": str(tmp_path)}, ("dog",), choosing=False)


def test_one_class_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    write(tmp_path / "train", {"cat": 4})
    write(tmp_path / "test", {"cat": 4}, 1)
    with pytest.raises(DataError, match="has the class cat only, as the dataset has; a classifier tells at least two"):
        read({"path": str(tmp_path)}, ("cat",), choosing=False)


def test_names_of_classes_are_those_of_the_settings() -> None:
    names = [f"digit {i}" for i in range(10)]
    some = Comparison("folder", {"path": labelled.DIGITS}, "real", None, False, lambda note: None)
    assert len(real.read(some, ("3", "1"), np.zeros((0, 8, 8, 1), np.uint8), False).train) > 200
    with pytest.raises(DataError, match="the dataset has"):
        real.read(some, names, np.zeros((0, 8, 8, 1), np.uint8), False)


def test_an_evaluator_is_asked_by_the_names_of_classes() -> None:
    """Two of its classes in another order: agreement does not depend on ids."""
    shown = np.random.default_rng(0).integers(0, 256, (60, 28, 28, 1)).astype(np.uint8)
    image = fields.Image(28, 28, 1)
    evaluator = Evaluator(JUDGE, ["Shirt", "Bag"], image)
    seen = evaluator._network.predict_proba(shown).argmax(1)
    names = list(evaluator._network.classes)
    assert evaluator.agrees(Labelled(shown, np.zeros(60, int))) == (seen == names.index("Shirt")).mean()
    assert evaluator.agrees(Labelled(shown, np.ones(60, int))) == (seen == names.index("Bag")).mean()
    with pytest.raises(ModelError, match=r"--evaluator .*: unknown class `Shrit`; did you mean `Shirt`"):
        Evaluator(JUDGE, ["Shrit"], image)
    with pytest.raises(ModelError, match=r"sees images of the shape \(28, 28, 1\), and the dataset has \(32, 32, 3\)"):
        Evaluator(JUDGE, ["Shirt"], fields.Image(32, 32, 3))
    with pytest.raises(ModelError):
        Evaluator("starter/nuclei-filter", ["Shirt"], image)
