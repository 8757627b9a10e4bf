"""Images with captions, in every form that people keep them in, and what is said of those that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.readers.images import captioned
from synthgen.readers.images.captioned import CaptionData
from synthgen.training.trainer import data_sha256


def picture(path: Path, size: tuple[int, int] = (12, 8), value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), value, np.uint8)).save(path)
    return path


def read(path: Path, **more: str) -> captioned.CaptionedImages:
    return captioned.read(CaptionData(path=str(path), **more), 4)


def test_a_text_file_beside_each_picture(tmp_path: Path) -> None:
    for name in ("b", "a"):
        picture(tmp_path / f"{name}.png").with_suffix(".txt").write_text(f" image {name},\nin words \n")
    found = read(tmp_path)
    assert found.captions == ("image a, in words", "image b, in words")
    assert found.files == ("a.png", "b.png")
    assert found.images.shape == (2, 4, 4, 3)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_the_table_of_an_imagefolder(tmp_path: Path, kind: str) -> None:
    picture(tmp_path / "train" / "x.png")
    picture(tmp_path / "train" / "deep" / "y.png")
    rows = [{"file_name": "x.png", "text": "an x, here"}, {"file_name": "deep/y.png", "text": "a y"}]
    lines = "\n".join(map(json.dumps, rows))
    text = lines if kind == "jsonl" else 'file_name,text\nx.png,"an x, here"\ndeep/y.png,a y\n'
    (tmp_path / "train" / f"metadata.{kind}").write_text(text)
    assert dict(zip(read(tmp_path).files, read(tmp_path).captions, strict=True)) == {
        "train/deep/y.png": "a y",
        "train/x.png": "an x, here",
    }


def test_a_folder_a_class_and_one_caption_for_all(tmp_path: Path) -> None:
    picture(tmp_path / "red_cat" / "1.png")
    picture(tmp_path / "dog" / "deep" / "1.png")
    assert read(tmp_path, caption="a photo of a {label}").captions == ("a photo of a dog", "a photo of a red cat")
    picture(tmp_path / "flat" / "1.png")
    assert read(tmp_path / "flat", caption="my thing").captions == ("my thing",)


def captioned_picture(path: Path, text: str) -> Path:
    picture(path).with_suffix(".txt").write_text(text)
    return path


def test_captions_in_subfolders_are_read(tmp_path: Path) -> None:
    captioned_picture(tmp_path / "10_mycat" / "0.png", "a cat")
    assert (read(tmp_path).captions, read(tmp_path).notes) == (("a cat",), ())
    with pytest.raises(DataError, match=r"0\.txt: the images have captions of their own; leave `caption` out"):
        read(tmp_path, caption="a photo of a {label}")
    captioned_picture(tmp_path / "a.png", "a dog")
    assert read(tmp_path).files == ("10_mycat/0.png", "a.png")
    picture(tmp_path / "10_mycat" / "1.png")
    with pytest.raises(DataError, match=r"10_mycat/1\.png: has no caption; accepted are"):
        read(tmp_path)


def test_images_that_are_left_out_are_named(tmp_path: Path) -> None:
    captioned_picture(tmp_path / "a.png", "a cat")
    for name in ("originals/a.png", "Test/b.png", "b.heic"):
        picture(tmp_path / f"{name}.png").rename(tmp_path / name)
    (tmp_path / "Test" / "b.txt").write_text("to be tested on")
    left, unread = read(tmp_path).notes
    assert read(tmp_path).captions == ("a cat",)
    assert left.endswith("2 images of " + f"{tmp_path} without a caption left out: Test/b.png, originals/a.png")
    assert "1 .heic" in unread
    (tmp_path / "b.heic").unlink()
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,hello\n")
    assert read(tmp_path).notes == (left,)
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / "a.txt").unlink()
    assert read(tmp_path, caption="my thing").notes == (left,)


def test_folders_of_splits_are_no_labels(tmp_path: Path) -> None:
    for split in ("Train", "test"):
        picture(tmp_path / split / "cat" / "1.png")
    assert read(tmp_path, caption="a {label}").captions == ("a cat",)
    (tmp_path / "Train").rename(tmp_path / "all")
    with pytest.raises(DataError, match=r"the folder test is called after a split, and none after `train`"):
        read(tmp_path, caption="a {label}")


def test_how_a_picture_was_cut_is_known(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (12, 8))
    picture(tmp_path / "b.png", (8, 16))
    assert read(tmp_path, caption="x").cuts.tolist() == [[8, 12, 0, 1], [16, 8, 2, 0]]


def test_the_hash_is_of_pixels_and_captions(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    first = data_sha256(read(tmp_path, caption="x"))
    assert data_sha256(read(tmp_path, caption="x")) == first
    assert data_sha256(read(tmp_path, caption="y")) != first
    picture(tmp_path / "a.png", value=101)
    assert data_sha256(read(tmp_path, caption="x")) != first


def test_problems_name_the_file_and_what_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"has no images \(.*\.txt file beside"):
        read(tmp_path)
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"none")
    (tmp_path / "b.txt").write_text("text")
    with pytest.raises(DataError) as error:
        read(tmp_path)
    assert "a.png: has no caption; accepted are a .txt file" in str(error.value)
    assert "b.png: is no readable image" in str(error.value)
    with pytest.raises(DataError, match=r"b\.txt: the images have captions of their own; leave `caption` out"):
        read(tmp_path, caption="x")
    with pytest.raises(DataError, match=r"lies in no folder of a class"):
        read(picture(tmp_path / "flat" / "a.png").parent, caption="a {label}")
    picture(tmp_path / "classes" / "cat" / "a.png")
    with pytest.raises(DataError, match="has folders and no captions; set `caption`"):
        read(tmp_path / "classes")
    with pytest.raises(DataError, match=r"`caption` must say \{label\}"):
        read(tmp_path / "classes", caption="a cat")
    (tmp_path / "classes" / "dog").mkdir()
    with pytest.raises(DataError, match="dog: has no images"):
        read(tmp_path / "classes", caption="a {label}")


def test_rows_of_a_table_that_cannot_be_used(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    rows = [{"file_name": "a.png", "caption": "x"}, {"file_name": "gone.png", "text": "y"}, {"text": "z"}]
    rows += [{"file_name": "../b.png", "text": ["one", "two"]}, {"file_name": "/a.png", "text": 3}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError) as error:
        read(tmp_path)
    for line in (
        "jsonl:1: text: is empty, and a text is needed",
        "jsonl:2: file_name: gone.png is not there",
        "jsonl:3: file_name: is empty, and a text is needed",
        "jsonl:4: text: holds a list, and a text is needed; write a row for each of its texts",
        "jsonl:4: file_name: ../b.png is outside of",
        "jsonl:5: text: holds a number, and a text is needed",
        "jsonl:5: file_name: /a.png is outside of",
    ):
        assert line in str(error.value)
    with pytest.raises(DataError, match="unknown column `words`; accepted: file_name, caption, text"):
        read(tmp_path, column="words")
    (tmp_path / "metadata.jsonl").write_text("{")
    with pytest.raises(DataError, match=r"metadata\.jsonl:1: is no JSON"):
        read(tmp_path)


def test_captions_are_whole(tmp_path: Path) -> None:
    """A quoted line break, a byte-order mark, and U+2028, which some readers take for the end of a line."""
    picture(tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_bytes('\ufefffile_name,text\r\na.png,"a cat,\r\nasleep"\r\n'.encode())
    assert read(tmp_path).captions == ("a cat, asleep",)
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,a cat, asleep\n")
    with pytest.raises(DataError, match=r"csv:2: has 3 values, and the header has 2 columns; a text with"):
        read(tmp_path)
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / "metadata.jsonl").write_bytes('{"file_name": "a.png", "text": "a cat\u2028on a mat\x7f"}\n'.encode())
    assert read(tmp_path).captions == ("a cat on a mat\x7f",)
