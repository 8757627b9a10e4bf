"""Small data sets for the golden record, made by numpy and Pillow alone: the same values on every machine."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SIDE = 64
OBJECTS = ("RBC", "WBC", "Platelets")


def make(root: Path) -> None:
    """Everything below, each in its own place under `root`."""
    root.mkdir(parents=True)
    waves(root / "my.csv")
    pairs(root / "pairs.tsv")
    asked_texts(root)
    heart_beats(root / "ecg")
    stays(root / "stays.parquet")
    marked(root / "marked.csv")
    stations(root / "stations.csv")
    cells(root / "cells")
    shutil.copytree(root / "cells" / "images", root / "roads" / "images")
    shutil.copytree(root / "cells" / "classes", root / "roads" / "masks")
    (root / "roads" / "classes.txt").write_text("background\nroad\ncar\nsign\n")
    clothes(root / "clothes")
    photos(root / "photos")
    prompts(root / "prompts.csv")


def waves(path: Path, n: int = 200) -> None:
    """Two channels without a time, as users bring them."""
    rows = [(round(float(np.sin(t / 4)), 4), round(float(np.cos(t / 9)), 4)) for t in range(n)]
    _table(path, ["level", "flow"], rows)


def heart_beats(root: Path, n: int = 40) -> None:
    """A recording of two leads at 360 Hz, with annotated beats of which every fourth is of the kind A."""
    root.mkdir()
    random = np.random.default_rng(0)
    step = np.arange(n * 300)
    beat = np.exp(-(((step % 300 - 150) / 12) ** 2))
    noise = random.integers(-30, 31, (2, len(step))) / 1000
    leads = {"MLII": beat + noise[0], "V5": 0.6 * beat + noise[1]}
    pq.write_table(
        pa.table({"sample": step, **{k: v.round(4).astype(np.float32) for k, v in leads.items()}}),
        root / "signal.parquet",
    )
    times = np.arange(n) * 300 + 150
    pq.write_table(
        pa.table({"sample": times, "symbol": ["A" if i % 4 == 3 else "N" for i in range(n)]}),
        root / "annotations.parquet",
    )


def stays(path: Path, n: int = 12) -> None:
    """Two days of intensive care, a row an hour, most values missing."""
    random = np.random.default_rng(1)
    rows = [(i, hour) for i in range(n) for hour in range(48)]
    columns: dict[str, list[float | None]] = {}
    for name, base in (("HR", 80), ("Temp", 37), ("pH", 7)):
        values = base + random.integers(-50, 51, len(rows)) / 10
        columns[name] = [
            round(float(v), 2) if shown else None
            for v, shown in zip(values, random.random(len(rows)) < 0.4, strict=True)
        ]
    pq.write_table(pa.table({"record_id": [i for i, _ in rows], "hour": [hour for _, hour in rows], **columns}), path)


def marked(path: Path, n: int = 120) -> None:
    """The same two channels for a while, with what is going on, unknown here and there."""
    state = [("up", "down", "up", "")[t // 10 % 4] for t in range(n)]
    rows = [(round(float(np.sin(t / 4)), 4), round(float(np.cos(t / 9)), 4), state[t]) for t in range(n)]
    _table(path, ["level", "flow", "state"], rows)


def stations(path: Path, n: int = 96) -> None:
    """Hourly rows of four stations of two kinds: two channels with gaps, a covariate, a static column."""
    random = np.random.default_rng(2)
    rows = []
    for station in range(4):
        for hour in range(n):
            wave = round(10 + 3 * float(np.sin(hour / 5 + station)) + int(random.integers(-20, 21)) / 100, 3)
            rain = int(random.integers(0, 40)) / 10 if random.random() < 0.3 else 0.0
            shown = "" if random.random() < 0.1 else wave
            sun = round(float(np.cos(hour / 4)), 3)
            rows.append([f"s{station}", ("calm", "wild")[station % 2], 100 + station, hour, shown, rain, sun])
    _table(path, ["station", "kind", "height", "hour", "wave", "rain", "sun"], rows)


def cells(root: Path, n: int = 24) -> None:
    """Images of discs with instance maps, class maps, boxes as COCO, and a table of splits and kinds."""
    for folder in ("images", "masks", "classes"):
        (root / folder).mkdir(parents=True)
    coco: dict[str, list[dict[str, object]]] = {"images": [], "annotations": []}
    coco["categories"] = [{"id": i, "name": name} for i, name in enumerate(OBJECTS)]
    rows = []
    for i in range(n):
        instances = _discs(6, i)
        classes = np.where(instances > 0, 1 + instances % 3, 0).astype(np.uint8)
        name, colour, split = f"p{i:02d}", i % 4 == 3, ("test", "val", *["train"] * 6)[i % 8]
        _save(_lit(instances, colour, i), root / "images" / f"{name}.png")
        _save(instances, root / "masks" / f"{name}.png")
        _save(classes, root / "classes" / f"{name}.png")
        rows.append([name, split, 3 if colour else 1])
        coco["images"].append({"id": i, "file_name": f"{name}.png", "split": split, "width": SIDE, "height": SIDE})
        for number in range(1, int(instances.max()) + 1):
            y, x = np.nonzero(instances == number)
            box = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
            entry = {"id": len(coco["annotations"]) + 1, "image_id": i, "category_id": number % 3, "bbox": box}
            coco["annotations"].append(entry)
    (root / "annotations_coco.json").write_text(json.dumps(coco))
    _table(root / "split.csv", ["id", "split", "channels"], rows)


def clothes(root: Path, n: int = 120) -> None:
    """Grey images of 28 x 28 in ten classes, as idx files."""
    root.mkdir()
    random = np.random.default_rng(3)
    for part, count in (("train", n), ("t10k", 40)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        for i, label in enumerate(labels):
            images[i, 2 + label : 12 + label, 4 + label : 20] += 150
        for name, array, magic in (("images-idx3", images, 2051), ("labels-idx1", labels, 2049)):
            head = struct.pack(f">{1 + array.ndim}i", magic, *array.shape)
            (root / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes(), mtime=0))


def photos(root: Path, n: int = 12) -> None:
    """Colour images in one folder per class, some of them with a caption beside."""
    for label, name in enumerate(("disc", "field")):
        (root / name).mkdir(parents=True)
        for i in range(n):
            seed = 100 * label + i
            instances = _discs(4, seed, 32) if label == 0 else np.zeros((32, 32), dtype=np.uint16)
            _save(_lit(instances, True, seed), root / name / f"{i:02d}.png")
            (root / name / f"{i:02d}.txt").write_text(f"a photo of a {name}, number {i}")


def prompts(path: Path) -> None:
    rows = [
        [f"a photo of a {animal} {place}", animal, place]
        for animal in ("cat", "dog")
        for place in ("at home", "outside")
    ]
    _table(path, ["prompt", "animal", "place"], rows)


def _table(path: Path, names: list[str], rows: list) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def _save(pixels: np.ndarray, path: Path) -> None:
    Image.fromarray(pixels).save(path, compress_level=0)  # the same bytes whatever zlib there is


def _discs(n: int, seed: int, side: int = SIDE) -> np.ndarray:
    """Up to `n` discs that do not overlap, numbered from 1, uint16 (side, side)."""
    random = np.random.default_rng(seed)
    instances, count = np.zeros((side, side), dtype=np.uint16), 0
    y, x = np.mgrid[:side, :side]
    for _ in range(n):
        radius = int(random.integers(4, 9))
        cy, cx = random.integers(radius, side - radius, 2)
        disc = (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
        if not instances[disc].any():
            count += 1
            instances[disc] = count
    return instances


def _lit(instances: np.ndarray, colour: bool, seed: int) -> np.ndarray:
    """Bright objects on a dark background, or dark ones on pink, with noise; uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    noise = random.integers(-12, 13, (*instances.shape, 1))
    pair = ([110, 80, 160], [230, 190, 220]) if colour else ([180] * 3, [15] * 3)
    return (np.where((instances > 0)[..., None], *map(np.array, pair)) + noise).clip(0, 255).astype(np.uint8)


