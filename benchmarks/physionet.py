"""How good are imputed values, and their intervals? CSDI's protocol on PhysioNet 2012, 48 hours of intensive care.

The grid is CSDI's: 48 hours x 35 variables, the last value of an hour. The test stays are its fold 0: the sorted
record ids shuffled by numpy's RandomState(1), the first fifth. They are written to `split.json` first, and the table
that training reads (`recipes/train/physionet.yaml`, which holds out a tenth of the rest for validation) does not
have them. 10, 50 and 90 % of the observed cells of each test stay are hidden by RandomState(1), and drawn by the
pipeline around the others. Everything is scored in units of the mean and the standard deviation that the observed
values of the *other* stays have (CSDI takes those of all stays). CSDI draws 100 samples of each cell in 50 steps.

What was drawn stays under --out and is not drawn again; every --stays is a beginning of the same shuffled order.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.base.environment import use_one_thread

use_one_thread()

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import torch  # noqa: E402

from synthgen import api, seeds  # noqa: E402
from synthgen.measures.series import crps as rulers  # noqa: E402
from synthgen.measures.series.sets import series_data  # noqa: E402
from synthgen.models import folders, registry  # noqa: E402
from synthgen.models.sampling import torch_generator  # noqa: E402
from synthgen.readers import origin  # noqa: E402
from synthgen.readers.series import reader  # noqa: E402

RECIPE = "recipes/train/physionet.yaml"
VARIABLES = (
    *("DiasABP", "HR", "Na", "Lactate", "NIDiasABP", "PaO2", "WBC", "pH", "Albumin", "ALT", "Glucose", "SaO2"),
    *("Temp", "AST", "Bilirubin", "HCO3", "BUN", "RespRate", "Mg", "HCT", "SysABP", "FiO2", "K", "GCS"),
    *("Cholesterol", "NISysABP", "TroponinT", "MAP", "TroponinI", "PaCO2", "Platelets", "Urine", "NIMAP"),
    *("Creatinine", "ALP"),
)
N_HOURS = 48
PRINTED = 5
"""Batches of stays between two reports."""
PUBLISHED = {10: 0.238, 50: 0.330, 90: 0.522}
"""CRPS of CSDI by per cent hidden: Tashiro et al. 2021, table 2 (means of five folds)."""


@dataclass(frozen=True, slots=True)
class Stays:
    """values: float32 (N, 48, 35) in the data's units, NaN where nothing was measured; ids: int64 (N,)."""

    values: np.ndarray
    ids: np.ndarray

    def take(self, rows: np.ndarray) -> Stays:
        return Stays(self.values[rows], self.ids[rows])


def read(path: Path) -> Stays:
    """All stays in order of their ids; of several values in an hour the last one, -1 is missing."""
    table = pq.read_table(path)
    columns = {name: table[name].to_numpy() for name in ("record_id", "t_min", "value")}
    names = table["parameter"].combine_chunks()
    if pa.types.is_dictionary(names.type):
        names = names.cast(pa.string())
    number = {name: i for i, name in enumerate(VARIABLES)}
    variable = np.array([number.get(name, -1) for name in names.to_pylist()])
    ids, stay = np.unique(columns["record_id"], return_inverse=True)
    values = np.full((len(ids), N_HOURS, len(VARIABLES)), np.nan, dtype=np.float32)
    hour = columns["t_min"] // 60
    rows = np.flatnonzero((variable >= 0) & (hour < N_HOURS) & (columns["value"] != -1))
    rows = rows[np.argsort(columns["t_min"][rows], kind="stable")]
    cells = (stay[rows] * N_HOURS + hour[rows]) * len(VARIABLES) + variable[rows]
    last, where = np.unique(cells[::-1], return_index=True)
    values.reshape(-1)[last] = columns["value"][rows][::-1][where]
    return Stays(values, ids)


