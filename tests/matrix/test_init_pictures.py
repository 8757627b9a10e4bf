"""`synthgen init` on layouts of people's own images: each ends in recipes that train and plan, or in one sentence."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny
from synthgen.cli import main
from synthgen.exporters.voc import save_palette
from synthgen.stages.resolve import resolve

N, SIDE = 9, 40
Made = Callable[[Path], None]


def shapes(i: int) -> np.ndarray:
    """Numbered objects of image `i`, two to five discs and squares apart from each other, uint16 (SIDE, SIDE)."""
    numbers = np.zeros((SIDE, SIDE), dtype=np.uint16)
    for number, (y, x) in enumerate([(4, 4), (4, 24), (24, 4), (24, 24), (15, 15)][: 2 + i % 3], start=1):
        numbers[y : y + 8 + i % 2, x : x + 8] = number
    return numbers


def photo(i: int) -> Image.Image:
    return Image.fromarray(tiny.picture(shapes(i), colour=True, seed=i))


def grey_in_rgb(root: Path) -> None:
    scenes(root, lambda i: binary(i)[..., None].repeat(3, 2))


def two_classes(i: int) -> np.ndarray:
    """Class ids 1 and 2 of the same objects, in turn."""
    numbers = shapes(i)
    return np.where(numbers > 0, 1 + numbers % 2, 0).astype(np.uint8)


def binary(i: int) -> np.ndarray:
    return ((shapes(i) > 0) * 255).astype(np.uint8)


def scenes(
    root: Path, mask: Callable[[int], np.ndarray], images: str = "images/{}.png", to: str = "masks/{}.png"
) -> None:
    """Images and masks at these places, `{}` a number."""
    for i in range(N):
        for place, picture in ((images, photo(i)), (to, Image.fromarray(mask(i)))):
            path = root / place.format(f"{i:03d}")
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)


def palette(root: Path) -> None:
    scenes(root, two_classes)
    for i in range(N):
        save_palette(two_classes(i), root / "masks" / f"{i:03d}.png")
    (root / "classes.txt").write_text("_background_\nroad\ncar\n")


def coloured(i: int) -> np.ndarray:
    return np.array([(0, 0, 0), (200, 0, 0), (0, 0, 200)], dtype=np.uint8)[two_classes(i)]


def coloured_with_table(root: Path) -> None:
    scenes(root, coloured)
    (root / "colours.csv").write_text("r,g,b,name\n0,0,0,background\n200,0,0,road\n0,0,200,car\n")


def camvid(i: int) -> np.ndarray:
    """Class ids from 0 to 11 in many regions, as SegNet's CamVid has them."""
    y, x = np.mgrid[:SIDE, :SIDE] // 8
    return ((y * 3 + x * (2 + i % 3)) % 12).astype(np.uint8)


def boxes(i: int) -> list[tuple[str, int, int, int, int]]:
    found = []
    for number in range(1, int(shapes(i).max()) + 1):
        y, x = np.nonzero(shapes(i) == number)
        name = ("cell", "white cell")[number % 2]
        found.append((name, int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1))
    return found


def coco(root: Path, **changes: object) -> None:
    scenes(root, binary, to="unused/{}.png")
    shutil.rmtree(root / "unused")
    names = {1: "cell", 5: "white cell", 9: "any"}
    categories = [{"id": number, "name": name, "supercategory": "any"} for number, name in names.items()]
    content: dict = {"images": [], "annotations": [], "categories": categories}
    for i in range(N):
        content["images"].append({"id": i, "file_name": f"{i:03d}.png", "width": SIDE, "height": SIDE})
        for name, *box in boxes(i):
            content["annotations"].append(
                {
                    "id": len(content["annotations"]),
                    "image_id": i,
                    "category_id": 1 if name == "cell" else 5,
                    "bbox": box,
                }
            )
    content["annotations"][0].update(changes)
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))


