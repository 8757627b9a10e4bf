"""Does the data help segmentation? The nuclei recipe against the real training images, with and without its rules.

Takes the real nuclei (Data Science Bowl 2018, as recipes/train/nuclei.yaml names them). Renders four
datasets under --out, or finds them there: layouts drawn by a model, kept by the rules; the same with
every first try, and with stricter rules; and layouts of real training masks, with those. The same U-Net
is trained on each, on the real images and on both, and tested on the real test images; masks are evaluated by a
segmenter that took no part.

With --low, everything stands on a tenth of the real training images: image model, filter model and
layouts are made from them alone (about an hour), and the U-Net is trained on them with and
without the samples.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from synthgen import api
from synthgen.measures.images import maps, segmentation
from synthgen.readers import origin
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Examples
from synthgen.recipe.sections import Evaluation
from synthgen.stages import evaluation

RECIPE, TRAIN = "recipes/segmentation.yaml", "recipes/train/nuclei.yaml"
FILTER, EVALUATOR = "recipes/train/nuclei-filter.yaml", "starter/nuclei-evaluator"
STRICTER = ["keep=[filter_iou >= 0.5, filter_dice >= 0.7, filter_extra <= 2]"]
FIRST_TRIES = ["keep=[]", "labelers=[class-label]", "scorers=[]"]


def on_real_layouts(fraction: float, model: str) -> list[str]:
    """Overrides that take layouts from the masks of the real training images."""
    data = maps.mask_data(origin.data_section(TRAIN), TRAIN).model_copy(update={"fraction": fraction})
    condition = {
        "use": "real-layouts",
        "data": data.model_dump(mode="json", exclude_defaults=True) | {"path": data.path},
        "size": 96,
        "turn": True,
        "quotas": {"grey": 400, "colour": 100},
    }
    sampler = {"use": "layout-to-image", "model": model, "steps": 14, "guidance": 2.0}
    return [f"condition={json.dumps(condition)}", f"sampler={json.dumps(sampler)}", "tries=4"]


def render(folder: Path, samples: int | None, overrides: list[str]) -> float:
    """Renders a dataset; returns the share of the tries that were kept."""
    manifest = api.run(RECIPE, folder, samples=samples, overrides=overrides).manifest
    return float(manifest["samples"] / manifest["tries"])


KINDS = ("rules", "first-tries", "stricter", "real-layouts")


def full(out: Path, names: list[str], samples: int | None, n_seeds: int, steps: int) -> None:
    kinds = {"rules": [], "first-tries": FIRST_TRIES, "stricter": STRICTER}
    kinds["real-layouts"] = [*on_real_layouts(1.0, "starter/nuclei"), *STRICTER]
    for name, overrides in ((name, kinds[name]) for name in names):
        accepted = render(out / name, samples, overrides)
        settings = Evaluation(seeds=n_seeds, steps=steps, evaluator=EVALUATOR)
        found = evaluation.compare(str(out / name), TRAIN, settings, lambda text: None, allow_incomplete=True)
        print(f"\n{name}: {100 * accepted:.1f} % of the tries accepted")
        print(evaluation.text(found))
        print(json.dumps(found), flush=True)


def low(out: Path, samples: int | None, n_seeds: int, steps: int) -> None:
    tenth = "trainer.data.fraction=0.1"
    model = api.train(TRAIN, out / "model-low", overrides=[tenth, "trainer.styles=10", "trainer.steps=3000"])
    filter_model = str(api.train(FILTER, out / "filter-low", overrides=[tenth, "trainer.steps=800"]))
    labelers = [
        {"use": "class-label"},
        {"use": "segmenter", "model": filter_model},
        {"use": "noisy-to-ignore", "model": filter_model},
    ]
    scorers = [{"use": "mask-agreement", "name": "filter", "predicted": "segmenter_instances"}]
    checked = [f"labelers={json.dumps(labelers)}", f"scorers={json.dumps(scorers)}"]
    accepted = render(out / "low", samples, [*on_real_layouts(0.1, str(model)), *checked])
    data = maps.mask_data(origin.data_section(TRAIN), TRAIN).model_copy(update={"fraction": 0.1})
    real, test = reader.read(data), reader.read(data, "test")
    drawn = maps.from_dataset(str(out / "low"), "train", "segmentation", allow_incomplete=True)
    often = (*real.items * max(1, len(drawn) // len(real)), *drawn.items)
    arms = {
        "a tenth of the real images": (real.items, None),
        "with samples": ((*real.items, *drawn.items), None),
        "with samples, the real ones as often": (often, None),
        "the same for half of the steps, then real ones alone": (often, real),
    }
    print(f"\na tenth: {len(real)} real images, {len(drawn)} samples, {100 * accepted:.1f} % of the tries accepted")
    for name, (items, then) in arms.items():
        runs = []
        for seed in range(n_seeds):
            model_found = maps.train(Examples(items, real.classes, real.objects), seed, steps, then)
            runs.append(segmentation.by_class(model_found, test))
        for group in test.classes:
            found = {measure: [100 * run[group][measure] for run in runs] for measure in ("dice", "AJI", "PQ")}
            texts = [f"{measure} {statistics.mean(v):.2f} +- {spread_of(v):.2f} %" for measure, v in found.items()]
            print(f"{name}, {group}: {', '.join(texts)}", flush=True)


def spread_of(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/usefulness-masks", type=Path)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=segmentation.STEPS)
    parser.add_argument("--only", nargs="*", default=KINDS, choices=KINDS, help="these datasets only")
    parser.add_argument("--low", action="store_true", help="a tenth of the real images and nothing else")
    arguments = parser.parse_args()
    if arguments.low:
        low(arguments.out, arguments.samples, arguments.seeds, arguments.steps)
    else:
        full(arguments.out, arguments.only, arguments.samples, arguments.seeds, arguments.steps)


if __name__ == "__main__":
    main()
