"""Do a model's activations label the steps of a series better than its values do? Ten-minute rows of a city.

Weather and power of Tetouan without their times: what is to be found is the quarter of the day (night, morning,
afternoon, evening) of each row, from the labels of --days days. A model of series learns from the first four fifths of
the table, without labels; a head on its activations (`use: step-classifier`) learns from the labelled days, and with
`unlabelled` from all others as well. The same logistic regression, its strength chosen likewise, learns from the values
of a row, from those of all rows of its window, and from these with the other days, too. All are tested on the last
fifth. A seed is one draw of the labelled days.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

import torch  # noqa: E402

from synthgen import api  # noqa: E402
from synthgen.models import registry  # noqa: E402
from synthgen.readers.series import reader  # noqa: E402
from synthgen.readers.series.reader import SeriesData  # noqa: E402
from synthgen.trainers import feature_heads as heads  # noqa: E402
from synthgen.trainers.series.step_classifier import StepClassifierTrainer  # noqa: E402

QUARTERS = ("night", "morning", "afternoon", "evening")
DAY, LENGTH = 144, 48
TEST = 0.2


def rows(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of the channels, values (T, C), and the quarter of the day of each row, 0 to 3."""
    with path.open(newline="") as file:
        head, *lines = csv.reader(file)
    values = np.array([line[1:] for line in lines], dtype=np.float64)
    return head[1:], values, np.array([int(line[0][11:13]) // 6 for line in lines])


def table(path: Path, names: list[str], values: np.ndarray, days: np.ndarray, quarters: np.ndarray | None) -> str:
    """Rows of days, each day an entity; with quarters, a column of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["day", *names, *(["quarter"] if quarters is not None else [])])
        for i, row in enumerate(values.tolist()):
            out.writerow([days[i], *row, *([QUARTERS[quarters[i]]] if quarters is not None else [])])
    return str(path)


def base(given: argparse.Namespace, names: list[str], values: np.ndarray) -> str:
    """The folder of a model of values alone; what is there already is not trained again."""
    out = given.out / "model"
    if not (out / "model_index.json").is_file():
        path = table(given.out / "all.csv", names, values, np.zeros(len(values), int), None)
        data = {"path": path, "channels": names, "length": LENGTH, "stride": 4, "time": "none"}
        trainer = {"use": "series", "data": data, "steps": given.train_steps, "checkpoint_every": 500}
        trainer |= {"sample_every": 10_000}
        api.train({"kind": "model", "name": "city", "seed": 0, "trainer": trainer}, out, device="cpu")
    return str(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", default="../shared/data/tetouan/power.csv", type=Path)
    parser.add_argument("--out", default="runs/step-labels", type=Path)
    parser.add_argument("--train-steps", type=int, default=2000)
    parser.add_argument("--days", type=int, nargs="+", default=[3, 10])
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    names, values, quarters = rows(given.table)
    border = round(len(values) * (1 - TEST)) // DAY * DAY
    model = base(given, names, values[:border])
    read = {"channels": names, "entity": "day", "time": "none", "length": LENGTH, "step_label": "quarter"}

    def windows(path: str, stride: int) -> reader.Windows:
        data = SeriesData.model_validate({"path": path, **read, "stride": stride, "validation": 0.0})
        return reader.windows(reader.read(data), data, "train")

    last = np.arange(border, len(values))
    test = windows(table(given.out / "test.csv", names, values[last], last // DAY, quarters[last]), LENGTH)
    truth = test.step_labels.ravel() - 1
    first = np.arange(border)
    others = table(given.out / "others.csv", names, values[first], first // DAY, None)
    plain = SeriesData.model_validate({"path": others, **read, "step_label": None, "stride": 24, "validation": 0.0})
    unnamed = around(reader.windows(reader.read(plain), plain, "train").values)
    unnamed = unnamed[np.random.default_rng(0).permutation(len(unnamed))[:10_000]]
    found: dict[str, dict[int, list[float]]] = {}
    for n in given.days:
        for seed in range(given.seeds):
            days = np.random.default_rng(seed).permutation(border // DAY)[:n]
            chosen = np.concatenate([np.arange(day * DAY, (day + 1) * DAY) for day in np.sort(days)])
            path = table(given.out / f"{n}-{seed}.csv", names, values[chosen], chosen // DAY, quarters[chosen])
            arms = {}
            for name, more in (("activations", {}), ("activations, refined", {"unlabelled": others})):
                settings = {"data": {"path": path, **read, **more}, "base": model}
                trainer = StepClassifierTrainer(StepClassifierTrainer.Config.model_validate(settings))
                made = trainer.train(given.out / f"{name}-{n}-{seed}", seed, device="cpu")
                head = registry.load_pipeline(made, "cpu", torch.float32)
                numbers = torch.from_numpy(np.array(test.values))
                seen = head.predict_proba(numbers, torch.from_numpy(np.array(test.times)).float(), {})
                arms[name] = seen.argmax(-1).ravel()
            few = windows(path, LENGTH // 2)
            labels = few.step_labels.ravel() - 1
            groups = np.repeat(few.entities, LENGTH)
            for name, of in (("values of the row", own), ("values of the window", around)):
                x = of(few.values)
                strength, _ = heads.chosen_strength(x, labels, seed, groups)
                arms[name] = heads.from_labelled(x, labels, strength).logits(of(test.values)).argmax(1)
            x, more_heads = around(few.values), heads.Refined(unnamed)
            strength, _ = heads.chosen_strength(x, labels, seed, groups, more_heads.head)
            said = more_heads.head(x, labels, strength).logits(around(test.values)).argmax(1)
            arms["values of the window, refined"] = said
            for name, said in arms.items():
                found.setdefault(name, {}).setdefault(n, []).append(100 * float((said == truth).mean()))
            shown = ", ".join(f"{name} {of_days[n][-1]:.1f} %" for name, of_days in found.items())
            print(f"{n} days, seed {seed}: {shown}", flush=True)
    for name, of_days in found.items():
        print(f"{name}: " + "; ".join(f"{n} days {np.mean(v):.1f} ± {np.std(v):.1f} %" for n, v in of_days.items()))
    print(json.dumps(found))


def own(values: np.ndarray) -> np.ndarray:
    """(N * L, C): the values of each step."""
    return values.reshape(-1, values.shape[-1])


def around(values: np.ndarray) -> np.ndarray:
    """(N * L, L * C + L): all values of a step's window, and which step of it that is."""
    n, length, _ = values.shape
    flat = np.repeat(values.reshape(n, 1, -1), length, 1)
    return np.concatenate([flat, np.tile(np.eye(length), (n, 1, 1))], -1).reshape(n * length, -1)


if __name__ == "__main__":
    main()