def yolo(root: Path) -> None:
    scenes(root, binary, "images/train/{}.png", "unused/{}.png")
    shutil.rmtree(root / "unused")
    (root / "labels" / "train").mkdir(parents=True)
    (root / "data.yaml").write_text("train: images/train\nnames: [cell, white cell]\n")
    for i in range(N):
        rows = [
            f"{int(name != 'cell')} {(x + w / 2) / SIDE} {(y + h / 2) / SIDE} {w / SIDE} {h / SIDE}"
            for name, x, y, w, h in boxes(i)
        ]
        (root / "labels" / "train" / f"{i:03d}.txt").write_text("\n".join(rows) + "\n")


def voc(root: Path) -> None:
    scenes(root, binary, "JPEGImages/{}.jpg", "unused/{}.png")
    shutil.rmtree(root / "unused")
    (root / "Annotations").mkdir()
    for i in range(N):
        entries = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax>"
            f"<ymax>{y + h}</ymax></bndbox></object>"
            for name, x, y, w, h in boxes(i)
        )
        size = f"<size><width>{SIDE}</width><height>{SIDE}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{i:03d}.jpg</filename>{size}{entries}</annotation>"
        (root / "Annotations" / f"{i:03d}.xml").write_text(text)


def classes(root: Path, names: tuple[str, ...] = ("Cats.v2", "My Dogs")) -> None:
    for name in names:
        (root / name).mkdir(parents=True)
        for i in range(N):
            photo(i).save(root / name / f"{i}.PNG")


def classes_with_exif(root: Path) -> None:
    classes(root)
    for i in range(N):
        exif = Image.Exif()
        exif[274] = 6
        photo(i).save(root / "Cats.v2" / f"{i}.jpg", exif=exif)


def classes_and_leftovers(root: Path) -> None:
    """A class that is a link, and what macOS and Windows leave behind."""
    classes(root, ("cat", "elsewhere/dog"))
    shutil.move(root / "elsewhere", root.parent / "elsewhere")
    (root / "dog").symlink_to(root.parent / "elsewhere" / "dog")
    for name in ("._cat", ".DS_Store", "cat/._0.PNG", "cat/Thumbs.db"):
        (root / name).write_bytes(b"\0\5")


def deep_pictures(root: Path) -> None:
    """Images of 12 bits in files of 16."""
    classes(root, ("cat", "dog"))
    for path in root.rglob("*.PNG"):
        values = np.asarray(Image.open(path).convert("L")).astype(np.uint16) * 16
        Image.fromarray(values).save(path)


def flat_with_masks(root: Path) -> None:
    scenes(root, binary, "{}.png", "{}_mask.png")


def corrupt(root: Path) -> None:
    scenes(root, binary)
    photo(0).save(root / "images" / "torn.png")
    Image.fromarray(binary(0)).save(root / "masks" / "torn.png")
    (root / "images" / "torn.png").write_bytes((root / "images" / "torn.png").read_bytes()[:300])


def crowded_masks(i: int) -> np.ndarray:
    """Instances whose numbers are few: one to three regions, each of its own number, in 8 bits."""
    return shapes(i).clip(0, 2).astype(np.uint8) * (shapes(i) < 3)


def jpeg_masks(root: Path) -> None:
    scenes(root, binary, to="masks/{}.jpg")


def doubled(root: Path) -> None:
    scenes(root, binary)
    Image.new("L", (SIDE, SIDE)).save(root / "masks" / "003.tif")


