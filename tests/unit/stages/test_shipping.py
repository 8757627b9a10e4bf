"""What travels with a job, and what is refused because nodes would not see it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

import helpers
from synthgen.errors import UsageError
from synthgen.models import folders
from synthgen.recipe import reading
from synthgen.stages import shipping
from synthgen.stages.shipping import Shipment


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with a model, images, and what must stay."""
    folder = tmp_path / "project"
    for name in ("model/config.json", "model/unet/weights", "model/training/checkpoint", "model/.cache/x"):
        write(folder / name)
    for name in ("photos/cat/1.png", "photos/.hidden", "photos/training/2.png", ".env", "unnamed.txt"):
        write(folder / name)
    monkeypatch.chdir(folder)
    return folder


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.name)


def ship(recipe: dict[str, Any], *shared: object, out: str | None = "/out", plugins: tuple[str, ...] = ()) -> Shipment:
    path = helpers.write(Path.cwd(), recipe, "recipe.yaml")
    text = reading.load_text(path.name)
    return shipping.ship(text, [path.name, *plugins], out, [*map(str, shared)])


def refusal(recipe: dict[str, Any], *shared: object, out: str | None = "/out") -> str:
    with pytest.raises(UsageError) as refused:
        ship(recipe, *shared, out=out)
    return str(refused.value)


def test_what_the_recipe_names_travels_and_nothing_else(here: Path) -> None:
    """Hidden files stay, and what trainings keep beside a model; a folder of images may be called `training`."""
    found = ship({"sampler": {"model": "model"}, "data": {"path": "./photos"}, "keep": ["unnamed"]})
    assert found.folder is None
    assert set(found.files) == {
        *("recipe.yaml", "model/config.json", "model/unet/weights"),
        *("photos/cat/1.png", "photos/training/2.png"),
    }


def test_equal_files_make_equal_archives(here: Path, tmp_path: Path) -> None:
    """So that Ray keeps one for all jobs with the same files."""
    found = ship({"data": {"path": "photos"}})
    found.write(tmp_path / "a.zip")
    (here / "photos" / "cat" / "1.png").touch()
    found.write(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("photos/cat/1.png") == b"1.png"
        assert sorted(archive.namelist()) == sorted(found.files)


def test_plug_ins_travel_from_anywhere(here: Path) -> None:
    for name in ("../other/parts.py", "mine/parts.py"):
        write(here / name)
    found = ship({}, plugins=("../other/parts.py", "mine/parts.py"))
    assert found.names == {
        "recipe.yaml": "recipe.yaml",
        "../other/parts.py": "given/1/parts.py",
        "mine/parts.py": "mine/parts.py",
    }
    assert found.files["given/1/parts.py"] == here.parent / "other" / "parts.py"


def test_a_job_runs_in_a_shared_folder(here: Path) -> None:
    write(here / "parts.py")
    found = ship({"data": {"path": "photos"}}, here.parent, out="runs/x", plugins=(f"{here}/parts.py",))
    assert found.folder == here and not found.files
    assert found.names[f"{here}/parts.py"] == f"{here}/parts.py"


def test_shared_data_do_not_travel(here: Path) -> None:
    shared = here.parent / "shared"
    write(shared / "photos" / "1.png")
    found = ship({"data": {"path": f"{shared}/photos"}}, shared)
    assert set(found.files) == {"recipe.yaml"}


def test_a_path_that_leads_to_a_shared_folder_is_named_in_full(here: Path) -> None:
    shared = here.parent / "shared"
    write(shared / "photos" / "1.png")
    said = refusal({"data": {"path": "../shared/photos"}}, shared)
    assert (
        f"recipe.yaml:2: data.path: ../shared/photos is in a shared folder, and the job is not; name it {shared}"
        in said
    )


def test_all_that_nodes_would_not_see_is_listed_with_its_line(here: Path) -> None:
    write(here.parent / "elsewhere" / "a")
    said = refusal({"data": {"path": f"{here}/photos"}, "sampler": {"model": "../elsewhere"}}, out="runs/x")
    assert f"recipe.yaml:2: data.path: only this machine sees {here}/photos" in said
    assert "recipe.yaml:4: sampler.model: only this machine sees ../elsewhere" in said
    assert "-o runs/x: would be in the job's own folder, and lost with it" in said
    assert "--shared FOLDER" in said


def test_a_job_of_its_own_folder_needs_an_output(here: Path) -> None:
    assert refusal({}, out=None).startswith("-o is missing")
    assert ship({}, out="s3://bucket/x").folder is None


def test_what_is_too_large_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "MOST_BYTES", 20)
    assert "are too much to travel with a job; the largest: " in refusal({"sampler": {"model": "model"}})


@pytest.mark.parametrize("place", ["recipe", "out"])
def test_passwords_are_refused_and_not_repeated(here: Path, place: str) -> None:
    url = "s3://someone:abc123@bucket/x"
    said = refusal({"data": {"path": url}} if place == "recipe" else {}, out=url if place == "out" else "/out")
    assert "has a password in it" in said and "abc123" not in said


def test_words_that_are_no_paths_do_not_travel(here: Path) -> None:
    """Though folders of these names are there."""
    for name in ("series", "starter"):
        write(here / name / "x")
    found = ship({"name": "photos", "sampler": {"use": "series", "model": f"{folders.PREFIX}x"}})
    assert set(found.files) == {"recipe.yaml"}


def test_it_is_known_whether_this_machine_sees_the_shared_data(here: Path) -> None:
    text = reading.load_text({"kind": "dataset", "data": {"path": "/shared/nowhere"}})
    assert shipping.unseen(text, ["/shared"])
    assert not shipping.unseen(text, ["/other"])


def test_a_relative_shared_folder_is_refused(here: Path) -> None:
    assert refusal({}, "data") == "--shared data: must be an absolute path"


def test_what_is_in_a_store_does_not_travel(here: Path) -> None:
    recipe = {"data": {"path": "s3://bucket/photos"}}
    assert set(ship(recipe).files) == {"recipe.yaml"}
    assert shipping.in_stores(reading.load_text({"kind": "dataset", **recipe}))
    assert not shipping.in_stores(reading.load_text({"kind": "dataset", "data": {"path": "sklearn:digits"}}))
