"""A reader, a measure and models of a plug-in: one file, given by --plugin, and nothing changed in the package."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from synthgen.cli import init
from synthgen.errors import ModelError, UsageError
from synthgen.models import registry
from synthgen.parts import registry as parts
from synthgen.parts.registry import Plugins
from synthgen.readers import origin
from synthgen.recipe.sections import Evaluation
from synthgen.stages import evaluation

PLUGIN = '''
import hashlib
from pathlib import Path

import numpy as np
import torch
from diffusers import ConfigMixin, DiffusionPipeline, ModelMixin
from diffusers.configuration_utils import register_to_config
from pydantic import BaseModel, ConfigDict

import synthgen
from synthgen.readers.scaffolding import Findings, Scaffold


class LevelData(BaseModel):
    model_config = ConfigDict(extra="forbid")
    levels: str


class Levels:
    """Levels of brightness, one on each line of a file."""

    Config = LevelData

    def __init__(self, config):
        self.config = config

    @staticmethod
    def claims(settings):
        return "levels" in settings

    def sha256(self):
        return hashlib.sha256(Path(self.config.levels).read_bytes()).hexdigest()

    def read(self):
        return np.array(Path(self.config.levels).read_text().split(), dtype=float)

    @staticmethod
    def scaffold(place, options):
        if place.suffix != ".levels":
            return None
        recipe = f"kind: dataset\\nname: it\\ndata: {{levels: {place}}}\\n"
        found = Findings([("levels", "3")], ["few"], lambda name: {f"{name}.yaml": recipe})
        return Scaffold(0, "levels", lambda: found)


class LevelGap:
    """Difference of the mean brightness of images and the mean of real levels."""

    version = 1
    needs = "an `image`"
    readers = ("levels",)

    class Config(BaseModel):
        split: str = "train"
        scale: float = 1.0

    def __init__(self, config):
        self.config = config

    @staticmethod
    def fits(fields):
        return "image" in fields

    def measure(self, comparison):
        dataset = synthgen.load(comparison.folder, split=self.config.split)
        drawn = np.mean([sample["image"].mean() for sample in dataset])
        real = Levels(LevelData(**comparison.data)).read().mean()
        comparison.note("levels are compared")
        return {"level_gap": float(self.config.scale * (drawn - real)), "n_levels": len(dataset)}

    @staticmethod
    def text(found):
        return f"gap of levels: {found['level_gap']:.1f}" if "level_gap" in found else ""


class Gain(ModelMixin, ConfigMixin):
    """Multiplies by a learned number."""

    @register_to_config
    def __init__(self, n: int):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(n))


class GainPipeline(DiffusionPipeline):
    """A pipeline around a gain."""

    def __init__(self, gain):
        super().__init__()
        self.register_modules(gain=gain)


SYNTHGEN_PLUGINS = {
    "readers": {"levels": Levels},
    "measures": {"level-gap": LevelGap},
    "pipelines": {"Gain": Gain, "GainPipeline": GainPipeline},
}
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plug-in as a file; whoever gives it to a command gives it to this test alone."""
    monkeypatch.setattr(parts, "_GIVEN", {})
    (tmp_path / "levels.py").write_text(PLUGIN)
    (tmp_path / "own.levels").write_text("90\n100\n110\n")
    return tmp_path / "levels.py"


@pytest.fixture
def classes(plugin: Path) -> Any:
    given = Plugins([str(plugin)])
    return SimpleNamespace(**{name: given.find("pipelines", name) for name in ("Gain", "GainPipeline")})


def test_a_measure_runs_where_its_fields_and_its_real_data_are(plugin: Path, finished: Path, tmp_path: Path) -> None:
    out, real = str(shutil.copytree(finished, tmp_path / "out")), {"levels": str(tmp_path / "own.levels")}
    notes: list[str] = []
    Plugins([str(plugin)])
    found = evaluation.compare(out, real, Evaluation(split="val"), notes.append)
    assert set(found) == {"dataset", "level_gap", "n_levels"} and notes == ["levels are compared"]
    assert evaluation.text(found) == f"gap of levels: {found['level_gap']:.1f}"
    doubled = evaluation.compare(out, real, Evaluation(split="val", measures={"level-gap": {"scale": 2}}), notes.append)
    assert doubled["level_gap"] == 2 * found["level_gap"] != 0
    with pytest.raises(UsageError, match=r"evaluate\.measures\.level-gap\.scale: "):
        evaluation.compare(out, real, Evaluation(measures={"level-gap": {"scale": "much"}}), notes.append)
    with pytest.raises(UsageError, match=r"unknown measure of this dataset `level-gpa`; did you mean `level-gap`"):
        evaluation.compare(out, real, Evaluation(measures={"level-gpa": {}}), notes.append)


def test_a_reader_says_what_data_are_its_own(plugin: Path, tmp_path: Path) -> None:
    data = {"levels": str(tmp_path / "own.levels")}
    assert origin.reader_of(data) == ("", None)
    Plugins([str(plugin)])
    assert origin.reader_of(data)[0] == "levels"
    assert origin.sha256(data) == hashlib.sha256(b"90\n100\n110\n").hexdigest()


def test_init_asks_every_reader(plugin: Path, tmp_path: Path) -> None:
    target = tmp_path / "own.levels"
    refused = CliRunner().invoke(init.command, [str(target)], standalone_mode=False)
    assert isinstance(refused.exception, UsageError)
    words = [str(target), "-o", str(tmp_path), "--plugin", str(plugin)]
    answer = CliRunner().invoke(init.command, words, standalone_mode=False)
    assert answer.exception is None, answer.exception
    assert "levels  3" in answer.output and "note: few" in answer.output and "synthgen plan" in answer.output
    assert (tmp_path / "own.yaml").read_text() == f"kind: dataset\nname: it\ndata: {{levels: {target}}}\n"


def test_a_network_is_loaded_by_a_class_that_was_given(classes: Any, tmp_path: Path) -> None:
    made = classes.Gain(n=3)
    made.gain.data = torch.tensor([1.0, 2.0, 3.0])
    made.save_pretrained(tmp_path / "gain")
    assert registry.load_network(tmp_path / "gain", "cpu").gain.tolist() == [1, 2, 3]
    with pytest.raises(ModelError, match="no pipeline that synthgen loads"):
        registry.load_pipeline(tmp_path / "gain", "cpu", torch.float32)
    parts._GIVEN.clear()
    with pytest.raises(ModelError, match="holds a Gain, which is no network that synthgen loads"):
        registry.load_network(tmp_path / "gain", "cpu")


def test_a_pipeline_of_given_classes_is_loaded_whole(classes: Any, tmp_path: Path) -> None:
    folder = tmp_path / "pipeline"
    classes.GainPipeline(classes.Gain(n=2)).save_pretrained(folder)
    assert registry.load_pipeline(folder, "cpu", torch.float32).gain.gain.tolist() == [1, 1]
    (file,) = (folder / "gain").glob("*.safetensors")
    tensors = load_file(file)
    save_file({"other": tensors["gain"]}, file, {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 tensor \(gain\)"):
        registry.load_pipeline(folder, "cpu", torch.float32)