TRAINS: dict[str, tuple[Made, tuple[str, ...], str]] = {
    "class folders with capitals, spaces and dots": (classes, (), "18 in 2 classes"),
    "class folders with EXIF orientation": (classes_with_exif, (), "27 in 2 classes"),
    "a linked class and leftovers": (classes_and_leftovers, (), "18 in 2 classes"),
    "16-bit images": (deep_pictures, (), "18 in 2 classes"),
    "binary masks": (lambda root: scenes(root, binary), (), "9 with masks, 27 objects (4 at most"),
    "binary masks of 0 and 1": (lambda root: scenes(root, lambda i: binary(i) // 255), (), "27 objects"),
    "binary masks saved as RGB": (grey_in_rgb, (), "27 objects"),
    "16-bit instances": (lambda root: scenes(root, shapes), (), "27 objects"),
    "palette masks and classes.txt": (palette, (), "objects   road, car"),
    "class ids of 8 bits in many regions": (lambda root: scenes(root, two_classes), (), "class_1, class_2"),
    "colours with a table": (coloured_with_table, (), "objects   road, car"),
    "CamVid's ids as objects": (
        lambda root: scenes(root, camvid, "train/{}.png", "trainannot/{}.png"),
        ("--masks", "classes", "--zero", "background", "--unknown", "255"), "class_11"
    ),
    "CamVid's ids as regions": (
        lambda root: scenes(root, camvid, "train/{}.png", "trainannot/{}.png"),
        ("--masks", "semantic", "--zero", "class", "--unknown", "11"), "0 is a class, 11 is unknown"
    ),
    "masks beside images": (flat_with_masks, (), "27 objects"),
    "mirrored subfolders": (
        lambda root: scenes(root, binary, "images/day/{}.png", "masks/day/{}_seg.png"), (), "27 objects"
    ),
    "one corrupt image, skipped": (corrupt, ("--skip-broken",), "1 image cannot be read and is left out"),
    "an open question, answered": (lambda root: scenes(root, crowded_masks), ("--masks", "instances"), "18 objects"),
    "COCO": (coco, (), "9 with boxes (COCO: annotations/instances_train.json)"),
    "COCO with a crowd": (lambda root: coco(root, iscrowd=1), (), "are no objects, and are left out: 1"),
    "YOLO": (yolo, (), "9 with boxes (YOLO: labels)"),
    "Pascal VOC": (voc, (), "9 with boxes (Pascal VOC: Annotations)"),
}  # fmt: skip

REFUSED: dict[str, tuple[Made, tuple[str, ...], str]] = {
    "one corrupt image": (corrupt, (), "torn.png: is no readable image"),
    "JPEG masks": (jpeg_masks, (), "000.jpg and 8 more are masks saved as JPEG"),
    "two masks of one name": (doubled, (), "003.tif: have the same name but for the ending; keep one of them"),
    "colours without a table": (lambda root: scenes(root, coloured), (), "masks in colours (0,0,0 0,0,200 200,0,0)"),
    "an open question": (lambda root: scenes(root, crowded_masks), (), "`--masks instances` or `--masks classes`"),
    "class maps without a word": (
        lambda root: scenes(root, camvid, "train/{}.png", "trainannot/{}.png"), (), "--masks semantic if each number"
    ),
    "0 and 255 as classes": (lambda root: scenes(root, binary), ("--masks", "classes"), "`mask_kind: binary`"),
    "0 and 255 as instances": (lambda root: scenes(root, binary), ("--masks", "instances"), "`mask_kind: binary`"),
    "empty masks": (lambda root: scenes(root, lambda i: binary(i) * 0), (), "all masks are empty"),
    "COCO with a box outside": (lambda root: coco(root, bbox=[30, 30, 20, 20]), (), "reaches out of the image"),
    "COCO with a box of no size": (lambda root: coco(root, bbox=[3, 3, 0, 2]), (), "both must be above 0"),
}  # fmt: skip


def call(*words: object) -> int:
    sys.argv = ["synthgen", *map(str, words)]
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("layout", TRAINS)
def test_what_init_writes_trains_and_plans(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words, said = TRAINS[layout]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    make(tmp_path / "mine")
    code = call("init", "mine", *words)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert said in printed.out
    network = ["--set", "trainer.network.channels=[8]", "--set", "trainer.network.attention_levels=0"]
    small = ["--set", "trainer.steps=1", "--set", "trainer.batch_size=2", *network, "--device", "cpu", "--quiet"]
    assert call("train", "mine-model.yaml", *small) == 0, capsys.readouterr().err
    checked = resolve("mine.yaml")
    assert not checked.draft.problems, checked.draft.problems


@pytest.mark.parametrize("layout", REFUSED)
def test_what_cannot_be_read_rightly_is_refused(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words, said = REFUSED[layout]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    make(tmp_path / "mine")
    assert call("init", "mine", *words) == 1
    printed = capsys.readouterr()
    assert said in printed.err
    assert "Traceback" not in printed.err and not list(tmp_path.glob("*.yaml"))
