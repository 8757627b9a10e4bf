"""Processes forked from this one, which has imported the heavy packages; synthgen they import themselves."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

HEAVY = (
    *("torch", "torch.utils.tensorboard", "torchvision.transforms", "transformers", "peft", "pydantic"),
    *("diffusers.models.unets.unet_2d", "diffusers.schedulers", "diffusers.pipelines.pipeline_utils"),
    *("diffusers.pipelines.stable_diffusion", "diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl"),
    *("scipy.ndimage", "skimage.measure", "skimage.segmentation", "sklearn.datasets"),
    *("matplotlib.pyplot", "pyarrow.parquet"),
)


class FailedError(Exception):
    """A process ended with another status than 0. The message is all that it printed."""


def import_heavy() -> None:
    """Imports what all processes share, with one compute thread."""
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    for name in HEAVY:
        importlib.import_module(name)


def synthgen(*words: object) -> str:
    """What the command line prints, called with these words.

    Raises:
        FailedError: it ended with another status than 0.
    """

    def command() -> None:
        sys.argv = ["synthgen", *map(str, words)]
        from synthgen.cli import main

        main()

    try:
        return forked(command)
    except FailedError as error:
        raise FailedError(f"synthgen {' '.join(map(str, words))}\n{error}") from None


def forked(action: Callable[[], object]) -> str:
    """What `action` prints in a process of its own.

    Raises:
        FailedError: it ended with another status than 0, or with an exception.
    """
    out, err = Path("stdout.txt"), Path("stderr.txt")
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _become(action, out, err)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise FailedError(f"{out.read_text()}\n{err.read_text()}")
    return out.read_text()


def _become(action: Callable[[], object], out: Path, err: Path) -> None:
    """Does `action` and ends this process; never returns."""
    code = 1
    try:
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        action()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
