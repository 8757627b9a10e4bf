"""A classifier of texts, its training, and the scorer that it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import helpers
import text_files
import tiny
from synthgen.errors import DataError, ModelError
from synthgen.fields import Label, Text
from synthgen.models import folders, registry
from synthgen.scorers.text_class import TextClass
from synthgen.trainers.text.classifier import TextClassifierTrainer

SAID = {
    "weather": ["will it rain in {}", "is it cold in {}", "how warm is it in {}", "weather for {}"],
    "music": ["play a song by {}", "I want to hear {}", "put on some {}", "next track of {}"],
    "booking": ["book a table at {}", "reserve a seat in {}", "a room in {} for two", "tickets to {} please"],
}
NAMES = ("Lyon", "Oslo", "Bern", "Abba", "Ella", "Paris", "Rome", "Kyoto", "Nina", "Bach")


def trainer(folder: Path, rows: list[str], least: int = 1, **data: Any) -> TextClassifierTrainer:
    path = text_files.write(folder, "texts.csv", "\n".join(["text,label", *rows]) + "\n")
    settings = {"texts": str(path), "kind": "utterances", "licence": "cc0-1.0", **data}
    config = {"data": settings, "least_texts": least}
    return TextClassifierTrainer(TextClassifierTrainer.Config.model_validate(config))


def rows(*classes: str) -> list[str]:
    return [f"{said.format(name)},{label}" for label in classes for said in SAID[label] for name in NAMES]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("classifier")
    part = trainer(folder, rows(*SAID))
    assert part.check() == []
    return str(part.train(folder / "model", 0, quiet=True))


def scored(model: str, classes: tuple[str, ...], texts: list[str], labels: list[int]) -> dict[str, Any]:
    part = TextClass(TextClass.Config(model=model))
    assert part.bind({"condition.label": Label(classes), "text": Text()}) == []
    part.setup("cpu")
    return dict(part.annotate({"condition.label": labels, "text": texts}, [0] * len(texts)))


def test_texts_of_their_class_and_of_others_in_any_order_of_classes(model: str) -> None:
    texts = ["Will it RAIN in Madrid?", "play a song by Queen", "book a table at Luigi's"]
    order = ("music", "booking", "weather")
    right = scored(model, order, texts, [2, 0, 1])
    assert right["class_agrees"] == [1, 1, 1] and min(right["class_probability"]) > 0.6
    wrong = scored(model, order, texts, [0, 1, 2])
    assert wrong["class_agrees"] == [0, 0, 0] and max(wrong["class_probability"]) < 0.3
    total = [sum(scored(model, order, [texts[0]], [i])["class_probability"][0] for i in range(3))]
    assert total == pytest.approx([1])


def test_texts_without_anything_known(model: str) -> None:
    found = scored(model, ("music",), ["", "我想去"], [0, 0])
    assert all(0 < p < 1 for p in found["class_probability"])


def test_the_folder_and_its_card(model: str) -> None:
    files = {path.name for path in Path(model).iterdir()}
    assert files == {"README.md", "config.json", "diffusion_pytorch_model.safetensors"}
    assert folders.names_in_order(folders.read_index(Path(model))) == ["booking", "music", "weather"]
    card = (Path(model) / "README.md").read_text()
    accuracy = float(card.partition("validation accuracy | ")[2].partition(" |")[0])
    assert accuracy > 0.9
    for part in ("By class: ", "keep:\n  - class_probability >= 0", "license: cc0-1.0", "use: text-class"):
        assert part in card


def test_the_same_texts_give_the_same_model_and_two_classes_do_as_well(tmp_path: Path) -> None:
    part = trainer(tmp_path, rows("music", "weather"), validation=0)
    first, second = (part.train(tmp_path / name, seed, quiet=True) for name, seed in (("a", 0), ("b", 5)))
    assert folders.weights_sha256(first) == folders.weights_sha256(second)
    assert "Nothing was held out" in (first / "README.md").read_text()
    found = scored(str(first), ("weather", "music"), ["is it cold in Bonn", "put on some Bach"], [0, 1])
    assert found["class_agrees"] == [1, 1] and min(found["class_probability"]) > 0.6


def test_probabilities_are_those_of_logistic_regression_by_hand() -> None:
    network = registry.load_network(folders.resolve(tiny.text_classifier()), "cpu")
    (german, english), neither = network.predict_proba(["das Haus", "The house"])[:, 0], network.predict_proba(["x"])
    assert german == pytest.approx(1 / (1 + np.exp(-6)))
    assert neither[0] == pytest.approx([0.5, 0.5])
    count = 1 / np.sqrt(2)  # `the` and, within it, `th`
    assert english == pytest.approx(1 / (1 + np.exp(2 * (2 * count + 1 * count + 1 * count + 1 * count))))


def test_what_it_cannot_use(model: str, tmp_path: Path) -> None:
    part = TextClass(TextClass.Config(model=model))
    schema = {"condition.label": Label(("music", "sports", "news")), "text": Text()}
    first, second = helpers.bind_messages(part, schema)
    assert first.startswith(f"model {model}: unknown class `sports`") and "`news`" in second
    assert helpers.bind_messages(part, {"text": Text()}) == ["unknown class of the condition `label`; accepted: none"]
    assert len(helpers.bind_messages(part, {})) == 2
    with pytest.raises(ModelError, match=r"a TextClassifier is needed here, .* `trainer.use: text-classifier`"):
        TextClass(TextClass.Config(model=tiny.text_model()))
    (problem,) = trainer(tmp_path, [f"a {i},x" for i in range(9)]).check()
    assert "needs texts of two classes or more; with 1 training text or more there is x" in problem.message
    rare = trainer(tmp_path, [f"{name} {i},{name}" for name, n in (("a", 9), ("b", 9), ("c", 2)) for i in range(n)], 5)
    assert rare.data_facts().notes[-1] == "left out: 2 texts of 1 class with fewer than 5 in training: c"
    folder = rare.train(tmp_path / "two", 0)
    assert registry.load_network(folder, "cpu").classes == ["a", "b"]
    passages = trainer(tmp_path, [f"a {i},x" for i in range(9)], kind="passages")
    with pytest.raises(DataError, match="holds passages without classes; a classifier needs texts with a column"):
        passages.train(tmp_path / "out", 0)