def prepare(source: Path, out: Path, fold: int = 0) -> tuple[Stays, Stays]:
    """(Stays for training and validation, test stays in shuffled order); writes `split.json` and `train.parquet`.

    Of five folds of the same shuffled order, the stays of `fold` are the test stays.
    """
    stays = read(source / "measurements.parquet")
    order = np.arange(len(stays.ids))
    np.random.RandomState(1).shuffle(order)
    n_test = len(order) // 5
    chosen = slice(fold * n_test, (fold + 1) * n_test if fold < 4 else None)
    test, rest = stays.take(order[chosen]), stays.take(np.sort(np.delete(order, chosen)))
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"seed": 1, "fold": fold, "of": 5, "test": test.ids.tolist()})
    split = out / "split.json"
    if split.exists() and split.read_text() != text:
        raise SystemExit(f"{split}: names other test stays than these data do; use another --out")
    split.write_text(text)
    write_table(out / "train.parquet", rest)
    return rest, test


def write_table(path: Path, stays: Stays, **each: np.ndarray) -> None:
    """A row an hour, as recipes/train/physionet.yaml reads it; `each` are further columns, with a value a stay."""
    flat = stays.values.reshape(-1, len(VARIABLES))
    columns = {"record_id": np.repeat(stays.ids, N_HOURS), "hour": np.tile(np.arange(N_HOURS), len(stays.ids))}
    columns |= {name: np.repeat(values, N_HOURS) for name, values in each.items()}
    channels = {name: pa.array(flat[:, i], from_pandas=True) for i, name in enumerate(VARIABLES)}
    pq.write_table(pa.table(columns | channels), path)


