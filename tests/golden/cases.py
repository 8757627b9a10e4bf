"""The cases of the golden record."""

from __future__ import annotations

from kinds import Case, Dataset, Model

FEW = ("--samples", "12")


def sets(**values: object) -> tuple[str, ...]:
    return tuple(word for name, value in values.items() for word in ("--set", f"{name.replace('__', '.')}={value}"))


RECIPES: list[Case] = [
    Dataset("recipes/classification", "recipes/classification.yaml", ("--samples", "20")),
    Dataset("recipes/segmentation", "recipes/segmentation.yaml", ("--samples", "4")),
    Dataset("recipes/detection", "recipes/detection.yaml", ("--samples", "6")),
    Dataset("recipes/timeseries", "recipes/timeseries.yaml", FEW),
    Dataset("recipes/anomalies", "recipes/anomalies.yaml", FEW),
    Dataset(
        "recipes/timeseries-from-csv",
        "recipes/timeseries-from-csv.yaml",
        (*FEW, *sets(data__path="data/my.csv", train__steps=20, evaluate__effort=0.01)),
        trained=True,
    ),
    *(
        Dataset(f"recipes/foundation/{name}", f"recipes/foundation/{name}.yaml", smoke=True)
        for name in ("classification", "detection", "segmentation", "inpaint", "controlnet")
    ),
]

SHORT = {"trainer.steps": 20, "trainer.batch_size": 4, "trainer.warmup": 5, "trainer.checkpoint_every": 10}
SMALL = {"trainer.network.channels": "[8, 16]", "trainer.network.attention_levels": 1}
CLOTHES = {"trainer.data.path": "data/clothes", "trainer.data.validation": 0.2}
CELLS = {"trainer.data.path": "data/cells", "trainer.data.validation": 0.25, "trainer.crop": 32}
BCCD = CELLS | {"trainer.data.scale": 0.5}
WIDTHS = {"trainer.widths": "[8, 16]"}


def model(name: str, *changes: dict[str, object], folder: str = "recipes/train", more: tuple[str, ...] = (), **rest: object) -> Model:
    values = {key: value for change in (SHORT, *changes, rest) for key, value in change.items()}
    return Model(f"trainers/{name}", f"{folder}/{name}.yaml", (*sets(**values), *more))


TRAINERS: list[Case] = [
    model("classification", SMALL),
    model("fashion-mnist", SMALL, CLOTHES),
    model("fashion-mnist-critic", CLOTHES, WIDTHS),
    model("fashion-mnist-judge", CLOTHES, WIDTHS),
    model("segmentation", SMALL, CELLS),
    model("nuclei", SMALL, CELLS, {"trainer.styles": 4}),
    model("nuclei-layouts", SMALL, CELLS),
    model("nuclei-critic", CELLS, WIDTHS),
    model("nuclei-judge", CELLS, WIDTHS),
    model("sam-nuclei", CELLS, {"trainer.network": "{image_size: 64, patch_size: 8, embed_dim: 16, depth: 2, num_heads: 2, global_attn_indexes: [1], window_size: 4, prompt_dim: 32}"}),
    model("blood-cells", SMALL, BCCD, {"trainer.styles": 3}),
    model("blood-cells-critic", BCCD, WIDTHS),
    model("blood-cells-judge", BCCD, WIDTHS),
    model("tune", CELLS, {"trainer.replay.samples": 4, "trainer.replay.steps": 3}),
    model("ecg", {"trainer.data.path": "data/ecg/signal.parquet", "trainer.data.events.path": "data/ecg/annotations.parquet"}),
    model("timeseries", {"trainer.data.path": "data/my.csv"}),
    model("physionet", {"trainer.data.path": "data/stays.parquet"}),
    Model("trainers/lora", "recipes/foundation/lora.yaml", ("--smoke",)),
]

CASES = [*RECIPES, *TRAINERS]
