"""`use: clip-similarity`: the library's own numbers, for the text that the condition or the recipe gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from pydantic import ValidationError

import helpers
import tiny
from synthgen.errors import DataError
from synthgen.scorers.clip_similarity import ClipSimilarity


def scorer(model: str, **settings: Any) -> ClipSimilarity:
    part = ClipSimilarity(ClipSimilarity.Config(model=model, **settings))
    assert part.bind(tiny.asked(1)[0]) == []
    part.setup("cpu")
    return part


def of_library(model: str, image: np.ndarray, text: str) -> float:
    processor = transformers.AutoProcessor.from_pretrained(model)
    network = transformers.AutoModel.from_pretrained(model).eval()
    length = network.config.text_config.max_position_embeddings
    inputs = processor(text=[text], images=image, padding="max_length", max_length=length, return_tensors="pt")
    with torch.no_grad():
        out = network(**inputs)
    return float((out.image_embeds[0].double() * out.text_embeds[0].double()).sum())


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_similarity_is_that_of_the_library(kind: str) -> None:
    model = tiny.small(kind)
    _, columns = tiny.asked(3)
    for settings, text in (({}, "a {}"), ({"text": "{animal} {{x}} of {prompt}"}, "{0} {{x}} of a {0}")):
        added = scorer(model, **settings).annotate(columns, [0] * 3)["clip_similarity"]
        for i, value in enumerate(added):
            said = text.format(("cat", "dog")[columns["condition.animal"][i]])
            assert value == pytest.approx(of_library(model, columns["image"][i], said), abs=1e-5)
            assert -1 <= value <= 1


def test_every_text_is_read_once() -> None:
    part, n_read = scorer(tiny.clip()), []
    part._embedder._model.text_model.register_forward_hook(lambda *call: n_read.append(1))
    _, columns = tiny.asked(4)
    for _ in range(3):
        part.annotate(columns, [0] * 4)
    assert len(n_read) == 2


def test_no_text_no_score() -> None:
    part = scorer(tiny.clip())
    _, columns = tiny.asked(1)
    with pytest.raises(DataError, match="empty text; no similarity"):
        part.annotate({**columns, "condition.prompt": [" "]}, [0])
    with pytest.raises(DataError, match=r"the model reads 512 tokens and this text has \d+"):
        part.annotate({**columns, "condition.prompt": ["a" * 600]}, [0])


def test_a_model_that_gives_no_numbers_is_an_error() -> None:
    part = scorer(tiny.clip())
    _, columns = tiny.asked(2)
    network = part._embedder._model
    kept = network.visual_projection.weight.clone()
    try:
        network.visual_projection.weight.data.fill_(float("nan"))
        with pytest.raises(DataError, match="not finite"):
            part.annotate(columns, [0, 0])
    finally:
        network.visual_projection.weight.data.copy_(kept)


def test_what_does_not_fit_is_told() -> None:
    schema, _ = tiny.asked(1)
    model = tiny.clip()
    (text,) = helpers.bind_messages(ClipSimilarity(ClipSimilarity.Config(model=model, text="a {anmal}")), schema)
    assert "text: unknown field of the condition `anmal`; did you mean `animal`?" in text
    (text,) = helpers.bind_messages(ClipSimilarity(ClipSimilarity.Config(model=model)), {"image": schema["image"]})
    assert "needs a condition with prompts" in text
    with pytest.raises(ValidationError, match="cannot be read"):
        ClipSimilarity.Config(model=model, text="a {animal")