def hidden(values: np.ndarray, per_cent: int) -> np.ndarray:
    """True (N, 48, 35) for observed cells that are hidden: of each stay the same share, by one RandomState(1)."""
    random = np.random.RandomState(1)
    mask = np.zeros(values.shape, dtype=bool)
    for i, stay in enumerate(values.reshape(len(values), -1)):
        observed = np.flatnonzero(~np.isnan(stay))
        chosen = random.choice(observed, len(observed) * per_cent // 100, replace=False)
        mask[i].reshape(-1)[chosen] = True
    return mask


@torch.inference_mode()
def draw(pipeline: Any, stays: Stays, mask: np.ndarray, n_samples: int, n_steps: int) -> np.ndarray:
    """float32 (samples, hidden cells) in units; the draws of a stay do not depend on which others there are."""
    known = np.where(mask, np.nan, stays.values)
    keys = [seeds.seed_of(1, "physionet", int(stay), k) for k in range(n_samples) for stay in stays.ids]
    drawn = pipeline(
        [0] * len(keys),
        known=np.tile(known, (n_samples, 1, 1)),
        num_inference_steps=n_steps,
        latents=torch.from_numpy(seeds.normals(keys, pipeline.noise_shape)),
        generator=[torch_generator(key) for key in keys],
    ).series
    values: np.ndarray = drawn.reshape(n_samples, *stays.values.shape)[:, mask]
    return values


def impute(pipeline: Any, stays: Stays, mask: np.ndarray, folder: Path, arguments: argparse.Namespace) -> np.ndarray:
    """Draws of all hidden cells, (samples, cells); batches of stays that are in `folder` are not drawn again."""
    folder.mkdir(exist_ok=True)
    parts = []
    for start in range(0, len(stays.ids), arguments.chunk):
        batch = np.arange(start, min(start + arguments.chunk, len(stays.ids)))
        path = folder / f"{start:04d}-{len(batch)}.npy"
        if not path.exists():
            found = draw(pipeline, stays.take(batch), mask[batch], arguments.samples, arguments.steps)
            temporary = path.with_suffix(".part")
            with open(temporary, "wb") as file:
                np.save(file, found)
            temporary.rename(path)
        parts.append(np.load(path))
    return np.concatenate(parts, axis=1)


def validation(table: Path, rest: Stays) -> Stays:
    """The stays that the trainer holds out."""
    data = series_data(origin.data_section(RECIPE), RECIPE).model_copy(update={"path": str(table)})
    recordings = reader.read(data)
    held_out = reader.windows(recordings, data, "validation")
    names = [int(recordings.items[i].entity) for i in held_out.entities]
    return rest.take(np.flatnonzero(np.isin(rest.ids, names)))


def scores(
    samples: np.ndarray, test: Stays, mask: np.ndarray, mean: np.ndarray, deviation: np.ndarray
) -> dict[str, Any]:
    """All rulers on z-scored cells; the interval of the CRPS is of 1,000 bootstraps over stays."""
    cell_of = np.nonzero(mask)
    drawn = (samples - mean[cell_of[2]]) / deviation[cell_of[2]]
    true = ((test.values - mean) / deviation)[mask]
    every = np.ones(len(true), dtype=bool)
    losses, totals = [], []
    for stay in np.unique(cell_of[0]):
        own = cell_of[0] == stay
        totals.append(np.abs(true[own]).sum())
        losses.append(rulers.crps(drawn[:, own], true[own], every[own]) * totals[-1])
    picked = np.random.default_rng(0).integers(0, len(losses), (1000, len(losses)))
    ratios = np.array(losses)[picked].sum(1) / np.array(totals)[picked].sum(1)
    return {
        "cells": len(true),
        "crps": rulers.crps(drawn, true, every),
        "crps_95": np.quantile(ratios, [0.025, 0.975]).round(4).tolist(),
        "mae": rulers.median_error(drawn, true, every),
        "in_50": rulers.coverage(drawn, true, every, 0.5),
        "in_90": rulers.coverage(drawn, true, every, 0.9),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="../shared/data/physionet2012", type=Path)
    parser.add_argument("--out", default="runs/physionet", type=Path)
    parser.add_argument("--model", type=Path, help="a trained model; by default it is trained, under --out")
    parser.add_argument("--set", action="append", default=[], help="key=value for the recipe, as for `synthgen train`")
    parser.add_argument("--stays", type=int, default=100, help="test stays, of 799")
    parser.add_argument("--validation", action="store_true", help="stays of the training part instead of the test part")
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--chunk", type=int, default=8, help="stays in a batch")
    arguments = parser.parse_args()
    rest, test = prepare(arguments.data, arguments.out)
    print(f"{len(rest.ids)} stays for training and validation, {len(test.ids)} for the test", flush=True)
    table = f"trainer.data.path={arguments.out / 'train.parquet'}"
    started = time.process_time()
    model = arguments.model or api.train(RECIPE, arguments.out / "model", overrides=[table, *arguments.set])
    print(f"{(time.process_time() - started) / 60:.1f} CPU minutes of training now", flush=True)
    pipeline = registry.load_pipeline(model, "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    some = validation(arguments.out / "train.parquet", rest) if arguments.validation else test
    some = some.take(np.arange(min(arguments.stays, len(some.ids))))
    part = "validation" if arguments.validation else "test"
    name = f"{part}-{folders.source(str(model)).sha256[:8]}-{arguments.samples}x{arguments.steps}"
    folder = arguments.out / "drawn" / name
    folder.mkdir(parents=True, exist_ok=True)
    units = np.nanmean(rest.values, axis=(0, 1)), np.nanstd(rest.values, axis=(0, 1))
    print(f"{len(some.ids)} {part} stays, {arguments.samples} samples, {arguments.steps} steps (CSDI: 799, 100, 50)")
    ends = range(0, len(some.ids), PRINTED * arguments.chunk)
    for end in [*ends[1:], len(some.ids)]:
        first = some.take(np.arange(end))
        for per_cent, published in PUBLISHED.items():
            mask = hidden(first.values, per_cent)
            drawn = impute(pipeline, first, mask, folder / str(per_cent), arguments)
            found = scores(drawn, first, mask, *units)
            print(json.dumps({"stays": end, "hidden": per_cent, **found, "csdi": published}), flush=True)
    print(f"{(time.process_time() - started) / 60:.1f} CPU minutes in all")


if __name__ == "__main__":
    main()
