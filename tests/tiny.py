"""Small real models with random weights, and small images with masks: what parts need to run in a test."""

from __future__ import annotations

import atexit
import csv
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from synthgen import testing
from synthgen.fields import (
    Answers,
    Boxes,
    Chat,
    Columns,
    InstanceMap,
    Label,
    Number,
    Numbers,
    Plan,
    Schema,
    SegmentationMap,
    Series,
    Text,
    Times,
    Translation,
)
from synthgen.fields import Image as ImageField

SIDE = 32
STYLES = ("grey", "colour")
OBJECTS = ("cell",)
STREET = ("sky", "building", "road", "car", "person")
STREET_SHAPE = (32, 48)


@cache
def folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="synthgen-tiny-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def discs(n: int, side: int, seed: int) -> np.ndarray:
    """Up to `n` discs that do not overlap, numbered, uint16 (side, side)."""
    random = np.random.default_rng(seed)
    instances = np.zeros((side, side), dtype=np.uint16)
    y, x = np.mgrid[:side, :side]
    for number in range(1, n + 1):
        radius = random.uniform(3, side / 7)
        cy, cx = random.uniform(radius, side - radius, 2)
        disc = (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
        if not instances[disc].any():
            instances[disc] = number
    numbers = np.unique(instances)
    return np.searchsorted(numbers, instances).astype(np.uint16)


def picture(instances: np.ndarray, colour: bool, seed: int) -> np.ndarray:
    """Bright objects on a dark background, or dark ones on pink, with noise; uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    inside = (instances > 0)[..., None]
    pair = (np.array([110, 80, 160]), np.array([230, 190, 220])) if colour else (np.full(3, 180), np.full(3, 15))
    noise = random.normal(0, 6, instances.shape)[..., None]
    return (np.where(inside, *pair) + noise).clip(0, 255).astype(np.uint8)


@cache
def masks(n: int = 16, side: int = 48) -> str:
    """A folder of images with instance masks, a table of their styles, and their boxes as a COCO file."""
    root = folder() / f"masks-{n}-{side}"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    coco: dict = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "cell"}]}
    with open(root / "table.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "split", "style"])
        for i in range(n):
            instances = discs(5, side, i)
            Image.fromarray(picture(instances, i % 4 == 3, i)).save(root / "images" / f"p{i:02d}.png")
            Image.fromarray(instances).save(root / "masks" / f"p{i:02d}.png")
            split = "test" if i >= n - 4 else "train"
            table.writerow([f"p{i:02d}", split, STYLES[i % 4 == 3]])
            coco["images"].append({"id": i, "file_name": f"p{i:02d}.png", "split": split})
            for number in range(1, int(instances.max()) + 1):
                y, x = np.nonzero(instances == number)
                box = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
                entry = {"id": len(coco["annotations"]) + 1, "image_id": i, "category_id": 7, "bbox": box}
                coco["annotations"].append(entry)
    (root / "boxes.json").write_text(json.dumps(coco))
    return str(root)


def mask_data(**more: object) -> dict:
    """Settings of `data` for the folder above."""
    table = {"table": "table.csv", "label": "style", "classes": {name: name for name in STYLES}}
    return {"path": masks(), "objects": list(OBJECTS), "validation": 0.2, **table, **more}


def street(seed: int, shape: tuple[int, int] = STREET_SHAPE) -> np.ndarray:
    """Numbers of the classes of a street scene, uint8 of `shape`: those of `STREET` from 0, and 5 for unknown.

    Cars are in three of four scenes, and a person is in one of four.
    """
    random = np.random.default_rng(seed)
    height, width = shape
    kerb = height * 5 // 8
    found = np.zeros(shape, dtype=np.uint8)
    for left in range(0, width, 8):
        found[int(random.integers(height // 5, height // 2)) : kerb, left : left + 8] = 1
    found[kerb:] = 2
    for _ in range(2 if seed % 4 else 0):
        left, bottom = int(random.integers(1, width - 10)), int(random.integers(kerb + 1, height - 3))
        found[bottom - 5 : bottom, left : left + 8] = 3
    if seed % 4 == 1:
        left = int(random.integers(2, width - 4))
        found[kerb - 5 : kerb + 1, left : left + 3] = 4
    found[:2, width - 4 :] = 5
    return found


def street_picture(numbers: np.ndarray, seed: int) -> np.ndarray:
    """An image of a street scene, uint8 (H, W, 3): each class in a colour of its own, with noise."""
    colours = np.array([[150, 190, 230], [130, 90, 70], [90, 90, 95], [200, 40, 40], [230, 200, 60], [0, 0, 0]])
    return (colours[numbers] + np.random.default_rng(seed).normal(0, 6, (*numbers.shape, 1))).clip(0, 255).astype("u1")


@cache
def streets(n: int = 12) -> str:
    """A folder of street scenes with class maps that cover them, a third of them for tests."""
    root = folder() / f"streets-{n}"
    for i in range(n):
        place = root / ("test" if i >= n * 2 // 3 else "train")
        for name, pixels in (("images", street_picture(street(i), i)), ("masks", street(i))):
            (place / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / name / f"s{i:02d}.png")
    return str(root)


def street_data(**more: object) -> dict:
    """Settings of `data` for the folder above."""
    meaning = {"mask_kind": "semantic", "zero": "class", "unknown": [5], "objects": list(STREET)}
    return {"path": streets(), **meaning, "validation": 0.2, **more}


def street_maps(n: int) -> list[np.ndarray]:
    """Class maps of street scenes as fields hold them: ids from 1, 255 unknown."""
    return [np.where((found := street(20 + i)) == 5, 255, found + 1).astype(np.uint8) for i in range(n)]


def street_condition(n: int) -> tuple[Schema, Columns]:
    """Fields and values of a condition that brings class maps without objects."""
    schema = {"label": Label(("picture",)), "segmentation": SegmentationMap(*STREET_SHAPE, STREET, STREET)}
    return schema, {"label": [0] * n, "segmentation": street_maps(n)}


def street_pictures(n: int) -> tuple[Schema, Columns]:
    """Fields and values as labelers and scorers see them: street scenes, their class maps, and shifted ones."""
    schema, columns = street_condition(n)
    found = [np.roll(np.where(ids == 255, 1, ids), 2, axis=1).astype(np.uint8) for ids in columns["segmentation"]]
    images = [street_picture(street(20 + i), i) for i in range(n)]
    fields = {"image": ImageField(*STREET_SHAPE, 3), "segmenter_segmentation": schema["segmentation"]}
    return {**schema, **fields}, {**columns, "image": images, "segmenter_segmentation": found}


def _save(model: object, name: str) -> str:
    place = folder() / name
    model.save_pretrained(place)  # type: ignore[attr-defined]
    (place / "README.md").write_text("---\nlicense: cc0-1.0\ndatasets: [discs]\n---\n# tiny\n")
    return str(place)


@cache
def layout_to_image(
    objects: tuple[str, ...] = OBJECTS, styles: tuple[str, ...] = STYLES, stuff: tuple[str, ...] = ()
) -> str:
    import torch

    from synthgen.models.images.layout_to_image import LayoutToImagePipeline
    from synthgen.models.losses import Edm
    from synthgen.trainers.images.diffusion import NetworkConfig, unet

    torch.manual_seed(0)
    network = unet(NetworkConfig(patch_size=2, channels=[8, 16]), (SIDE, SIDE), 3, len(objects), len(styles))
    torch.nn.init.normal_(network.conv_out.weight, std=0.3)
    made = LayoutToImagePipeline(
        network.eval(), Edm(0.5).scheduler(), 2, 0.5, objects, dict(enumerate(styles)), stuff=stuff
    )
    return _save(made, f"layout-to-image-{len(objects)}-{len(styles)}-{len(stuff)}")


def street_painter() -> str:
    return layout_to_image(STREET, ("picture",), STREET)


@cache
def street_layouts() -> str:
    import torch

    from synthgen.models.images.layout_pipeline import LayoutPipeline
    from synthgen.models.losses import Edm
    from synthgen.trainers.images.diffusion import NetworkConfig, unet

    torch.manual_seed(4)
    network = unet(NetworkConfig(patch_size=2, channels=[8, 16]), STREET_SHAPE, len(STREET), 0, 2)
    torch.nn.init.normal_(network.conv_out.weight, std=0.3)
    scheduler = Edm(0.5).scheduler()
    about = {"stuff": STREET, "covered": True}
    made = LayoutPipeline(network.eval(), scheduler, 2, {0: "picture"}, STREET, 1.0, **about)
    return _save(made, "street-layouts")


@cache
def street_segmenter() -> str:
    import torch

    from synthgen.models.images.segmenter import Segmenter

    torch.manual_seed(5)
    return _save(Segmenter(list(STREET), [8, 16], [1.5] * 6, list(STREET)), "street-segmenter")


def one_style() -> str:
    return layout_to_image(styles=("any",))


@cache
def class_conditional() -> str:
    """A model of grey images of 16 x 16 pixels in two classes, with random weights."""
    import torch

    from synthgen.models.images.class_conditional import ClassConditionalPipeline
    from synthgen.models.losses import Edm
    from synthgen.trainers.images.diffusion import NetworkConfig, unet

    torch.manual_seed(2)
    network = unet(NetworkConfig(channels=[8, 16], attention_levels=0), (16, 16), 1, 0, 3)
    made = ClassConditionalPipeline(network, Edm(0.5).scheduler(), 2, {0: "left", 1: "top"})
    return _save(made, "class-conditional")


@cache
def class_head() -> str:
    """A head on such a model that has learned nothing."""
    import torch

    from synthgen.models import registry
    from synthgen.models.images.feature_classifier import FeatureClassifier, FeatureHead, features_of

    base = registry.load_pipeline(Path(class_conditional()), "cpu", torch.float32)
    n = features_of(base.unet, base.scheduler, np.zeros((1, 16, 16, 1), np.uint8), 2, (0.3,)).shape[1]
    made = FeatureClassifier(base.unet, base.scheduler, FeatureHead(n, 2), 2, {0: "cat", 1: "dog"}, sigmas=(0.3,))
    return _save(made, "class-head")


@cache
def states(n: int = 240) -> str:
    """The tables of `sensors` with a column `state`, empty in every tenth row."""
    path = folder() / f"states-{n}.csv"
    with open(sensors(n), newline="") as given, open(path, "w", newline="") as file:
        reader, table = csv.reader(given), csv.writer(file)
        table.writerow([*next(reader), "state"])
        for i, row in enumerate(reader):
            table.writerow([*row, "" if i % 10 == 0 else ("calm", "storm")[i // 40 % 2]])
    return str(path)


def state_data() -> dict:
    """Settings of `data` for these."""
    roles = {name: value for name, value in series_data().items() if name not in ("label", "validation")}
    return {**roles, "path": states(), "step_label": "state"}


@cache
def step_head() -> str:
    """A head on a model of the sensors, trained for their states."""
    from synthgen.trainers.series.step_classifier import StepClassifierTrainer

    config = StepClassifierTrainer.Config.model_validate({"data": state_data(), "base": series()})
    place = folder() / "step-head"
    StepClassifierTrainer(config).train(place, 0, device="cpu", quiet=True)
    return str(place)


def scored_quotas() -> dict:
    """Quotas by the losses of some model on samples of two classes."""
    path = folder() / "losses.csv"
    path.write_text("label,loss\ncat,2\ndog,1\n")
    return {"by": str(path), "samples": 5}


@cache
def named_pictures() -> str:
    """Grey images in folders that are called like the classes of the recipes for one's own images."""
    random = np.random.default_rng(3)
    for name in ("cat", "dog", "common", "rare"):
        place = folder() / "named" / name
        place.mkdir(parents=True)
        for i in range(3):
            Image.fromarray(random.integers(0, 256, (28, 28), dtype=np.uint8)).save(place / f"{i}.png")
    return str(folder() / "named")


@cache
def few_masks() -> str:
    """The images with discs, of which the first four have kept their masks."""
    place = Path(shutil.copytree(masks(), folder() / "few-masks"))
    for path in sorted((place / "masks").iterdir())[4:]:
        path.unlink()
    return str(place)


def mixed_clothes(n: int) -> tuple[Schema, Columns]:
    """A condition of classes, some of which are mixed."""
    from synthgen.conditions.classes import Classes

    settings = {"quotas": {"Bag": 1, "Shirt": 1}, "mix": {"share": 0.5}}
    part = Classes(Classes.Config.model_validate(settings))
    rows = [part.condition(i)[0] for i in range(n)]
    return part.fields, {name: [row[name] for row in rows] for name in part.fields}


def shown_mixes(n: int) -> tuple[Schema, Columns]:
    """The columns of such a condition, as labelers see them."""
    return tuple({f"condition.{name}": value for name, value in part.items()} for part in mixed_clothes(n))  # type: ignore[return-value]


def small_pictures(n: int) -> tuple[Schema, Columns]:
    """Grey images that such a model sees."""
    random = np.random.default_rng(n)
    return {"image": ImageField(16, 16, 1)}, {"image": list(random.integers(0, 256, (n, 16, 16, 1), dtype=np.uint8))}


def asked_pictures(n: int) -> tuple[Schema, Columns]:
    """Such images with the class that was asked for."""
    schema, columns = small_pictures(n)
    asked = {"condition.label": [i % 2 for i in range(n)]}
    return {**schema, "condition.label": Label(("dog", "cat"))}, {**columns, **asked}


def given_pictures(n: int) -> tuple[Schema, Columns]:
    """A condition of images in colours."""
    random = np.random.default_rng(n)
    return {"image": ImageField(16, 16, 3)}, {"image": list(random.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8))}


