"""The golden record: what every recipe, trainer, exporter and report of this checkout writes, as hashes.

    python tests/golden/golden.py --compare     what differs from the committed record; exits with 1 if anything does
    python tests/golden/golden.py --write       makes the record
    ... --only trainers                         of cases whose names start with this alone, and what they need

All of it is made by the commands of `synthgen`, in one temporary folder, with relative paths only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import data
from cases import CASES
from kinds import Case, Record
from processes import FailedError, forked, import_heavy

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("golden.json")


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = words.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write the record, or its part that --only names")
    what.add_argument("--compare", action="store_true", help="print the differences from the record")
    words.add_argument("--only", default="", metavar="NAME", help="start of the names of cases")
    words.add_argument("--json", action="store_true", help="print differences and failures as JSON, by case")
    words.add_argument("--keep", metavar="DIR", help="a new folder to work in, which is left there")
    asked = words.parse_args()
    wanted = [case.name for case in CASES if case.name.startswith(asked.only)]
    if not wanted:
        words.error(f"--only {asked.only}: no such case; there are {', '.join(case.name for case in CASES)}")
    import_heavy()
    with tempfile.TemporaryDirectory(prefix="golden-") as temporary:
        made, found = make(Path(asked.keep or temporary).resolve(), wanted)
    if asked.compare:
        found |= differences(json.loads(FILE.read_text()), made)
    elif not found:
        write(made)
    if asked.json:
        print(json.dumps({"same_environment": same_environment(made), "found": found}))
    else:
        print("\n".join(f"{name}: {line}" for name, lines in found.items() for line in lines) or f"{len(wanted)} cases")
    return 1 if found else 0


def make(place: Path, wanted: list[str]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The record of the wanted cases, made in the folder `place`, and what failed, by case."""
    place.mkdir(exist_ok=True)
    os.chdir(place)
    data.make(place / "data")
    (place / "recipes").symlink_to(ROOT / "recipes")
    (place / "golden").symlink_to(Path(__file__).parent / "recipes")
    records: dict[str, Record] = {}
    failures: dict[str, list[str]] = {}
    for case in _in_order(wanted):
        started = time.monotonic()
        try:
            records[case.name] = case.record()
        except FailedError as error:
            failures[case.name] = [str(error)]
        print(f"{time.monotonic() - started:6.1f} s  {case.name}", file=sys.stderr, flush=True)
    cases = {name: records[name] for name in wanted if name in records}
    return {"environment": environment(), "cases": cases}, failures


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


def environment() -> dict[str, Any]:
    """What must be equal for bytes to be equal, trained weights included: their kernels also go by sizes of caches."""

    def show() -> None:
        from synthgen.base.environment import fingerprint

        print(json.dumps(fingerprint("cpu")))

    found: dict[str, Any] = json.loads(forked(show))
    return found | {"processor": processor()}


def processor() -> dict[str, str]:
    """Its maker, family, model and caches, as far as Linux tells them."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    first = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    found = {name: first.get(name, "") for name in ("vendor_id", "cpu family", "model")}
    caches = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    sizes = [f"L{(cache / 'level').read_text().strip()} {(cache / 'size').read_text().strip()}" for cache in caches]
    return found | {"caches": ", ".join(sizes)}


def write(made: dict[str, Any]) -> None:
    """Writes the record; of cases that were not made, what it says of them stays if its environment is this one."""
    names = {case.name for case in CASES}
    old = json.loads(FILE.read_text())["cases"] if FILE.exists() and same_environment(made) else {}
    made["cases"] = {name: case for name, case in (old | made["cases"]).items() if name in names}
    if missing := sorted(names - set(made["cases"])):
        sys.exit(f"not written, because the record would lack {', '.join(missing)}: make all of it, without --only")
    FILE.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")


def same_environment(made: dict[str, Any]) -> bool:
    same: bool = json.loads(FILE.read_text())["environment"] == made["environment"]
    return same


def differences(recorded: dict[str, Any], made: dict[str, Any]) -> dict[str, list[str]]:
    """A line for each value that differs, by case; bytes count only in the same environment."""
    same = recorded["environment"] == made["environment"]
    if not same:
        lines = _differences("environment", recorded["environment"], made["environment"])
        print("\n".join(["bytes are not compared:", *lines]), file=sys.stderr)
    found = {}
    for name, case in made["cases"].items():
        old = recorded["cases"].get(name, {})
        parts = ("everywhere", "here") if same else ("everywhere",)
        lines = [line for part in parts for line in _differences(part, old.get(part), case[part])]
        found |= {name: lines} if lines else {}
    return found


def _differences(place: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted({*old, *new})
        return [line for name in names for line in _differences(f"{place} / {name}", old.get(name), new.get(name))]
    return [] if old == new else [f"{place}: was {json.dumps(old)}, is {json.dumps(new)}"]


if __name__ == "__main__":
    sys.exit(main())
