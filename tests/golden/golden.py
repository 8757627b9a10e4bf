"""The golden record: what every recipe, trainer, exporter and report of this checkout writes, as hashes.

    python tests/golden/golden.py --compare          what differs from the committed record; exits with 1 if anything does
    python tests/golden/golden.py --write            makes the record anew
    python tests/golden/golden.py --only trainers    only cases whose names start with this, and what they need

Every command runs as `synthgen` does, in a process of its own that is forked from this one, which has imported the heavy
packages, and nothing of synthgen. All of it lies in one temporary folder, with relative paths only.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import data
from cases import CASES
from kinds import Case, Record

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("golden.json")
HEAVY = ("torch", "torchvision", "diffusers", "transformers", "peft", "scipy.ndimage", "skimage.measure", "sklearn.datasets")


class FailedError(Exception):
    """A command that ended with another status than 0."""


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = words.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write the record, or its part that --only names")
    what.add_argument("--compare", action="store_true", help="print the differences from the record")
    words.add_argument("--only", default="", metavar="NAME", help="start of the names of cases")
    words.add_argument("--keep", metavar="DIR", help="a new folder to work in, which is left there")
    asked = words.parse_args()
    wanted = [case.name for case in CASES if case.name.startswith(asked.only)]
    if not wanted:
        words.error(f"--only {asked.only}: no such case; there are {', '.join(case.name for case in CASES)}")
    with tempfile.TemporaryDirectory(prefix="golden-") as temporary:
        made = {"environment": environment(), "cases": make(Path(asked.keep or temporary), wanted)}
    if asked.write:
        old = json.loads(FILE.read_text())["cases"] if asked.only and FILE.exists() else {}
        order = {case.name for case in CASES}
        made["cases"] = {name: case for name, case in sorted((old | made["cases"]).items()) if name in order}
        FILE.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
        return 0
    lines = differences(json.loads(FILE.read_text()), made)
    print("\n".join(lines) or f"{len(wanted)} cases as recorded")
    return 1 if lines else 0


def environment() -> dict[str, Any]:
    from synthgen.environment import fingerprint

    return fingerprint("cpu")


def differences(recorded: dict[str, Any], made: dict[str, Any]) -> list[str]:
    """A line for each value that differs in the cases that were made; bytes count only in the same environment."""
    same = recorded["environment"] == made["environment"]
    if not same:
        print("bytes are not compared: the record was made in another environment", file=sys.stderr)
    lines = []
    for name, case in made["cases"].items():
        for part in ("everywhere", *(["here"] if same else [])):
            lines += _differences(f"{name}: ", recorded["cases"].get(name, {}).get(part), case.get(part))
    return lines


def _differences(place: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted({*old, *new})
        return [line for name in names for line in _differences(f"{place}/{name}", old.get(name), new.get(name))]
    return [] if old == new else [f"{place}: was {json.dumps(old)}, is {json.dumps(new)}"]


def make(place: Path, wanted: list[str]) -> dict[str, Record]:
    """Records of the wanted cases, made in the folder `place`, and of nothing else."""
    for name in HEAVY:
        importlib.import_module(name)
    place.mkdir(exist_ok=True)
    os.chdir(place)
    data.make(place / "data")
    (place / "recipes").symlink_to(ROOT / "recipes")
    (place / "golden").symlink_to(Path(__file__).parent / "recipes")
    records: dict[str, Record] = {}
    for case in _in_order(wanted):
        started = time.monotonic()
        records[case.name] = case.record(synthgen)
        print(f"{time.monotonic() - started:6.1f} s  {case.name}", file=sys.stderr, flush=True)
    return {name: records[name] for name in wanted}


def _in_order(wanted: list[str]) -> list[Case]:
    """The wanted cases and all that they need, in the order of the list, where what is needed stands before."""
    by_name = {case.name: case for case in CASES}
    names: set[str] = set()
    queue = list(wanted)
    while queue:
        name = queue.pop()
        if name not in names:
            names.add(name)
            queue += by_name[name].needs
    return [case for case in CASES if case.name in names]


def synthgen(*words: object) -> str:
    """Runs the command line in a forked process; returns what it printed.

    Raises:
        FailedError: it ended with another status than 0; with all that it printed.
    """
    out, err = Path("stdout.txt"), Path("stderr.txt")
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _run([str(word) for word in words], out, err)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise FailedError(f"synthgen {' '.join(map(str, words))}\n{out.read_text()}\n{err.read_text()}")
    return out.read_text()


def _run(words: list[str], out: Path, err: Path) -> None:
    """Becomes `synthgen WORDS` and never returns."""
    code = 70
    try:
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["synthgen", *words]
        from synthgen.cli import main as command

        command()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
