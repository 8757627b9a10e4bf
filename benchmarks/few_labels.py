"""Few labels and many images without: what a diffusion model adds to 40 or 100 labelled clothes.

Stages, each kept under --out and not made again: a class-conditional model learns from the few labelled images and from
all others without their labels; a linear head on its activations names the others; the model goes on from itself with
those names; it draws balanced samples. The same probe is then trained on each arm and tested on real test images:

- few: the labelled images; self-training: these, and what a probe of them is sure of;
- named: real images with the head's labels, the surest of each class: the same labels as drawn samples have;
- drawn: generated images; both: named and drawn.

Each arm has its own number of probe steps, the best of --steps on a validation part of real images that nothing else
sees. "Drawing helps" is what drawn and both have over named. A pair of seeds is one draw of the few labels.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import pin_to_one_core
from PIL import Image

pin_to_one_core()

import torch  # noqa: E402

from synthgen import seeds as streams  # noqa: E402
from synthgen.measures.images import probe  # noqa: E402
from synthgen.measures.images.classification import Labelled  # noqa: E402
from synthgen.models import registry  # noqa: E402
from synthgen.readers.images import labelled  # noqa: E402
from synthgen.trainers.images.class_conditional import ClassConditionalTrainer  # noqa: E402
from synthgen.trainers.images.feature_classifier import FeatureClassifierTrainer  # noqa: E402

N_VALIDATION = 2000
"""Real images that choose the number of steps of each arm."""

NETWORK = {"patch_size": 2, "channels": [64, 96], "layers": 1, "attention_levels": 1}


def parquet(path: Path, some: Labelled, classes: tuple[str, ...], named: bool = True) -> str:
    """Images as a Parquet file, with the names of their classes if they are to have some."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = []
    for image in some.images:
        with io.BytesIO() as file:
            Image.fromarray(image[..., 0]).save(file, "PNG")
            contents.append({"bytes": file.getvalue()})
    columns: dict[str, Any] = {"image": contents}
    if named:
        columns["label"] = [classes[label] for label in some.labels]
    pq.write_table(pa.table(columns), path)
    return str(path)


