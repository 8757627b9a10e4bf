"""Reading labelled images: every accepted form, and an error that names the file for the rest."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.readers.images import folder
from synthgen.readers.images import labelled as data
from synthgen.readers.images.decoding import decode


def save(path: Path, array: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path)


def grey(value: int, side: int = 6) -> np.ndarray:
    return np.full((side, side), value, dtype=np.uint8)


def idx(path: Path, array: np.ndarray) -> None:
    raw = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def test_folder_by_class(tmp_path: Path) -> None:
    save(tmp_path / "dog" / "1.png", grey(10))
    save(tmp_path / "cat" / "deep" / "2.png", grey(20))
    found = data.read(str(tmp_path))
    assert found.classes == ("cat", "dog")
    assert found.images.shape == (2, 6, 6, 1)
    assert found.labels.tolist() == [0, 1]
    assert found.images[:, 0, 0, 0].tolist() == [20, 10]


def test_train_and_test_folders(tmp_path: Path) -> None:
    save(tmp_path / "train" / "a" / "1.png", grey(1))
    save(tmp_path / "test" / "a" / "1.png", grey(2))
    assert data.read(str(tmp_path), "train").images[0, 0, 0, 0] == 1
    assert data.read(str(tmp_path), "test").images[0, 0, 0, 0] == 2


def test_folder_without_a_test_split_says_so(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", grey(1))
    with pytest.raises(DataError, match="has no folder `test`"):
        data.read(str(tmp_path), "test")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files(tmp_path: Path, suffix: str) -> None:
    images = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
    idx(tmp_path / f"train-images-idx3-ubyte{suffix}", images)
    idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", np.array([1, 0], dtype=np.uint8))
    found = data.read(str(tmp_path), classes=["no", "yes"])
    np.testing.assert_array_equal(found.images[..., 0], images)
    assert (found.labels.tolist(), found.classes) == ([1, 0], ("no", "yes"))


def test_torn_idx_file_is_named(tmp_path: Path) -> None:
    idx(tmp_path / "train-images-idx3-ubyte", np.zeros((2, 4, 4), np.uint8))
    idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(2, np.uint8))
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="train-images-idx3-ubyte: is no readable idx file"):
        data.read(str(tmp_path))


def test_parquet_with_class_names_in_its_metadata(finished: Path) -> None:
    path = next(iter(sorted((finished / "parquet" / "train").glob("*.parquet"))))
    found = data.read(str(path))
    assert found.classes == ("dark", "bright")
    assert found.images.shape[1:] == (4, 4, 3)
    assert len(found.images) == pq.read_metadata(path).num_rows


def test_parquet_without_the_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"picture": [b""]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet: needs the columns `image` and `label`, has picture"):
        data.read(str(tmp_path / "x.parquet"))


@pytest.mark.parametrize(
    ("labels", "classes", "told"),
    [
        ([0, None, 1], ["cat", "dog"], "x.parquet: row 2: label: is empty"),
        (["cat", None, "None"], None, "x.parquet: row 2: label: is empty"),
        ([0, -1, 2], ["cat", "dog"], "row 2: label: -1 is no class; ids from 0 to 1 and the names cat, dog are"),
        ([0, -1, 2], ["cat", "dog"], "row 3: label: 2 is no class"),
        (["cat", "cow", "dog"], ["cat", "dog"], "row 2: label: cow is no class"),
        ([[0], [1], [1]], None, "row 1: label: holds a list"),
        ([0.0, 1.0, float("nan")], None, "row 3: label: holds a number"),
    ],
)
def test_labels_of_a_parquet_file_that_are_no_classes(
    tmp_path: Path, labels: list[Any], classes: list[str] | None, told: str
) -> None:
    save(tmp_path / "a.png", grey(1))
    images = [(tmp_path / "a.png").read_bytes()] * 3
    pq.write_table(pa.table({"image": images, "label": labels}), tmp_path / "x.parquet")
    with pytest.raises(DataError) as error:
        data.read(str(tmp_path / "x.parquet"), classes=classes)
    assert told in str(error.value)


def test_names_as_labels_follow_the_order_of_the_classes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", grey(1))
    images = [(tmp_path / "a.png").read_bytes()] * 3
    pq.write_table(pa.table({"image": images, "label": ["dog", "cat", "dog"]}), tmp_path / "x.parquet")
    assert data.read(str(tmp_path / "x.parquet"), classes=["dog", "cat"]).labels.tolist() == [0, 1, 0]
    assert data.read(str(tmp_path / "x.parquet")).labels.tolist() == [1, 0, 1]


def test_digits_split_is_fixed_and_disjoint() -> None:
    train, test = data.read(data.DIGITS, "train"), data.read(data.DIGITS, "test")
    assert (len(train.images), len(test.images)) == (1438, 359)
    assert train.images.max() == 255
    assert train.classes == tuple("0123456789")


def test_odd_pictures_become_plain_ones(tmp_path: Path) -> None:
    clear = np.zeros((5, 5, 4), dtype=np.uint8)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert decode((tmp_path / "clear.png").read_bytes(), "clear").min() == 255
    Image.fromarray(np.full((5, 5), 65535, dtype=np.uint16)).save(tmp_path / "deep.png")
    deep = decode((tmp_path / "deep.png").read_bytes(), "deep")
    assert (deep.shape, deep.min()) == ((5, 5, 1), 255)
    save(tmp_path / "palette.png", np.full((5, 5, 3), 200, dtype=np.uint8), "P")
    assert decode((tmp_path / "palette.png").read_bytes(), "palette").shape == (5, 5, 3)


def test_unreadable_picture_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", grey(1))
    (tmp_path / "a" / "2.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2\.png: is no readable image"):
        data.read(str(tmp_path))


def test_sizes_need_a_resolution_and_get_it(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", np.zeros((6, 9), np.uint8))
    with pytest.raises(DataError, match=r"1\.png: is 9 x 6; set `resolution`"):
        data.read(str(tmp_path))
    assert data.read(str(tmp_path), resolution=4).images.shape == (1, 4, 4, 1)


@pytest.mark.parametrize("make", ["nothing", "empty", "no_classes"])
def test_useless_folders(tmp_path: Path, make: str) -> None:
    if make == "empty":
        (tmp_path / "x" / "cat").mkdir(parents=True)
    elif make == "no_classes":
        save(tmp_path / "x" / "1.png", grey(1))
    with pytest.raises(DataError, match=str(tmp_path / "x")):
        data.read(str(tmp_path / "x"))


def test_held_out_share_is_the_same_in_every_class() -> None:
    images = data.read(data.DIGITS)
    rest, held = images.split(0.1, seed=0)
    assert len(rest.labels) + len(held.labels) == len(images.labels)
    shares = np.bincount(held.labels) / np.bincount(images.labels)
    np.testing.assert_allclose(shares, 0.1, atol=0.005)
    again = images.split(0.1, seed=0)[1]
    np.testing.assert_array_equal(again.images, held.images)


def test_a_class_of_one_image_cannot_be_split(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", grey(1))
    with pytest.raises(DataError, match="class `a` has 1 images; at least 2"):
        data.read(str(tmp_path)).split(0.5, seed=0)


@pytest.mark.realdata
def test_fashion_mnist() -> None:
    folder = Path(__file__).parents[4] / "shared" / "data" / "fashion_mnist"
    if not folder.is_dir():
        pytest.skip("no real data beside the project")
    found = data.read(str(folder), "test")
    assert found.images.shape == (10_000, 28, 28, 1)
    assert np.bincount(found.labels).tolist() == [1000] * 10
    assert found.classes[0] == "T-shirt/top"


def test_a_broken_picture_is_told_without_objects_in_memory(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(b"words")
    (tmp_path / "cat" / "._1.png").write_bytes(b"what macOS leaves behind")
    with pytest.raises(DataError, match=r"/1\.png: is no readable image: its content has no known format") as caught:
        data.read(str(tmp_path))
    assert "BytesIO" not in str(caught.value)


def test_white_on_a_transparent_ground_is_seen(tmp_path: Path) -> None:
    icon = np.full((6, 6, 4), 255, dtype=np.uint8)
    icon[..., 3] = 0
    icon[1:3, 1:3, 3] = 255
    for name, colour in (("white", 255), ("grey", 100)):
        icon[..., :3] = colour
        save(tmp_path / f"{name}.png", icon)
    seen = decode(tmp_path / "white.png", "white")
    assert (seen[1:3, 1:3] == 255).all() and (seen[3:] == 0).all()
    assert (decode(tmp_path / "grey.png", "grey")[3:] == 255).all(), "transparency is white elsewhere"
    icon[..., 3] = 0
    save(tmp_path / "none.png", icon)
    assert (decode(tmp_path / "none.png", "none") == 255).all()


def test_colours_of_later_images_are_kept(tmp_path: Path) -> None:
    colour = np.zeros((6, 6, 3), dtype=np.uint8) + np.array([9, 8, 7], dtype=np.uint8)
    save(tmp_path / "a" / "1.png", grey(5))
    save(tmp_path / "a" / "2.png", grey(6), "RGB")
    assert data.read(str(tmp_path)).images[:, 0, 0].tolist() == [[5], [6]], "grey, whatever the mode"
    save(tmp_path / "b" / "1.png", colour)
    assert data.read(str(tmp_path)).images[:, 0, 0].tolist() == [[5] * 3, [6] * 3, [9, 8, 7]]
    assert data.read(str(tmp_path), channels=1).images.shape == (3, 6, 6, 1)


def test_images_in_other_formats_are_counted(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", grey(5))
    for name in ("1.HEIC", "2.heic", "3.avif", "about.txt"):
        (tmp_path / "a" / name).write_bytes(b"")
    (note,) = data.read(str(tmp_path)).notes
    assert note.startswith("images that are not read, because of their format: 1 .avif, 2 .heic; .bmp, ")
    assert folder.listed(str(tmp_path)).notes == [note]


@pytest.mark.parametrize(
    ("name", "labels", "first"),
    [
        ("my-fashion-week", [0, 1, 2], "0"),
        ("fashion_mnist", [0, 1, 2], "T-shirt/top"),
        ("fashion", range(10), "T-shirt/top"),
        ("fashion", [0, 1], "0"),
        ("fashion-mnist-more", range(11), "0"),
    ],
)
def test_names_of_fashion_mnist_are_its_own(tmp_path: Path, name: str, labels: Any, first: str) -> None:
    (tmp_path / name).mkdir()
    idx(tmp_path / name / "train-images-idx3-ubyte", np.zeros((len(labels), 4, 4), np.uint8))
    idx(tmp_path / name / "train-labels-idx1-ubyte", np.array(labels, dtype=np.uint8))
    assert data.read(str(tmp_path / name)).classes[0] == first
