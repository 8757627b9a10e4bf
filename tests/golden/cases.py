"""The cases of the golden record."""

from __future__ import annotations

from kinds import Case, Dataset, Model, Output

FEW = ("--samples", "12")


def sets(values: dict[str, object]) -> tuple[str, ...]:
    """Options that change these keys of a recipe."""
    return tuple(word for name, value in values.items() for word in ("--set", f"{name}={value}"))


OWN = {"train.steps": 20, "train.batch_size": 4, "train.network.channels": "[8, 16]", "sampler.steps": 4}
PHOTOS = {**OWN, "data.path": "data/photos", "condition.quotas": "{disc: 3, field: 1}"}

RECIPES: list[Case] = [
    Dataset("recipes/classification", "recipes/classification.yaml", ("--samples", "20")),
    Dataset("recipes/segmentation", "recipes/segmentation.yaml", ("--samples", "4")),
    Dataset("recipes/detection", "recipes/detection.yaml", ("--samples", "6")),
    Dataset("recipes/timeseries", "recipes/timeseries.yaml", FEW),
    Dataset("recipes/anomalies", "recipes/anomalies.yaml", FEW),
    Dataset(
        "recipes/timeseries-from-csv",
        "recipes/timeseries-from-csv.yaml",
        (*FEW, *sets({"data.path": "data/my.csv", "train.steps": 20, "evaluate.effort": 0.01})),
        trained=True,
    ),
    Dataset(
        "recipes/text-from-table",
        "recipes/text-from-table.yaml",
        (*FEW, *sets({"data.texts": "data/pairs.tsv", "train.steps": 20, "train.preset": "tiny"})),
        trained=True,
    ),
    Dataset(
        "recipes/few-labels",
        "recipes/few-labels.yaml",
        (*FEW, *sets({**PHOTOS, "data.unlabelled": "data/cells/images"})),
        trained=True,
    ),
    Dataset("recipes/rare-classes", "recipes/rare-classes.yaml", (*FEW, *sets(PHOTOS)), trained=True),
    Dataset(
        "recipes/few-masks",
        "recipes/few-masks.yaml",
        (*FEW, *sets({**OWN, "data.path": "data/cells", "data.unlabelled": "data/photos/disc", "train.crop": 32})),
        trained=True,
    ),
    *(
        Dataset(f"recipes/{name}", f"recipes/{name}.yaml", FEW)
        for name in ("text-classification", "translation", "question-answering", "dialogue")
    ),
    *(
        Dataset(f"recipes/foundation/{name}", f"recipes/foundation/{name}.yaml", smoke=True)
        for name in ("classification", "detection", "segmentation", "inpaint", "controlnet", "instructions")
    ),
]

SHORT = {"trainer.steps": 20, "trainer.batch_size": 4, "trainer.warmup_steps": 5, "trainer.checkpoint_every": 10}
TINY = {"trainer.preset": "tiny", "trainer.tokens": 300}
SMALL = {"trainer.network.channels": "[8, 16]", "trainer.network.attention_levels": 1}
CLOTHES = {"trainer.data.path": "data/clothes", "trainer.data.validation": 0.2}
CELLS = {"trainer.data.path": "data/cells", "trainer.data.validation": 0.25, "trainer.crop": 32}
BCCD = CELLS | {"trainer.data.scale": 0.5}
SAM = {"image_size": 64, "embed_dim": 16, "depth": 2, "num_heads": 2, "global_attn_indexes": "[1]", "prompt_dim": 32}
ECG = {"trainer.data.path": "data/ecg/signal.parquet", "trainer.data.events.path": "data/ecg/annotations.parquet"}
WIDTHS = {"trainer.widths": "[8, 16]"}


def model(
    name: str,
    *changes: dict[str, object],
    folder: str = "recipes/train",
    of: str = "trainers",
    needs: tuple[str, ...] = (),
) -> Model:
    values = {key: value for change in (SHORT, *changes) for key, value in change.items()}
    return Model(f"{of}/{name}", f"{folder}/{name}.yaml", sets(values), needs=needs)


TRAINERS: list[Case] = [
    model("classification", SMALL),
    model("fashion-mnist", SMALL, CLOTHES),
    model("fashion-mnist-filter", CLOTHES, WIDTHS),
    model("fashion-mnist-evaluator", CLOTHES, WIDTHS),
    model("segmentation", SMALL, CELLS),
    model("nuclei", SMALL, CELLS, {"trainer.styles": 4}),
    model("nuclei-layouts", SMALL, CELLS),
    model("nuclei-filter", CELLS, WIDTHS),
    model("nuclei-evaluator", CELLS, WIDTHS),
    model("sam-nuclei", CELLS, {f"trainer.network.{name}": value for name, value in SAM.items()}),
    model("blood-cells", SMALL, BCCD, {"trainer.styles": 3}),
    model("blood-cells-filter", BCCD, WIDTHS),
    model("blood-cells-evaluator", BCCD, WIDTHS),
    model("tune", CELLS, {"trainer.replay.samples": 4, "trainer.replay.steps": 3}),
    model("ecg", ECG),
    model("timeseries", {"trainer.data.path": "data/my.csv"}),
    model("physionet", {"trainer.data.path": "data/stays.parquet"}),
    model("tatoeba-en-de", {"trainer.data.texts": "data/pairs.tsv", **TINY}),
    model("snips", {"trainer.data.texts": "data/utterances.jsonl", **TINY}),
    model("sgd", {"trainer.data.texts": "data/dialogues.jsonl", **TINY}),
    model("simplequestions", {"trainer.data.texts": "data/facts.tsv", "trainer.data.kind": "facts", **TINY}),
    Model(
        "trainers/snips-filter",
        "recipes/train/snips-filter.yaml",
        sets({"trainer.data.texts": "data/utterances.jsonl"}),
    ),
    Model(
        "trainers/simplequestions-filter",
        "recipes/train/simplequestions-filter.yaml",
        sets({"trainer.data.texts": "data/facts.tsv", "trainer.least_texts": 1}),
    ),
    Model("trainers/lora", "recipes/foundation/lora.yaml", ("--smoke",)),
]

