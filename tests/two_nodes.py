"""A run on two nodes: one joins later, is cut off for half a minute, and loses its power; the bytes are the same.

python tests/two_nodes.py              as root; the dataset is in an S3 server; what happens is printed as it does
python tests/two_nodes.py --folder     the dataset is in a folder that both nodes see
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import bucket
import helpers
import nodes

CUT_S = 30.0
N_SHARDS = 200
LONGEST_S = 600.0
NOWHERE = f"http://{nodes.SUBNET}.99:9"


def main() -> None:
    if reason := nodes.why_not():
        sys.exit(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that namespaces are removed
    with tempfile.TemporaryDirectory() as folder:
        play(Path(folder), print, in_store="--folder" not in sys.argv)


def play(folder: Path, say: Callable[[str], None], in_store: bool) -> None:
    """A node that cannot reach the output is named; then it joins, is cut off, loses its power, and is replaced."""
    slow = folder / "slow"
    slow.touch()
    sampler = {"use": "smooth", "size": 4, "seconds": 0.3, "slow_while": str(slow)}
    quotas = {"dark": 6 * N_SHARDS, "bright": 4 * N_SHARDS}
    recipe = helpers.toy(sampler=sampler, condition={"use": "classes", "quotas": quotas}, scorers=[], keep=[])
    path = helpers.write(folder, recipe)
    with nodes.lab(folder) as lab, output(folder, in_store) as out:
        first, second = lab.add(), lab.add()
        first.start()
        second.start(**({"AWS_ENDPOINT_URL": NOWHERE} if in_store else {}))
        words = first.inside(*helpers.run_command(path, None, "-o", out.address, "--address", lab.address))
        if not in_store:
            second.hide(folder)
        refused = helpers.call(words, **lab.environment)
        say(refused.stderr)
        assert refused.returncode == 1
        assert f"1 of 2 nodes cannot take part:\n  {second.name} ({second.address}): " in refused.stderr
        second.kill()
        process = helpers.start(words, **lab.environment)
        story = Story(process, out, say)
        story.rendered(3, first.name, "alone")
        second.start()
        story.happened(f"{second.name} joins")
        story.rendered(3, second.name, "together")
        second.cut()
        story.happened(f"the cable of {second.name} is cut")
        story.pause(CUT_S)
        story.rendered(3, first.name, "alone")
        second.mend()
        story.happened("the cable is mended")
        story.rendered(3, second.name, "again together")
        second.kill()
        story.happened(f"{second.name} loses its power")
        story.rendered(3, first.name, "alone")
        second.start()
        story.happened("a new node in its place")
        story.rendered(3, second.name, "again together")
        slow.unlink()
        _, errors = helpers.finish(process)
        story.happened("the run has ended")
        found = out.files()
    say(errors)
    assert process.returncode == 0, errors
    helpers.run(path, folder / "alone")
    want = helpers.snapshot(folder / "alone")
    promised = {name: raw for name, raw in found.items() if name.split("/")[0] not in helpers.UNPROMISED}
    assert {name: hashlib.sha256(raw).hexdigest() for name, raw in promised.items()} == want, "other bytes"
    assert not [name for name in found if name.startswith(".synthgen/staging/")]
    say(f"{len(want)} files equal to those of one process; shards by node {dict(by_host(found))}")


class Output:
    """Where the dataset goes. `files` has all that is there, by name."""

    def __init__(self, address: str, files: Callable[[], dict[str, bytes]]) -> None:
        self.address, self.files = address, files


@contextlib.contextmanager
def output(folder: Path, in_store: bool) -> Iterator[Output]:
    """A folder; or an address in a server that this machine runs, as the nodes see it."""
    if not in_store:
        yield Output(str(folder / "out"), lambda: files(folder / "out"))
        return
    with bucket.serve(nodes.GATEWAY) as server:
        address = server.place()
        yield Output(address, lambda: server.objects(address))


def files(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # a folder, or gone meanwhile
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def by_host(found: dict[str, bytes]) -> Counter[str]:
    """Shards that were rendered, by the node that did, by the log that the driver writes."""
    log = b"".join(raw for name, raw in found.items() if name.startswith("log/shards.jsonl"))
    return Counter(str(json.loads(line).get("worker", "failed")).split(":")[0] for line in log.splitlines())


class Story:
    """What has happened so far."""

    def __init__(self, process: subprocess.Popen[str], out: Output, say: Callable[[str], None]) -> None:
        self.process, self.out, self.say = process, out, say
        self.started = time.monotonic()

    def by_host(self) -> Counter[str]:
        return by_host(self.out.files())

    def rendered(self, n: int, host: str, how: str) -> None:
        """Returns when a node has rendered `n` more shards."""
        want = self.by_host()[host] + n
        until(lambda: self.by_host()[host] >= want or self.process.poll() is not None, f"{host} renders {how}")
        assert self.process.poll() is None, self.process.communicate()[1]
        self.happened(f"{host} has rendered {n} shards, {how}; all: {dict(self.by_host())}")

    def pause(self, seconds: float) -> None:
        """Lets the cut last: time is what is tested here."""
        end = time.monotonic() + seconds
        until(lambda: time.monotonic() >= end or self.process.poll() is not None, "a cut")

    def happened(self, what: str) -> None:
        self.say(f"{time.monotonic() - self.started:5.1f} s  {what}")


def until(happened: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LONGEST_S
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {LONGEST_S:.0f} s")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