def generator(out: Path, data: dict[str, Any], steps: int, seed: int, **more: Any) -> Any:
    """A trained class-conditional model; what is there already is not trained again."""
    values = {"data": data, "steps": steps, "batch_size": 64, "checkpoint_every": 500, "sample_every": 2500}
    values |= {"learning_rate": 1.5e-3, "ema_decay": 0.9995, **more}
    if not (out / "model_index.json").is_file():
        ClassConditionalTrainer(ClassConditionalTrainer.Config.model_validate(values)).train(out, seed, device="cpu")
    pipeline = registry.load_pipeline(out, "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def kept(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """An array that is made once."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, make(), allow_pickle=False)
    found: np.ndarray = np.load(path, allow_pickle=False)
    return found


def drawn(pipeline: Any, classes: tuple[str, ...], n_each: int, guidance: float, seed: int) -> Labelled:
    """As many images of each class."""
    labels = np.repeat(np.arange(len(classes)), n_each)
    ids, images = [pipeline.classes.index(name) for name in classes], []
    for start in range(0, len(labels), 100):
        some = [ids[label] for label in labels[start : start + 100]]
        own = [streams.seed_of(seed, "few labels", start + i) for i in range(len(some))]
        latents = torch.from_numpy(streams.normals(own, (1, 28, 28)))
        images.append(pipeline(some, guidance, latents=latents, num_inference_steps=18, output_type="uint8").images)
    return Labelled(np.concatenate(images), labels)


def surest(probabilities: np.ndarray, n_each: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and classes of the `n_each` images that are most surely of each class."""
    rows = [np.argsort(-probabilities[:, label], kind="stable")[:n_each] for label in range(probabilities.shape[1])]
    return np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(some) for some in rows])


def accuracy(arm: Labelled, validation: Labelled, test: Labelled, grid: list[int], seed: int) -> tuple[float, int]:
    """Percent of the test images that a probe gets right, at the steps that were best on validation images."""
    n = int(test.labels.max()) + 1
    models = {steps: probe.train(arm.images, arm.labels, n, seed, probe.Budget(steps)) for steps in grid}
    right = {
        steps: (probe.predict(model, validation.images) == validation.labels).mean() for steps, model in models.items()
    }
    best = max(grid, key=lambda steps: right[steps])
    return 100 * float((probe.predict(models[best], test.images) == test.labels).mean()), best


def one(given: argparse.Namespace, seed: int) -> Mapping[str, float]:
    """All arms for one draw of the labelled images."""
    out, random = given.out / f"{given.labels}-{seed}", np.random.default_rng(seed)
    real, tested = labelled.read(given.real), labelled.read(given.real, "test")
    rows = random.permutation(len(real))
    validation, pool = rows[:N_VALIDATION], rows[N_VALIDATION:]
    each = given.labels // len(real.classes)
    few_rows = np.concatenate([pool[real.labels[pool] == label][:each] for label in range(len(real.classes))])
    others = np.setdiff1d(pool, few_rows)
    few = Labelled(real.images[few_rows], real.labels[few_rows])
    checked = Labelled(real.images[validation], real.labels[validation])
    test = Labelled(tested.images, tested.labels)

    more = Labelled(real.images[others], real.labels[others])
    paths = [parquet(out / "few.parquet", few, real.classes), parquet(out / "more.parquet", more, real.classes, False)]
    first = generator(
        out / "first",
        {"path": paths[0], "unlabelled": paths[1]},
        given.train_steps,
        seed,
        network=NETWORK,
        unlabelled_share=0.9,
    )
    head = FeatureClassifierTrainer.Config.model_validate({"data": {"path": paths[0]}, "base": str(out / "first")})
    if not (out / "head" / "model_index.json").is_file():
        FeatureClassifierTrainer(head).train(out / "head", seed, device="cpu")
    some = random.permutation(len(more))[: given.named]
    classifier = registry.load_pipeline(out / "head", "cpu", torch.float32)
    classes = [classifier.classes.index(name) for name in real.classes]
    found = kept(out / "named.npy", lambda: classifier.predict_proba(more.images[some])[:, classes])
    guessed = found.argmax(1)
    print(f"seed {seed}: the head is right in {(guessed == more.labels[some]).mean():.1%}", flush=True)
    chosen, names = surest(found, given.draw // len(real.classes))
    named = Labelled(more.images[some][chosen], names)
    print(f"seed {seed}: {(names == more.labels[some][chosen]).mean():.1%} of the surest", flush=True)

    second = generator(
        out / "second",
        {"path": parquet(out / "named.parquet", named, real.classes)},
        given.tune_steps,
        seed,
        base=str(out / "first"),
    )
    del first
    fake = kept(
        out / "drawn.npy",
        lambda: drawn(second, real.classes, given.draw // len(real.classes), given.guidance, seed).images,
    )
    generated = Labelled(fake, np.repeat(np.arange(len(real.classes)), given.draw // len(real.classes)))

    n = len(real.classes)
    teacher = probe.train(few.images, few.labels, n, seed, probe.Budget(given.steps[0]))
    with torch.inference_mode():
        parts = [teacher(probe.to_tensor(more.images[some][i : i + 500])).softmax(1) for i in range(0, len(some), 500)]
    own, own_names = surest(torch.cat(parts).numpy(), given.draw // n)
    arms = {
        "few": few,
        "self-training": Labelled(more.images[some][own], own_names).join(few),
        "named": named.join(few),
        "drawn": generated.join(few),
        "both": named.join(generated).join(few),
    }
    result = {}
    for name, arm in arms.items():
        result[name], steps = accuracy(arm, checked, test, given.steps, seed)
        print(f"seed {seed}: {name}: {result[name]:.2f} % at {steps} steps", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", default="../shared/data/fashion_mnist")
    parser.add_argument("--out", default="runs/few-labels", type=Path)
    parser.add_argument("--labels", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train-steps", type=int, default=6500)
    parser.add_argument("--tune-steps", type=int, default=3000)
    parser.add_argument("--named", type=int, default=30_000, help="Unlabelled images that the head names.")
    parser.add_argument("--draw", type=int, default=10_000)
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--steps", type=int, nargs="+", default=[500, 2000, 10_000])
    given = parser.parse_args()
    results = [one(given, seed) for seed in range(given.seeds)]
    for name in results[0]:
        values = [result[name] for result in results]
        gains = [result[name] - result["named"] for result in results]
        print(f"{name}: {np.mean(values):.2f} ± {np.std(values):.2f} %, over named {np.mean(gains):+.2f}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
