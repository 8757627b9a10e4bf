"""Bytes that must not change unnoticed: a new version of a part, or of the format, is the way to change them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import helpers
from synthgen import seeds
from synthgen.fields import Label, Number
from synthgen.parts.protocols import Encoded
from synthgen.writers.webdataset import WebDataset


def test_seed_of_a_slot() -> None:
    assert (
        f"{seeds.seed_of(0, 'sampler', 0, 0):064x}"
        == "7cd5fa8e1a23e681cfd7ce1d6783fb9964f31ba4a68d6e0e52fdafd12b37c2e4"
    )


def test_noise_of_a_seed() -> None:
    noise = seeds.normals([seeds.seed_of(0, "sampler", 0, 0)], (4,))[0]
    assert noise.tolist() == [0.13176073133945465, -0.5994042158126831, -1.4131062030792236, 0.1938093602657318]


def test_tar_of_two_samples() -> None:
    schema = {"label": Label(("a", "b")), "score": Number()}
    samples = [Encoded(f"s{i:09d}", "train", {"label": i, "score": 0.25}, {"index": i}) for i in range(2)]
    file = io.BytesIO()
    WebDataset(WebDataset.Config()).write(file, samples, schema)
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    assert sha256 == "7dce836f152b8e1e82b27033a9ea953ba97264df9b107502cbe24863dab7de38"


def test_content_of_the_toy_dataset(finished: Path) -> None:
    """Stored values, not files: those depend on the versions of Pillow's and Arrow's codecs as well."""
    import pyarrow.parquet as pq

    import synthgen

    table = pq.read_table(finished / "index" / "shard-00000.parquet").to_pydict()
    kept = [
        (key, attempt) for key, attempt, ok in zip(table["key"], table["try"], table["accepted"], strict=True) if ok
    ]
    assert kept[:4] == [("s000000000", 12), ("s000000001", 0), ("s000000002", 8), ("s000000003", 0)]
    first = next(sample for sample in synthgen.load(finished) if sample["key"] == "s000000000")
    image = first["image"]
    assert image[0].tolist() == [[34, 50, 62], [95, 47, 113], [79, 99, 130], [94, 88, 57]]


def test_splits_of_the_toy_dataset(tmp_path: Path) -> None:
    plan = helpers.plan_of(tmp_path)
    assert "".join(plan.slot(i).split[0] for i in range(20)) == "vttttttttvtvttttttvt"
