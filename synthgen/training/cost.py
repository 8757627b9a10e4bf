"""What a training takes, in numbers and words; without torch."""

from __future__ import annotations

from dataclasses import dataclass

from synthgen.base.units import duration, size


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a step, how many there are, and the bytes of memory, and of a GPU's, that they take."""

    step_s: float
    steps: int
    bytes: int
    gpu_bytes: int | None

    def __str__(self) -> str:
        on_gpu = "" if self.gpu_bytes is None else f" and {size(self.gpu_bytes)} of the GPU's"
        return (
            f"about {duration(self.step_s * self.steps)} on this machine as busy as it is now ({duration(self.step_s)} "
            f"a step), and {size(self.bytes)} of memory{on_gpu}"
        )
