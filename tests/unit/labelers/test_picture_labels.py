"""Labels of whole images: classes by CLIP and SigLIP, depth by Depth Anything; as the library gives them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import tiny
from synthgen.errors import DataError, ModelError
from synthgen.fields import DepthMap, Image
from synthgen.labelers.depth import Depth, stretched
from synthgen.labelers.zero_shot_class import ZeroShotClass

HEIGHT, WIDTH = 24, 32
TEXTS = {"cat": "a photo of a cat", "dog": "a photo of a dog", "zebra": "stripes"}


def pictures(n: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) // (1 + i) for i in range(n)]


def made(cls: Any, **settings: Any) -> Any:
    part = cls(cls.Config(**settings))
    assert part.bind({"image": Image(HEIGHT, WIDTH, 3)}) == []
    part.setup("cpu")
    return part


def logits_of_library(model: str, image: np.ndarray) -> torch.Tensor:
    processor = transformers.AutoProcessor.from_pretrained(model)
    network = transformers.AutoModel.from_pretrained(model).eval()
    length = network.config.text_config.max_position_embeddings
    inputs = processor(
        text=list(TEXTS.values()), images=image, padding="max_length", max_length=length, return_tensors="pt"
    )
    with torch.no_grad():
        return network(**inputs).logits_per_image[0].double()


@pytest.mark.parametrize(("kind", "activation"), [("clip", lambda x: x.softmax(0)), ("siglip", torch.sigmoid)])
def test_classes_and_probabilities_are_those_of_the_library(kind: str, activation: Any) -> None:
    model = tiny.small(kind)
    part = made(ZeroShotClass, model=model, classes=TEXTS)
    images = pictures(4)
    added = part.annotate({"image": images}, [0] * 4)
    for image, cls, p in zip(images, added["seen"], added["seen_probability"], strict=True):
        theirs = activation(logits_of_library(model, image))
        assert cls == int(theirs.argmax())
        assert p == pytest.approx(float(theirs.max()), abs=1e-6)
    assert part.fields["seen"].classes == ("cat", "dog", "zebra")


def test_other_classes_change_a_softmax_and_no_sigmoid() -> None:
    images = pictures(2)
    for kind, independent in (("clip", False), ("siglip", True)):
        part = made(ZeroShotClass, model=tiny.small(kind), classes=TEXTS)
        vectors, texts = part._embedder.pictures(images), part._texts
        few, all_ = part._embedder.probabilities(vectors, texts[:2]), part._embedder.probabilities(vectors, texts)
        assert np.array_equal(few, all_[:, :2]) == independent
        assert np.allclose(all_.sum(1), 1) != independent


def test_a_text_that_is_not_read_to_its_end_is_an_error() -> None:
    with pytest.raises(DataError, match=r"the model reads 512 tokens and this text has \d+: a+"):
        made(ZeroShotClass, model=tiny.clip(), classes={**TEXTS, "long": "a" * 600})


def test_depth_is_that_of_the_library_over_the_whole_range() -> None:
    part, images = made(Depth, model=tiny.depth_anything()), pictures(3)
    maps = part.annotate({"image": images}, [0] * 3)["depth"]
    processor = transformers.AutoImageProcessor.from_pretrained(tiny.depth_anything())
    network = transformers.AutoModelForDepthEstimation.from_pretrained(tiny.depth_anything()).eval()
    for image, depth in zip(images, maps, strict=True):
        DepthMap(HEIGHT, WIDTH).check("depth", depth)
        with torch.no_grad():
            out = network(**processor(images=image, return_tensors="pt"))
        (theirs,) = processor.post_process_depth_estimation(out, target_sizes=[(HEIGHT, WIDTH)])
        near = theirs["predicted_depth"].double().numpy()
        assert near.std() > 0
        expected = (near - near.min()) / (near.max() - near.min()) * 65535
        assert np.abs(depth - expected).max() < 2
        assert (depth.min(), depth.max()) == (0, 65535)


def test_metres_are_turned_round(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny.depth_anything(), tmp_path / "metric"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"depth_estimation_type": "metric", "max_depth": 20}))
    columns = {"image": pictures(1)}
    part = made(Depth, model=str(folder))
    (near,) = part.annotate(columns, [0])["depth"]
    inputs = part._processor(images=columns["image"], return_tensors="pt")
    with torch.no_grad():
        metres = part._processor.post_process_depth_estimation(part._model(**inputs), target_sizes=[(HEIGHT, WIDTH)])
    far = metres[0]["predicted_depth"].numpy()
    assert far.max() > far.min()
    assert near[np.unravel_index(far.argmin(), far.shape)] == 65535
    assert near[np.unravel_index(far.argmax(), far.shape)] == 0


def test_flat_and_broken_depth() -> None:
    assert not stretched(np.full((2, 2), 3.0)).any()
    with pytest.raises(DataError, match="not finite"):
        stretched(np.array([[0.0, np.nan]]))


def test_another_type_of_model_is_refused() -> None:
    with pytest.raises(ModelError, match="holds a model of the type clip; depth_anything or dpt is needed here"):
        Depth(Depth.Config(model=tiny.clip()))
    with pytest.raises(ModelError, match="holds a model of the type dinov2; clip or siglip or siglip2 is needed here"):
        ZeroShotClass(ZeroShotClass.Config(model=tiny.dinov2(), classes=TEXTS))


@pytest.mark.parametrize(
    ("cls", "settings", "kind"),
    [
        (ZeroShotClass, {"model": "google/siglip2-base-patch16-224@" + "0" * 40, "classes": TEXTS}, "siglip"),
        (ZeroShotClass, {"model": "openai/clip-vit-base-patch32@" + "0" * 40, "classes": TEXTS}, "clip"),
        (Depth, {"model": "depth-anything/Depth-Anything-V2-Small-hf@" + "0" * 40}, "depth_anything"),
    ],
)
def test_a_recipe_can_be_tried_without_weights(
    cls: Any, settings: dict, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = cls.smoke(settings)
    assert Path(small["model"]).name == kind
    added = made(cls, **small).annotate({"image": pictures(1)}, [0])
    assert all(len(values) == 1 for values in added.values())
