"""`synthgen verify`."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

import helpers
from synthgen.dataset.lock import driver_lock


def test_whole_dataset(cli, finished: Path) -> None:
    before = helpers.snapshot(finished)
    answer = cli("verify", finished)
    assert answer.code == 0
    assert "every file is as it was written" in answer.out
    assert helpers.snapshot(finished) == before


def flip_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


@pytest.mark.parametrize("harm", [flip_byte, Path.unlink])
@pytest.mark.parametrize("pattern", ["data/train/shard-00001.tar", "index/shard-00001.parquet"])
def test_damage_is_found_and_mended_by_the_next_run(cli, dataset: Path, tmp_path: Path, harm, pattern: str) -> None:
    before = helpers.snapshot(dataset)
    harm(dataset / pattern)
    answer = cli("verify", dataset)
    assert answer.code == 1
    assert pattern in answer.out
    assert "rendered again: 1" in answer.out
    again = json.loads(cli("verify", dataset, "--json").out)
    assert not again["ok"]
    assert again["unexpected"] == []
    assert helpers.run(helpers.write(tmp_path, helpers.toy()), dataset).n_rendered == 1
    assert helpers.snapshot(dataset) == before
    assert cli("verify", dataset).code == 0


def test_unreadable_record(cli, dataset: Path) -> None:
    (dataset / "commits" / "shard-00003.json").write_text("{")
    answer = cli("verify", dataset)
    assert answer.code == 1
    assert "unreadable: commits/shard-00003.json" in answer.out
    assert not (dataset / "commits" / "shard-00003.json").exists()


def test_unexpected_file(cli, dataset: Path) -> None:
    (dataset / "data" / "train" / "shard-00077.tar").write_bytes(b"")
    answer = cli("verify", dataset)
    assert answer.code == 1
    assert "no record names them: data/train/shard-00077.tar" in answer.out


def test_manifest_of_other_files(cli, dataset: Path) -> None:
    path = dataset / "manifest.json"
    sha256 = helpers.manifest(dataset)["shards"][0]["files"][0]["sha256"]
    path.write_bytes(helpers.signed(path.read_bytes().replace(sha256.encode(), b"0" * 64)))
    answer = cli("verify", dataset)
    assert answer.code == 1
    assert "manifest.json: shard 0 has other files" in answer.out


def test_damaged_shards_are_not_touched_while_a_run_writes(cli, dataset: Path) -> None:
    (dataset / "index" / "shard-00001.parquet").unlink()
    with driver_lock(dataset / ".synthgen"):
        answer = cli("verify", dataset)
    assert answer.code == 1
    assert "is being written by another synthgen" in answer.err
    assert (dataset / "commits" / "shard-00001.json").exists()


def test_a_copy_is_mended_where_it_lies(cli, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    assert cli("run", "toy.yaml", "-o", "out", "--plugin", helpers.TOY, "--device", "cpu", "--workers", 1).code == 0
    before = helpers.snapshot(Path("out"))
    copy = Path(shutil.copytree("out", elsewhere / "a copy"))
    (copy / "index" / "shard-00001.parquet").unlink()
    monkeypatch.chdir(elsewhere)
    answer = cli("verify", "a copy")
    line = next(line for line in answer.out.splitlines() if line.startswith("mend it with: "))
    assert cli("status", "a copy").out.rstrip().endswith(line.removeprefix("mend it with: "))
    mend = line.removeprefix("mend it with: ").replace("synthgen run", f"{synthgen()} run", 1)
    ran = helpers.call(["bash", "-c", mend])
    assert ran.returncode == 0, ran.stderr
    assert helpers.snapshot(copy) == before
    assert cli("verify", "a copy").code == 0


def synthgen() -> str:
    return shlex.join(helpers.command())


def test_a_copy_without_its_recipe_is_mended_by_its_own(cli, dataset: Path) -> None:
    (dataset / "index" / "shard-00001.parquet").unlink()
    answer = cli("verify", dataset)
    assert f"mend it with: synthgen run {dataset}/recipe.yaml -o {dataset}\n" in answer.out
