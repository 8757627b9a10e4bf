"""Records of a dataset's folder, damaged or made up: read or refused, and nothing outside the folder is touched."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

import fuzzing
import helpers
import synthgen
from synthgen.base import json_files
from synthgen.cli import status
from synthgen.dataset import ledger, lock, selections
from synthgen.dataset.local import LocalStorage
from synthgen.dataset.selections import Selection
from synthgen.dataset.store import Store
from synthgen.dataset.verify import verify
from synthgen.errors import SynthgenError
from synthgen.generate.plan import Plan
from synthgen.generate.survey import check_identity, survey_store
from synthgen.report import evaluated
from synthgen.stages import evaluation

FOUND = {"kind": "series", "n": 3, "metrics": {"rows": {"synthetic": {"fid": {"mean": 0.03, "deviation": 0.1}}}}}
SIGNED = ("commits/shard-00000.json", "commits/shard-00001.json", "manifest.json")
OTHERS = (
    ".synthgen/identity.json",
    ".synthgen/lock",
    ".synthgen/batch_size.json",
    "log/runs.jsonl",
    "log/shards.jsonl",
)
FOUND_BESIDE = ("selections/unique.json", "reports/evaluation.json", "failures/shard-00001.json")
RECORDS = (*SIGNED, *OTHERS, *FOUND_BESIDE)
INDEX = "index/shard-00001.parquet"
WHICH = (*["status", "load", "stream", "run"] * 3, "verify")
AWKWARD: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1,
        0.5,
        1e308,
        10**30,
        "",
        "x",
        "\0",
        "../../victim",
        "/etc/passwd",
        "a\\b",
        "\u2028",
        "0" * 64,
    ),
    *([], [[]], {}, {"a": {}}, [None], [{}], ["../victim"], {"../victim": 1}, "one/../../../victim", [[[[[]]]]] * 3),
)


@st.composite
def mutations(draw: st.DrawFn, contents: dict[str, bytes]) -> tuple[str, bytes]:
    """The name of a record and what stands there instead: edited bytes, or JSON with other values in some places."""
    name = draw(st.sampled_from([*RECORDS, *SIGNED, INDEX]))
    raw = contents[name]
    if name == INDEX or draw(st.booleans()):
        return name, draw(fuzzing.damaged(st.just(raw), most=3))
    lines = raw.splitlines() if name.endswith("jsonl") else [raw]
    changed = []
    for line in lines:
        value = json.loads(line)
        for _ in range(draw(st.integers(1, 3))):
            value = _edited(draw, value)
        changed.append(value)
    if name not in SIGNED or not isinstance(changed[0], dict):
        return name, "\n".join(json.dumps(value) for value in changed).encode()
    changed[0].pop("sha256", None)
    if draw(st.booleans()):
        return name, json.dumps(changed[0] | {"format": 1}).encode()
    text = json.dumps(changed[0], indent=1).removesuffix("\n}").encode()
    return name, b"".join(json_files.signed([text]))


def _edited(draw: st.DrawFn, value: Any) -> Any:
    """The value with something replaced, taken out or added, at a random depth."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 5)):
        copy: Any = value.copy()
        key = draw(st.sampled_from(list(value))) if isinstance(value, dict) else draw(st.integers(0, len(value) - 1))
        how = draw(st.integers(0, 9))
        if how == 0:
            del copy[key]
        elif how == 1 and isinstance(copy, dict):
            copy[draw(st.sampled_from(("x", "", "../x", "format", "sha256", "mean")))] = draw(st.sampled_from(AWKWARD))
        else:
            copy[key] = _edited(draw, value[key])
        return copy
    return draw(st.sampled_from(AWKWARD))


@pytest.mark.slow
def test_damaged_records_are_read_or_refused(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"samples": 4, "shard_size": 2, "splits": None, "output": {"writers": ["webdataset"]}}
    whole, victim = tmp_path / "whole", tmp_path / "victim"
    helpers.run(helpers.write(tmp_path, helpers.toy(**changes)), whole)
    plan = helpers.plan_of(tmp_path, **changes)
    add_what_runs_leave(whole)
    victim.write_text("mine")
    files = [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]
    contents = {name: (whole / name).read_bytes() for name in (*RECORDS, INDEX)}

    def attempt(example: tuple[tuple[str, bytes], int]) -> None:
        (name, content), which = example
        with copy_of(whole, files, tmp_path / "a" / "b" / "copy") as out:
            (out / name).unlink()
            (out / name).write_bytes(content)
            refusals = list(refused(readers(out, plan)[which]))
            assert victim.read_text() == "mine"
            assert sorted(path.name for path in tmp_path.iterdir()) == there
        if refusals:
            raise refusals[0]

    there = sorted([*(path.name for path in tmp_path.iterdir()), "a"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fuzzing.check("records", st.tuples(mutations(contents), st.sampled_from(WHICH)), attempt)


def add_what_runs_leave(out: Path) -> None:
    """A selection, an evaluation, a failure, a lock and a pinned batch size."""
    book = ledger.read(out)
    key = next(iter(synthgen.load(out)))["key"]
    selections.write(book, Selection("unique", {0: {key: key}}, {"by": "hash"}), 4)
    evaluation.keep(book.store, {"real": "here"}, FOUND)
    (out / "failures").mkdir()
    failed = {"shard": 1, "cause": "code", "message": "a broken slot", "traceback": ["Traceback"]}
    (out / "failures" / "shard-00001.json").write_text(json.dumps(failed))
    (out / ".synthgen" / "batch_size.json").write_text('{"batch_size": 4}')
    held = {"id": "0" * 32, "pid": 1, "born": "1", **lock.host()}
    (out / ".synthgen" / "lock").write_text(json.dumps(held))


@contextlib.contextmanager
def copy_of(whole: Path, files: list[Path], out: Path) -> Iterator[Path]:
    """The same files under other names; nothing writes into a file, they are only replaced."""
    for folder in {path.parent for path in files}:
        (out / folder).mkdir(parents=True, exist_ok=True)
    for path in files:
        os.link(whole / path, out / path)
    try:
        yield out
    finally:
        shutil.rmtree(out)


def readers(out: Path, plan: Plan) -> dict[str, list[Callable[[], object]]]:
    """Groups of calls that read records; an example goes through one of them, for the sake of time."""
    return {
        "status": [
            lambda: json.dumps(status.survey(ledger.read(out))),
            lambda: lock.holder(out / ".synthgen"),
            lambda: list(evaluated.tables(known.found if (known := evaluation.read(Store(out))) else {})),
        ],
        "load": [lambda: synthgen.load(out)[0], lambda: synthgen.load(out, selection="unique")[0]],
        "stream": [lambda: list(synthgen.load(out, streaming=True, allow_incomplete=True))],
        "run": [lambda: survey(out, plan)],
        "verify": [lambda: verify(out, n_threads=1)],
    }


def survey(out: Path, plan: Plan) -> None:
    """What a run does with a folder before it renders anything."""
    storage = LocalStorage(out)
    storage.create()
    with storage.lease() as held:
        store = Store(held)
        check_identity(store, plan)
        survey_store(store, plan)
        store.collect_orphans()


def refused(calls: list[Callable[[], object]]) -> Iterator[SynthgenError]:
    for call in calls:
        try:
            call()
        except SynthgenError as error:
            yield error