def pairs(path: Path) -> None:
    """Short texts and their translations."""
    words = [("red", "rote"), ("old", "alte"), ("new", "neue")], [("house", "Haus"), ("car", "Auto"), ("book", "Buch")]
    rows = [f"the {a} {b} {i}\tdas {c} {d} {i}" for i in range(8) for a, c in words[0] for b, d in words[1]]
    path.write_text("\n".join(["source\ttarget", *rows]) + "\n", encoding="utf-8")


def asked_texts(root: Path) -> None:
    """Utterances with slots, questions about facts and about passages, and dialogues with acts."""
    cities, days = ("Lyon", "Bern", "Ulm", "Rome"), ("Monday", "Friday")
    both = [(city, day) for city in cities for day in days]
    rows = [
        {
            "label": label,
            "slots": [{"text": f"{label} "}, *({"text": f"{value} ", "entity": name} for name, value in some)],
        }
        for city, day in both
        for label, some in (("book", (("city", city), ("day", day))), ("ask", (("day", day),)))
    ]
    _lines(root / "utterances.jsonl", rows)
    relations = ("mayor", "river")
    facts = [
        (f"town {i // 2}", relations[i % 2], f"name {i}", f"{relations[i % 2]} of town {i // 2}?") for i in range(16)
    ]
    table = [("subject", "relation", "answer", "question"), *facts]
    (root / "facts.tsv").write_text("\n".join("\t".join(row) for row in table) + "\n")
    turns = [
        [("user", f"to {city}", ["INFORM", "city", city]), ("assistant", f"on {day}?", ["OFFER", "day", day])]
        for city, day in both
    ]
    dialogues = [
        {"messages": [{"role": role, "content": content, "acts": [act]} for role, content, act in some]}
        for some in turns
    ]
    _lines(root / "dialogues.jsonl", dialogues)
    questions = [
        {"context": f"{city} is seen on {day}.", "question": f"what is seen on {day}?", "answers": [city]}
        for city, day in both
    ]
    _lines(root / "questions.jsonl", questions)


def _lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
