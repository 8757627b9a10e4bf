"""Which reader a section `data` belongs to, and where a recipe names its real data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import helpers
import tiny
from synthgen.errors import UsageError
from synthgen.parts.registry import Plugins
from synthgen.readers import origin
from synthgen.readers.images.captioned import CaptionData
from synthgen.readers.images.labelled import DataConfig
from synthgen.readers.masks.types import MaskData
from synthgen.readers.series.types import SeriesData

SECTIONS: list[tuple[str, type, dict[str, Any]]] = [
    ("images-by-class", DataConfig, {"path": "x"}),
    ("images-by-class", DataConfig, {"path": "x", "classes": ["a", "b"], "skip_broken": True}),
    ("captioned-images", CaptionData, {"path": "x", "caption": "a photo"}),
    ("masks", MaskData, {"path": "x", "objects": ["cell"]}),
    ("masks", MaskData, {"path": "x", "mask_kind": "binary", "scale": 0.5}),
    ("boxes", MaskData, {"path": "x", "boxes": "labels", "objects": ["car"]}),
    ("series", SeriesData, {"path": "x", "length": 24}),
]


@pytest.mark.parametrize(("name", "config", "settings"), SECTIONS)
def test_a_section_is_one_readers_as_text_and_as_settings(name: str, config: Any, settings: dict[str, Any]) -> None:
    assert origin.reader_of(settings)[0] == name
    validated = config.model_validate(settings)
    assert origin.reader_of(validated)[0] == name
    assert origin.reader_of(validated.model_dump(mode="json"))[0] == name
    readers: list[Any] = [Plugins().find("readers", each) for each in Plugins().names("readers")]
    assert sum(reader.claims(settings) for reader in readers) == 1


def test_data_of_no_kind_have_no_reader() -> None:
    assert origin.reader_of({"path": "x", "colour": "red"}) == ("", None)


def test_real_data_are_named_by_recipes_and_paths() -> None:
    recipes = helpers.ROOT / "recipes"
    assert origin.data_section("here/photos") == {"path": "here/photos"}
    assert origin.reader_of(origin.data_section(str(recipes / "train" / "nuclei.yaml")))[0] == "masks"
    with pytest.raises(UsageError, match="names no real data"):
        origin.data_section(str(recipes / "segmentation.yaml"))


def test_the_hash_is_of_what_is_read(tmp_path: Path) -> None:
    data = tiny.series_data(length=17)
    before = origin.sha256(data)
    assert before == origin.sha256(SeriesData.model_validate(data))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"1")
    first = origin.sha256({"path": str(tmp_path)})
    (tmp_path / "a" / "1.png").write_bytes(b"22")
    assert origin.sha256({"path": str(tmp_path)}) != first
