"""Checkpoints: trained weights, averages and optimiser state as safetensors, complete or not there at all."""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from synthgen.errors import ModelError
from synthgen.training.ema import Ema, put, weights
from synthgen.training.optimisers import Optimiser

KEEP = 2


def save(folder: Path, step: int, model: nn.Module, ema: Ema, optimiser: Optimiser, facts: Any) -> Path:
    """Writes `folder/step-00001000/` in one rename and removes all but the last two checkpoints."""
    target = folder / f"step-{step:08d}"
    temporary = folder / f".{target.name}-{uuid.uuid4().hex}"
    temporary.mkdir(parents=True)
    save_file({k: v.contiguous() for k, v in weights(model).items()}, temporary / "model.safetensors")
    save_file({k: v.contiguous() for k, v in ema.values.items()}, temporary / "ema.safetensors")
    tensors: dict[str, torch.Tensor] = {}
    scalars: dict[str, Any] = {}
    for number, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{number}.{name}"] = value.contiguous()
            else:
                scalars[f"{number}.{name}"] = value
    save_file(tensors, temporary / "optimiser.safetensors")
    record = json.dumps({"step": step, "scalars": scalars, "facts": facts})
    (temporary / "state.json").write_text(record, encoding="utf-8")
    for path in temporary.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    if target.exists():
        shutil.rmtree(target)
    os.replace(temporary, target)
    logging.getLogger(__name__).info("checkpoint %s", target)
    for old in sorted(folder.glob("step-*"))[:-KEEP]:
        shutil.rmtree(old)
    return target


def latest(folder: Path) -> Path | None:
    """The newest checkpoint; leftovers of interrupted writes are removed."""
    for torn in folder.glob(".step-*"):
        shutil.rmtree(torn)
    found = sorted(folder.glob("step-*"))
    return found[-1] if found else None


def progress(path: Path) -> tuple[int, int | None]:
    """How many steps are done, and of how many, None if its training does not count them.

    Raises:
        ModelError: the checkpoint is damaged.
    """
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        return int(state["step"]), state["facts"].get("steps")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise _damaged(path, error) from error


def load(path: Path, model: nn.Module, ema: Ema, optimiser: Optimiser, facts: Any) -> int:
    """Restores everything and returns the number of steps that are done.

    Raises:
        ModelError: the checkpoint belongs to other settings or data, or is damaged.
    """
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        if state["facts"] != json.loads(json.dumps(facts)):
            changed = sorted(k for k in facts if state["facts"].get(k) != json.loads(json.dumps(facts[k])))
            ending = ", make a model of it as it is with --finish," if changed == ["steps"] else ","
            raise ModelError(
                f"{path} was made with other settings or data ({', '.join(changed)}); undo the change{ending} "
                "or train into another folder with -o"
            )
        put(load_file(path / "model.safetensors"), model)
        ema.values = {k: v.to(ema.values[k].device) for k, v in load_file(path / "ema.safetensors").items()}
        per_parameter: dict[int, dict[str, Any]] = {}
        for key, value in [*load_file(path / "optimiser.safetensors").items(), *state["scalars"].items()]:
            number, _, name = key.partition(".")
            per_parameter.setdefault(int(number), {})[name] = value
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    optimiser.load_state_dict({"state": per_parameter, "param_groups": optimiser.state_dict()["param_groups"]})
    return int(state["step"])


def _damaged(path: Path, error: Exception) -> ModelError:
    return ModelError(f"checkpoint {path} is damaged ({error}); remove that folder to go on from an earlier one")
