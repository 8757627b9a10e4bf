"""infra/slurm/synthgen.sbatch on this machine: its Ray and its run are real, and srun runs its command here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import helpers

SCRIPT = helpers.ROOT / "infra" / "slurm" / "synthgen.sbatch"
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do case $1 in --overlap) shift ;; *) shift 2 ;; esac; done
exec "$@"
"""


def slurm(folder: Path, port: int) -> dict[str, str]:
    """The environment of a Slurm job of one node, with the two programs of Slurm that the script calls."""
    programs = folder / "bin"
    programs.mkdir()
    for name, text in {"srun": SRUN, "scontrol": '#!/bin/bash\necho "$3"\n'}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    job = {"SLURM_JOB_ID": str(port), "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "127.0.0.1"}
    return {"PATH": path, "SLURM_CPUS_PER_TASK": "1", **job}


@pytest.mark.ray
@pytest.mark.slow
def test_a_job_that_slurm_ends_goes_on_when_it_is_given_again(tmp_path: Path, finished: Path) -> None:
    out, slow = tmp_path / "out", tmp_path / "slow"
    slow.touch()
    sampler = {"use": "smooth", "size": 4, "seconds": 0.3, "slow_while": str(slow)}
    recipe = helpers.write(tmp_path, helpers.toy(sampler=sampler))
    words = ["bash", str(SCRIPT), str(recipe), "-o", str(out), "--plugin", helpers.TOY, "--device", "cpu"]
    environment = slurm(tmp_path, helpers.free_port())
    job = helpers.start(words, own_group=True, **environment)
    while job.poll() is None and not any(out.glob("commits/*.json")):
        time.sleep(0.05)
    assert job.poll() is None, helpers.finish(job)
    children = psutil.Process(job.pid).children(recursive=True)
    job.send_signal(signal.SIGTERM)
    _, errors = helpers.finish(job)
    assert job.returncode == 143, errors
    assert "finished shards are kept. Go on with: cd " in errors and "sbatch --nodes 1 " in errors
    assert not helpers.still_alive(children)
    slow.unlink()
    again = helpers.call(words, **environment)
    assert again.returncode == 0, again.stderr
    assert "going on:" in again.stderr
    assert helpers.snapshot(out, "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


def test_without_a_recipe_it_says_how_it_is_called() -> None:
    done = subprocess.run(["bash", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: sbatch")