@cache
def layouts() -> str:
    import torch

    from synthgen.models.images.layout_pipeline import LayoutPipeline
    from synthgen.models.losses import Edm
    from synthgen.trainers.images.diffusion import NetworkConfig, unet

    torch.manual_seed(1)
    network = unet(NetworkConfig(patch_size=2, channels=[8, 16]), (SIDE // 2, SIDE // 2), 1, 0, len(STYLES) + 1)
    made = LayoutPipeline(network.eval(), Edm(0.5).scheduler(), 2, dict(enumerate(STYLES)), OBJECTS, 0.5, smooth=0.0)
    return _save(made, "layouts")


@cache
def segmenter() -> str:
    import torch

    from synthgen.models.images.segmenter import Segmenter

    torch.manual_seed(2)
    return _save(Segmenter(list(OBJECTS), [8, 16], [0.1, 0.2]), "segmenter")


def box_data(**more: object) -> dict:
    """Settings of `data` for the same folder's boxes."""
    return {"path": masks(), "boxes": "boxes.json", "objects": list(OBJECTS), "validation": 0.2, **more}


@cache
def detector() -> str:
    import torch

    from synthgen.models.images.detector import Detector

    torch.manual_seed(3)
    counts = {"split": "test", "pictures": 4, "boxes": 20, "at": {"0.10": [15, 5], "0.50": [10, 0]}}
    return _save(Detector(list(OBJECTS), [8, 16], 0.05, counts), "detector")


def sensor_values(n: int, seed: int = 0) -> np.ndarray:
    """`n` steps of a noisy wave and of rain, which is zero most of the time; float32 (n, 2)."""
    random = np.random.default_rng(seed)
    wave = 10 + 3 * np.sin(np.arange(n) / 5) + random.normal(0, 0.2, n)
    rain = np.where(random.random(n) < 0.3, random.gamma(2, 2, n), 0)
    return np.stack([wave, rain], 1).astype(np.float32)


@cache
def sensors(n: int = 240) -> str:
    """A table of two stations, `station, hour, wave, rain`, one of each kind."""
    path = folder() / f"sensors-{n}.csv"
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["station", "kind", "hour", "wave", "rain"])
        for station in range(2):
            for hour, (wave, rain) in enumerate(sensor_values(n, station)):
                table.writerow([f"s{station}", ("calm", "wild")[station], hour, round(float(wave), 3), float(rain)])
    return str(path)


def series_data(**more: object) -> dict:
    """Settings of `data` for the table above."""
    roles = {"entity": "station", "time": "hour", "time_unit": "h", "label": "kind", "channels": ["wave", "rain"]}
    return {"path": sensors(), **roles, "length": 16, "stride": 4, "validation": 0.2, **more}


SERIES_CHANNELS = ("wave", "rain")


@cache
def series(
    classes: tuple[str, ...] = ("calm", "wild"),
    covariates: tuple[str, ...] = (),
    static: tuple[str, ...] = (),
    continues: bool = True,
    level_shifts: bool = False,
) -> str:
    import torch

    from synthgen.models.losses import Edm
    from synthgen.models.series.denoiser import SeriesDenoiser
    from synthgen.models.series.pipeline import SeriesPipeline
    from synthgen.models.series.scaler import SeriesScaler

    torch.manual_seed(8)
    scaler = SeriesScaler.fit(sensor_values(400), ["wave", "rain"], "quantile")
    sizes = {"n_covariates": len(covariates), "n_static": len(static), "n_classes": len(classes)}
    network = SeriesDenoiser(
        scaler.n_scaled, **sizes, width=16, n_blocks=1, n_heads=2, patch=2, level_shifts=level_shifts
    )
    for layer in (network.out, network.shift, *(block.modulation for block in network.blocks)):
        # Less in the last layer, or most of what is generated would lie at the ends of the range of the data.
        torch.nn.init.normal_(layer.weight, std=0.1 if layer is network.out else 0.3)
    scheduler = Edm.stochastic(1.0).scheduler()
    names, units = SERIES_CHANNELS, ("1", "mm")
    about = (dict(enumerate(classes)), names, units, 17, "h", covariates, static, continues)
    made = SeriesPipeline(network.eval(), scaler, scheduler, *about)
    return _save(made, f"series-{len(classes)}-{len(covariates)}-{len(static)}-{continues}{'-shifts' * level_shifts}")


def waves(**changes: object) -> dict:
    """A small recipe of ten series in two classes, with faults at known places."""
    faults = {"use": "anomalies", "kinds": {"dropout": 1, "stuck": 1}, "count": [1, 2], "length": [0.2, 0.4]}
    return {
        "kind": "dataset",
        "name": "waves",
        "shard_size": 5,
        "splits": {"train": 0.6, "test": 0.4},
        "condition": {"use": "classes", "quotas": {"calm": 6, "wild": 4}},
        "sampler": {"use": "series", "model": series(), "steps": 2},
        "labelers": [{"use": "class-label"}, faults],
        "output": {"writers": ["webdataset"]},
    } | changes


def series_recipe(**data: object) -> dict:
    """The recipe of a model of such series, as `--real` takes it."""
    settings = series_data(length=17, units={"rain": "mm"}) | data
    return {"kind": "model", "name": "waves", "trainer": {"use": "series", "data": settings, "preset": "tiny"}}


def gaps_data() -> dict:
    """Settings of `data` for a table with some values missing, a covariate and a static column."""
    path = folder() / "gaps.csv"
    if not path.exists():
        random = np.random.default_rng(3)
        with open(path, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["station", "height", "hour", "wave", "rain", "sun"])
            for station in range(2):
                for hour, (wave, rain) in enumerate(sensor_values(80, station)):
                    shown = "" if random.random() < 0.1 else round(float(wave), 3)
                    sun = round(float(np.cos(hour / 4)), 3)
                    table.writerow([f"s{station}", 100 + station, hour, shown, round(float(rain), 3), sun])
    roles = {"entity": "station", "time": "hour", "time_unit": "h", "channels": ["wave", "rain"]}
    more = {"covariates": ["sun"], "static": ["height"]}
    return {"path": str(path), **roles, **more, "length": 12, "stride": 6, "validation": 0.2}


@cache
def asking_series() -> str:
    """A model that wants a covariate and a static number."""
    return series(("series",), ("sun",), ("height",))


def partly_known(n: int) -> tuple[Schema, Columns]:
    """A condition of values that are known in part, with the other numbers that `asking_series` wants."""
    random = np.random.default_rng(1)
    known = [sensor_values(10, i) for i in range(n)]
    for i, values in enumerate(known):
        values[3 + i :, 0] = np.nan
        values[2, 1] = np.nan
    schema = {
        "known": Series(10, ("wave", "rain"), ("1", "mm")),
        "time": Times(10, "h"),
        "covariates": Series(10, ("sun",), ("1",)),
        "static": Series(1, ("height",), ("1",)),
    }
    return schema, {
        "known": known,
        "time": [np.cumsum(random.uniform(0.5, 2, 10)) for _ in range(n)],
        "covariates": [random.normal(size=(10, 1)).astype(np.float32) for _ in range(n)],
        "static": [np.full((1, 1), 100 + i, np.float32) for i in range(n)],
    }


def kinds(n: int) -> tuple[Schema, Columns]:
    """A condition of the classes of `series`."""
    return {"label": Label(("wild", "calm"))}, {"label": [i % 2 for i in range(n)]}


def normal_series(n: int) -> tuple[Schema, Columns]:
    """Fields and values as labelers see them: series of the shape that `series` generates, some values missing."""
    series = [sensor_values(17, 10 + i) for i in range(n)]
    for i, values in enumerate(series):
        values[i % 17, i % 2] = np.nan
    schema, columns = kinds(n)
    fields = {"series": Series(17, SERIES_CHANNELS, ("1", "mm")), "time": Times(17, "h")}
    times = [np.arange(17, dtype=np.float64) + 0.5 * i for i in range(n)]
    named, values_of = ({f"condition.{name}": value for name, value in each.items()} for each in (schema, columns))
    return {**named, **fields}, {**values_of, "series": series, "time": times}


def whole_series(n: int) -> tuple[Schema, Columns]:
    """The same as a condition has them that hands real series over."""
    schema, columns = normal_series(n)
    names = ("series", "time")
    return {name: schema[name] for name in names}, {name: columns[name] for name in names}


def varied_series(n: int) -> tuple[Schema, Columns]:
    """A condition of real values to be generated again, some missing, and their classes."""
    schema, columns = whole_series(n)
    kinds_schema, kinds_of = kinds(n)
    more = {"real": schema["series"], "time": schema["time"]}, {"real": columns["series"], "time": columns["time"]}
    return kinds_schema | more[0], kinds_of | more[1]


@cache
def segment_anything() -> str:
    import torch

    from synthgen.models.segment_anything.network import SegmentAnything

    torch.manual_seed(3)
    shape = {"image_size": 64, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
    decoder = {"prompt_dim": 32, "mask_in_chans": 4, "decoder_mlp_dim": 32, "decoder_heads": 2, "iou_hidden_dim": 16}
    made = SegmentAnything(**shape, global_attn_indexes=[1], window_size=4, **decoder)
    head = made.sam.mask_decoder.iou_prediction_head.layers[-1]
    torch.nn.init.constant_(head.bias, 0.8)  # an IoU below 0 is predicted else, and no mask is kept
    return _save(made, "segment-anything")


def small(kind: str) -> str:
    """A small model of another library, as `synthgen.testing` makes it."""
    return testing.make(kind, folder())


def sam2() -> str:
    return small("sam2")


def sam3() -> str:
    return small("sam3")


def sam3_tracker() -> str:
    return small("sam3_tracker")


def clip() -> str:
    return small("clip")


def siglip() -> str:
    return small("siglip")


def dinov2() -> str:
    return small("dinov2")


def owlv2() -> str:
    return small("owlv2")


def grounding_dino() -> str:
    return small("grounding-dino")


def depth_anything() -> str:
    return small("depth_anything")


def vit() -> str:
    return small("vit")


def llama() -> str:
    return small("llama")


def gemma3_text() -> str:
    return small("gemma3_text")


def diffusion_gemma() -> str:
    return small("diffusion_gemma")


def bert() -> str:
    return small("bert")


def answers(n: int) -> tuple[Schema, Columns]:
    """Fields and values as scorers see them: texts with how likely each is."""
    schema = {"text": Text(), "log_likelihood": Number()}
    return schema, {"text": ["a text"] * n, "log_likelihood": [-0.5 - i for i in range(n)]}


def real_pictures() -> str:
    return f"{masks()}/images"


def stable_diffusion() -> str:
    return small("StableDiffusionPipeline")


def stable_diffusion_xl() -> str:
    return small("StableDiffusionXLPipeline")


def stable_diffusion_3() -> str:
    return small("StableDiffusion3Pipeline")


def flux() -> str:
    return small("FluxPipeline")


def qwen_image() -> str:
    return small("QwenImagePipeline")


def z_image() -> str:
    return small("ZImagePipeline")


def controlnet() -> str:
    return small("StableDiffusionControlNet")


def controlnet_xl() -> str:
    return small("StableDiffusionXLControlNet")


@cache
def photos(n: int = 6) -> str:
    """A folder of images in two classes, of other sizes and kinds than they are used at."""
    root = folder() / f"photos-{n}"
    for i in range(n):
        place = root / ("cat", "dog")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        picture_of = Image.fromarray(picture(discs(4, 40 + 8 * i, i), i % 2 == 1, i))
        (picture_of.convert("L") if i == 1 else picture_of).resize((40 + 8 * i, 36)).save(place / f"p{i}.png")
    return str(root)


@cache
def prompt_table() -> str:
    path = folder() / "prompts.csv"
    path.write_text('prompt,animal,seen\n"a cat, sleeping",cat,indoors\na dog,dog,outdoors\na small cat,cat,""\n')
    return str(path)


def photo_condition(n: int) -> tuple[Schema, Columns]:
    """Fields and values of a condition that brings real images with objects, and what can be said of them."""
    schema, columns = layout_condition(n)
    images = [picture(found, i % 2 == 1, i) for i, found in enumerate(columns["instances"])]
    more = {"prompt": Text(), "image": ImageField(SIDE, SIDE, 3)}
    return {**schema, **more}, {**columns, "prompt": [("a cat", "a dog")[i % 2] for i in range(n)], "image": images}


def captioned(colour: tuple[int, int, int] = (220, 60, 40), n: int = 12) -> str:
    """A folder of `n` images in about one colour, 24 x 20, without captions."""
    place = folder() / f"colour-{'-'.join(map(str, colour))}-{n}"
    if not place.exists():
        place.mkdir()
        random = np.random.default_rng(0)
        for i in range(n):
            pixels = random.normal(colour, 10, (20, 24, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"p{i:02d}.png")
    return str(place)


def wall(**more: object) -> dict:
    """Settings of `data` for the folder above."""
    return {"path": captioned(), "caption": "a red wall", "licence": "cc-by-4.0", "source": "walls", **more}


def prompts(n: int) -> tuple[Schema, Columns]:
    """Fields and values of a condition that says what to draw in words."""
    return {"prompt": Text()}, {"prompt": [("a cat", "a dog")[i % 2] for i in range(n)]}


def asked(n: int) -> tuple[Schema, Columns]:
    """Fields and values of images that were generated from prompts, and boxes that were found in them."""
    schema, columns = pictures(n)
    random = np.random.default_rng(1)
    corners = [random.uniform(0, 20, (i % 3, 2)) for i in range(n)]
    boxes = [np.concatenate([c, c + 8, 1 + (c[:, :1] > 9)], axis=1).astype(np.float32) for c in corners]
    animals = ("cat", "dog")
    fields = {
        "condition.prompt": Text(),
        "condition.animal": Label(animals),
        "found_boxes": Boxes(SIDE, SIDE, animals),
        "found_score": Numbers(),
    }
    values = {
        "condition.prompt": [f"a {animals[i % 2]}" for i in range(n)],
        "condition.animal": [i % 2 for i in range(n)],
        "found_boxes": boxes,
        "found_score": [np.sort(random.uniform(0, 1, len(found)))[::-1] for found in boxes],
    }
    return {**schema, **fields}, {**columns, **values}


def layout_condition(n: int) -> tuple[Schema, Columns]:
    """Fields and values of a condition that brings layouts."""
    instances = [discs(4, SIDE, seed) for seed in range(n)]
    schema = {
        "label": Label(STYLES),
        "instances": InstanceMap(SIDE, SIDE),
        "segmentation": SegmentationMap(SIDE, SIDE, OBJECTS),
    }
    segmentation = [(found > 0).astype(np.uint8) for found in instances]
    return schema, {"label": [i % 2 for i in range(n)], "instances": instances, "segmentation": segmentation}


def masked_condition(n: int) -> tuple[Schema, Columns]:
    """The same with the images that the layouts belong to."""
    schema, columns = layout_condition(n)
    images = [picture(instances, i % 2 == 1, i) for i, instances in enumerate(columns["instances"])]
    return {**schema, "image": ImageField(SIDE, SIDE, 3)}, {**columns, "image": images}


def style_condition(n: int) -> tuple[Schema, Columns]:
    return {"label": Label(STYLES)}, {"label": [i % 2 for i in range(n)]}


def box_condition(n: int) -> tuple[Schema, Columns]:
    """Fields and values of a condition that asks for boxes."""
    random = np.random.default_rng(0)
    corners = [random.uniform(0, 20, (3, 2)) for _ in range(n)]
    boxes = [np.concatenate([c, c + 8, np.ones((3, 1))], axis=1).astype(np.float32) for c in corners]
    return {"boxes": Boxes(SIDE, SIDE, OBJECTS)}, {"boxes": boxes}


def pictures(n: int) -> tuple[Schema, Columns]:
    """Fields and values as labelers and scorers see them: images with maps by construction."""
    schema, columns = layout_condition(n)
    images = [picture(found, i % 2 == 1, i) for i, found in enumerate(columns["instances"])]
    shifted = [np.roll(found, 2, axis=1) for found in columns["instances"]]
    fields = {"image": ImageField(SIDE, SIDE, 3), "found_instances": InstanceMap(SIDE, SIDE)}
    return {**schema, **fields}, {**columns, "image": images, "found_instances": shifted}


def boxed(n: int) -> tuple[Schema, Columns]:
    """Fields and values as labelers and scorers see them: images with the boxes that were asked for and found."""
    schema, columns = box_condition(n)
    images = [picture(discs(4, SIDE, seed), True, seed) for seed in range(n)]
    shifted = [boxes + np.float32([2, 0, 2, 0, 0]) for boxes in columns["boxes"]]
    fields = {"image": ImageField(SIDE, SIDE, 3), "found_boxes": Boxes(SIDE, SIDE, OBJECTS)}
    return {**schema, **fields}, {**columns, "image": images, "found_boxes": shifted}


def prompted(n: int) -> tuple[Schema, Columns]:
    """Fields and values as labelers see them: noisy images of 16 pixels, their prompts, an axis of the prompts."""
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(n)]
    schema = {"condition.prompt": Text(), "condition.animal": Label(("cat", "dog")), "image": ImageField(16, 16, 3)}
    animals = [i % 2 for i in range(n)]
    return schema, {"condition.prompt": prompts(n)[1]["prompt"], "condition.animal": animals, "image": images}


def texts() -> str:
    """A file of pairs of English and German, with a header."""
    path = folder() / "pairs.tsv"
    if not path.exists():
        rows = [
            f"the {colour} {thing} {i}\tdas {farbe} {ding} {i}"
            for i in range(10)
            for colour, farbe in (("red", "rote"), ("old", "alte"))
            for thing, ding in (("house", "Haus"), ("car", "Auto"))
        ]
        path.write_text("\n".join(["source\ttarget", *rows]) + "\n", encoding="utf-8")
    return str(path)


def text_data(**more: object) -> dict:
    return {"texts": texts(), "languages": ["en", "de"], **more}


@cache
def text_model() -> str:
    """A model of such pairs with random weights."""
    import torch

    from synthgen.models.text.denoiser import TextDenoiser
    from synthgen.models.text.lengths import TextLengths
    from synthgen.models.text.pipeline import TextPipeline
    from synthgen.models.text.scheduler import MaskScheduler
    from synthgen.models.text.tokenizer import TextTokenizer

    torch.manual_seed(3)
    tokenizer = TextTokenizer.fit(["the red house", "das alte Auto"], 300, ["source", "target"])
    lengths = TextLengths.fit([[(0, 4 + i % 5, -1), (1, 5 + i % 5, -1)] for i in range(20)], 2, 0)
    network = TextDenoiser(tokenizer.n_tokens, 2, 2, lengths.longest + 1, width=16, n_blocks=1, n_heads=2)
    forms = [["source", "target"]]
    made = TextPipeline(tokenizer, lengths, network.eval(), MaskScheduler(), 64, "pairs", forms, ["en", "de"])
    return _save(made, "text-model")


def fact_data(**more: object) -> dict:
    """Settings of `data` for a table of facts without questions."""
    path = folder() / "facts.tsv"
    if not path.exists():
        rows = [f"town {i // 2}\t{('mayor', 'river')[i % 2]}\tname {i}" for i in range(10)]
        path.write_text("\n".join(["subject\trelation\tanswer", *rows]) + "\n", encoding="utf-8")
    return {"texts": str(path), **more}


@cache
def dialogues() -> str:
    """A file of dialogues with acts."""
    path = folder() / "dialogues.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for city in ("Lyon", "Bern", "Ulm", "Rome"):
            wanted = {"role": "user", "content": f"to {city}", "acts": [["INFORM", "city", city]]}
            asked = {"role": "assistant", "content": "what day?", "acts": [["REQUEST", "day"]]}
            file.write(json.dumps({"messages": [wanted, asked]}) + "\n")
    return str(path)


def dialogue_data(**more: object) -> dict:
    return {"texts": dialogues(), **more}


def cities() -> str:
    """A file of cities."""
    path = folder() / "cities.txt"
    path.write_text("Oslo\nSão Paulo\nTōkyō\n", encoding="utf-8")
    return str(path)


@cache
def dialogue_model() -> str:
    """A model of such dialogues with random weights."""
    import torch

    from synthgen.models.text.denoiser import TextDenoiser
    from synthgen.models.text.lengths import TextLengths
    from synthgen.models.text.pipeline import TextPipeline
    from synthgen.models.text.scheduler import MaskScheduler
    from synthgen.models.text.tokenizer import TextTokenizer

    torch.manual_seed(9)
    roles = ["act: INFORM city", "user", "act: REQUEST day", "assistant"]
    tokenizer = TextTokenizer.fit(["to Lyon", "what day?"], 300, roles)
    lengths = TextLengths.fit([[(0, 2, -1), (1, 4 + i % 3, -1), (2, 0, -1), (3, 3, -1)] for i in range(20)], 4, 0)
    network = TextDenoiser(tokenizer.n_tokens, 4, 4, lengths.longest + 1, width=16, n_blocks=1, n_heads=2)
    made = TextPipeline(tokenizer, lengths, network.eval(), MaskScheduler(), 64, "dialogues", [roles])
    return _save(made, "dialogue-model")


def planned(n: int) -> tuple[Schema, Columns]:
    """A condition of plans that such a model follows."""
    field = Plan(("user", "assistant"), ("INFORM", "REQUEST"), ("city", "day"), (n, n))
    plans = [
        [
            {"role": "user", "acts": [{"act": "INFORM", "slot": "city", "value": f"Lyon {i}"}]},
            {"role": "assistant", "acts": [{"act": "REQUEST", "slot": "day", "value": ""}]},
        ]
        for i in range(n)
    ]
    return {"plan": field}, {"plan": plans}


def planned_dialogues(n: int) -> tuple[Schema, Columns]:
    """Fields and values as scorers see them: such plans, and dialogues every other of which follows its own."""
    schema, columns = planned(n)
    said = [f"To Lyon {i}." if i % 2 else "To Bern." for i in range(n)]
    messages = [[{"role": "user", "content": text}, {"role": "assistant", "content": "When?"}] for text in said]
    return {"condition.plan": schema["plan"], "messages": Chat()}, {
        "condition.plan": columns["plan"],
        "messages": messages,
    }


@cache
def text_classifier() -> str:
    """A classifier of texts in English and German by hand-made weights: the words `the` and `das` decide."""
    import torch

    from synthgen.models.text.classifier import TextClassifier

    made = TextClassifier({"0": "German", "1": "English"}, ["das", "the"], ["th"], 0.5)
    with torch.no_grad():
        made.head.weight.copy_(torch.tensor([[2.0, -1.0, -1.0], [-1.0, 2.0, 1.0]]))
        made.head.bias.zero_()
    return _save(made, "text-classifier")


def translated(n: int) -> tuple[Schema, Columns]:
    """Fields and values as scorers see them: translations of a text that was given, and questions with answers."""
    pairs = [{"en": f"the red house {i}", "de": f"das rote Haus {i}" if i % 2 else "what?"} for i in range(n)]
    schema = {
        "condition.source": Text(),
        "condition.label": Label(("English", "German")),
        "translation": Translation(("en", "de")),
        "question": Text(),
        "context": Text(),
        "answers": Answers("context"),
    }
    answers = [{"text": ["red"], "answer_start": [4]} if i % 2 else {"text": [], "answer_start": []} for i in range(n)]
    return schema, {
        "condition.source": [pair["en"] for pair in pairs],
        "condition.label": [i % 2 for i in range(n)],
        "translation": pairs,
        "question": [f"which house is number {i}?" for i in range(n)],
        "context": [pair["en"] for pair in pairs],
        "answers": answers,
    }


def sources(n: int) -> tuple[Schema, Columns]:
    """A condition of texts that such a model translates."""
    return {"source": Text()}, {"source": [f"the red house {i}" for i in range(n)]}
