"""Does the data help? The clothes recipe at 10,000 samples against as many real images, before and after the keep rule.

Takes the real Fashion-MNIST (four idx files) with --real. Renders two datasets under --out, or finds
them there: one with the recipe's keep rule, one without. The same probe is trained on synthetic, on
real, and on both, with three seeds, and tested on the real test images. Labels, coverage and
distances are evaluated by a classifier that scored no sample.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from synthgen import api
from synthgen.recipe.sections import Evaluation
from synthgen.stages import evaluation

RECIPE = "recipes/classification.yaml"
EVALUATOR = "starter/fashion-mnist-evaluator"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", default="../shared/data/fashion_mnist")
    parser.add_argument("--out", default="runs/usefulness", type=Path)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    for name, rule in (("before the keep rule", ["keep=[]"]), ("after the keep rule", [])):
        folder = arguments.out / name.split()[0]
        result = api.run(RECIPE, folder, samples=arguments.samples, overrides=["splits={train: 1.0}", *rule])
        accepted = result.manifest["samples"] / result.manifest["tries"]
        print(
            f"\n{name}: {result.manifest['samples']} samples, {100 * accepted:.1f} % of the tries accepted", flush=True
        )
        settings = Evaluation(seeds=arguments.seeds, steps=arguments.steps, evaluator=EVALUATOR)
        found = evaluation.compare(str(folder), arguments.real, settings, lambda text: None)
        print(evaluation.text(found))
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