OWN = ("v-prediction", "classes", "class-maps", "streets", "stations", "pairs")
OWN_TEXTS = ("utterances", "facts", "questions", "dialogues")
BASES = ("recipes/foundation/detection", "trainers/lora")  # these leave the small bases that the next go on from
TRAINERS += [
    *(model(name, folder="golden", of="trainers/own") for name in (*OWN, *OWN_TEXTS)),
    Model("trainers/own/sorts", "golden/sorts.yaml"),
    Model("trainers/own/heads", "golden/heads.yaml", needs=("trainers/fashion-mnist",)),
    Model("trainers/own/states", "golden/states.yaml", needs=("trainers/timeseries",)),
    model("tuned-classes", folder="golden", of="trainers/own", needs=("trainers/fashion-mnist",)),
    model("tuned-layouts", folder="golden", of="trainers/own", needs=("trainers/nuclei-layouts",)),
    *(model(name, folder="golden", of="trainers/own", needs=BASES) for name in ("word", "lora", "full")),
]


# What else there is: every part, writer and image format, several shards, splits, values that are missing.


def own(name: str, *models: str, smoke: bool = False) -> Dataset:
    """A dataset that is generated by models of the trainers above."""
    needs = tuple(f"trainers/{model}" for model in models)
    return Dataset(f"datasets/{name}", f"golden/{name}.yaml", smoke=smoke, trained=bool(models), needs=needs)


DATASETS: list[Case] = [
    own("own-classes", "fashion-mnist", "fashion-mnist-filter"),
    own("own-layouts", "nuclei", "nuclei-filter", "sam-nuclei"),
    own("own-class-maps", "own/class-maps", "own/classes"),
    own("own-streets", "own/streets", "own/classes"),
    own("labelled", "own/heads"),
    own("marked", "own/states"),
    own("placed"),
    own("lines"),
    own("boxes", "blood-cells", "blood-cells-filter"),
    own("own-series", "own/stations"),
    own("waves", "timeseries"),
    own("scored-series", "timeseries"),
    own("continued", "timeseries"),
    own("translated", "own/pairs"),
    own("slots", "own/utterances", "own/sorts"),
    own("answered", "own/questions"),
    own("asked-facts", "own/facts"),
    own("planned", "own/dialogues"),
    own("checked-texts", "own/pairs"),
    own("text-everything", smoke=True),
    own("prompted-texts", smoke=True),
    own("denoised-texts", smoke=True),
    own("redrawn", smoke=True),
    own("repainted", smoke=True),
]


def export(of: str, to: str, *words: str) -> Output:
    format_ = "-".join([to, *(word.strip("-") for word in words)])
    return Output(
        f"export/{of}/{format_}", ("export", "{0}", "--to", to, *words, "-o", "{out}"), needs=(f"datasets/{of}",)
    )


def output(command: str, of: str, *words: str, needs: tuple[str, ...] = (), suffix: str = "") -> Output:
    return Output(f"{command}/{of}{suffix}", (command, "{0}", *words), needs=(f"datasets/{of}", *needs))


def init(name: str, target: str, *words: str, needs: tuple[str, ...] = ()) -> Output:
    command = ("init", target, "-o", "{out}", "--name", name, *words)
    return Output(f"init/{name}", command, everywhere=not needs, needs=needs)


CLASS_MAPS = ("cityscapes", "ade20k", "mmsegmentation", "hf-segmentation", "coco-panoptic")
EXPORTS = {
    "own-layouts": ("coco", "coco --polygons", "voc", "yolo", "yolo-seg"),
    "own-class-maps": ("coco", "voc", "yolo-seg", *CLASS_MAPS),
    "boxes": ("coco", "voc", "yolo"),
    "own-classes": ("imagefolder",),
    "repainted": ("imagefolder",),
    **dict.fromkeys(("own-series", "waves", "scored-series", "continued"), ("csv", "parquet")),
}
SHOWN = ("own-classes", "own-layouts", "boxes", "own-series")
BRIEFLY = ("--seeds", "1", "--steps", "20", "--split", "all", "--json")
EVALUATOR = "trainers/fashion-mnist-evaluator"
OUTPUTS: list[Case] = [
    *(export(name, *words.split()) for name, formats in EXPORTS.items() for words in formats),
    *(output("report", name, "-o", "{out}") for name in (*SHOWN, "text-everything")),
    *(output("preview", name, "-o", "{out}", suffix=".png") for name in SHOWN),
    output("duplicates", "own-classes", "--json"),
    output("duplicates", "checked-texts", "--json"),
    output("evaluate", "own-classes", "--real", "data/clothes", "--evaluator", "{1}", *BRIEFLY, needs=(EVALUATOR,)),
    output("evaluate", "own-layouts", "--real", "golden/nuclei.yaml", *BRIEFLY),
    output("evaluate", "own-series", "--real", "golden/stations.yaml", "--effort", "0.002", *BRIEFLY),
    init("photos", "data/photos"),
    init("cells", "data/cells", "--masks", "instances"),
    init("roads", "data/roads"),
    init("my", "data/my.csv"),
    init("stations", "data/stations.csv"),
    *(init(to, "{0}", needs=(f"export/boxes/{to}",)) for to in ("coco", "voc", "yolo")),
]

CASES = [*RECIPES, *TRAINERS, *DATASETS, *OUTPUTS]
