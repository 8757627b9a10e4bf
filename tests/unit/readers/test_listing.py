"""The one listing of folders: what is read, in which order, and what stops a reader."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.readers import listing, origin
from synthgen.readers.images import captioned, folder, gallery, labelled
from synthgen.readers.images import scaffold as classes
from synthgen.readers.images.captioned import CaptionData
from synthgen.readers.images.labelled import DataConfig
from synthgen.readers.masks import reader
from synthgen.readers.masks.reader import MaskData


def picture(path: Path, level: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), level, np.uint8)).save(path)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder as people have it: two classes, one of them behind a link, and what systems leave behind."""
    for name in ("cat/1.png", "cat/sub/2.PNG", "cat/x.png/3.Jpg", "elsewhere/dog/1.tiff"):
        picture(tmp_path / "data" / name if name[0] == "c" else tmp_path / name)
    data = tmp_path / "data"
    (data / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    (data / "cat" / "4.png").symlink_to(data / "cat" / "1.png")
    (data / "cat" / "back").symlink_to(data)
    for name in (".DS_Store", "Thumbs.db", "cat/._1.png", "cat/.cache/1.png", "__MACOSX/cat/1.png", "cat/notes.txt"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(b"no image")
    return data


PICTURES = ["cat/1.png", "cat/4.png", "cat/sub/2.PNG", "cat/x.png/3.Jpg", "dog/1.tiff"]


def test_pictures_by_their_endings_through_links_and_without_what_systems_leave_behind(place: Path) -> None:
    assert [path.relative_to(place).as_posix() for path in listing.pictures(place)] == PICTURES
    assert [path.name for path in listing.pictures(place / "cat", nested=False)] == ["1.png", "4.png"]
    assert [path.name for path in listing.files(place / "cat", nested=False)] == ["1.png", "4.png", "notes.txt"]
    assert [path.name for path in listing.folders(place)] == ["cat", "dog"]


def test_all_readers_see_the_same_pictures(place: Path) -> None:
    assert [path.relative_to(place).as_posix() for path in folder.listed(str(place)).files] == PICTURES
    found = gallery.listed(str(place))
    assert ([found.pictures.name(i) for i in range(len(found))], found.labels) == (PICTURES, (0, 0, 0, 0, 1))
    assert labelled.read(str(place)).labels.tolist() == [0, 0, 0, 0, 1]
    assert list(captioned.read(CaptionData(path=str(place), caption="a {label}"), 8).files) == PICTURES
    for i in range(8):
        picture(place / "cat" / f"more{i}.png")
        picture(place / "dog" / f"more{i}.png")
    seen = classes.look(place)
    assert (seen.counts, seen.unreadable, dict(seen.ignored)) == ({"cat": 12, "dog": 9}, [], {".txt": 1})


def test_broken_links_are_named_with_their_targets_all_at_once_by_every_reader(place: Path) -> None:
    for name in ("cat/gone.png", "lost"):
        (place / name).symlink_to(f"/nowhere/{name}")
    for name in ("images", "masks"):
        (place / name).mkdir()
    (place / "images" / "gone.png").symlink_to("/nowhere/cat/gone.png")
    readers = [
        lambda: folder.listed(str(place)),
        lambda: gallery.listed(str(place)),
        lambda: labelled.read(str(place)),
        lambda: captioned.read(CaptionData(path=str(place), caption="a {label}"), 8),
        lambda: reader.read(MaskData(path=str(place))),
        lambda: origin.sha256(DataConfig(path=str(place))),
        lambda: classes.look(place),
    ]
    for read in readers:
        with pytest.raises(
            DataError, match=r"(gone\.png|lost): is a link to /nowhere/\S+, which is not there; mend or"
        ):
            read()
    with pytest.raises(DataError) as caught:
        listing.pictures(place)
    assert len(str(caught.value).splitlines()) == 3


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb"):
        pass
    with pytest.raises(DataError, match=r"udcff\.png': its name is no UTF-8; rename it"):
        listing.pictures(tmp_path)


def test_what_is_no_file_and_what_is_no_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"1\.png: is no regular file"):
        listing.pictures(tmp_path)
    with pytest.raises(DataError, match="nowhere: no such folder"):
        listing.pictures(tmp_path / "nowhere")
    with pytest.raises(DataError, match="cannot be read as a folder: Not a directory"):
        listing.pictures(picture(tmp_path / "a" / "1.png"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    (tmp_path / "cat").chmod(0)
    with pytest.raises(DataError, match="cat: cannot be read as a folder: Permission denied"):
        listing.pictures(tmp_path)
    (tmp_path / "cat").chmod(0o700)
