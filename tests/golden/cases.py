"""The cases of the golden record."""

from __future__ import annotations

from kinds import Case, Dataset

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

CASES = RECIPES
