"""What a worker takes of a machine, and how many workers fit on one; nothing of it changes a sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.recipe.sections import Resources

ROUNDING = 1e-9
Offer = dict[str, float]
"""What a machine has, or has left."""


def device_for(asked: Resources, device: str) -> str:
    """What `--device` means to a worker that may be kept to the CPU."""
    return "cpu" if asked.gpus == 0 else device


@dataclass(frozen=True, slots=True)
class Demand:
    """What one worker takes. Resources are named as in Ray: `CPU`, `GPU`, `memory` in bytes, `accelerator_type:X`."""

    cpus: float
    gpus: float
    memory_bytes: int
    accelerator: str | None

    @classmethod
    def of(cls, asked: Resources, device: str, offered: Iterable[Mapping[str, float]]) -> Demand:
        """What the recipe asks for or, where it does not, one GPU if `device` may be one and a machine has any."""
        if device == "cpu":
            gpus = 0.0
        elif asked.gpus is not None:
            gpus = asked.gpus
        else:
            gpus = 1.0 if device != "auto" or any(one.get("GPU", 0) for one in offered) else 0.0
        return cls(asked.cpus, gpus, round(asked.memory_gb * 1e9), asked.accelerator)

    @property
    def actor_options(self) -> dict[str, Any]:
        """Options of a Ray actor: started again when it dies, its calls not; one thread for maths."""
        return {
            "num_cpus": self.cpus,
            "num_gpus": self.gpus,
            "memory": self.memory_bytes or None,
            "accelerator_type": self.accelerator,
            "max_restarts": -1,
            "max_task_retries": 0,
            "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}},
        }

    def fits(self, offered: Mapping[str, float]) -> int:
        """How many workers fit on a machine. One that takes a part of a GPU never gets parts of two.

        GPUs that are left in parts count as whole ones and one part.
        """
        if self.accelerator and f"accelerator_type:{self.accelerator}" not in offered:
            return 0
        counts = [offered.get("CPU", 0) / self.cpus]
        if self.memory_bytes:
            counts.append(offered.get("memory", 0) / self.memory_bytes)
        if self.gpus >= 1:
            counts.append(offered.get("GPU", 0) / self.gpus)
        elif self.gpus:
            part, whole = math.modf(offered.get("GPU", 0) + ROUNDING)
            counts.append(whole * int(1 / self.gpus + ROUNDING) + int(part / self.gpus + ROUNDING))
        return max(0, math.floor(min(counts) + ROUNDING))

    def reserve(self, n: int, offers: Sequence[Offer]) -> int:
        """Takes room for `n` workers, or as many as fit, of what machines have left; how many these are."""
        n_reserved = 0
        for offer in offers:
            taken = min(n - n_reserved, self.fits(offer))
            for name, amount in (("CPU", self.cpus), ("GPU", self.gpus), ("memory", self.memory_bytes)):
                if taken and amount:
                    offer[name] -= taken * amount
            n_reserved += taken
        return n_reserved

    def __str__(self) -> str:
        parts = [f"{self.cpus:g} CPU"]
        if self.gpus:
            parts.append(f"{self.gpus:g} GPU{f' ({self.accelerator})' if self.accelerator else ''}")
        elif self.accelerator:
            parts.append(f"a node with {self.accelerator}")
        if self.memory_bytes:
            parts.append(f"{self.memory_bytes / 1e9:g} GB of memory")
        return ", ".join(parts)
