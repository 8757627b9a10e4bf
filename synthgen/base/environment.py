"""The environment's fingerprint: what must be equal for bytes to be promised equal."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from synthgen.errors import UsageError

PACKAGES = (
    *("synthgen", "torch", "torchvision", "diffusers", "transformers", "segment-anything", "safetensors"),
    *("numpy", "scipy", "scikit-image", "pillow", "pyarrow"),
)
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd")


def fingerprint(device: str) -> dict[str, Any]:
    """Versions and hardware that can change a sample's last bits; JSON values."""
    found: dict[str, Any] = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu_flags": cpu_flags(),
        "device": device_name(device),
    }
    return found | {package: version(package) for package in PACKAGES}


def fingerprint_id(found: dict[str, Any]) -> str:
    text = "\n".join(f"{key}={found[key]}" for key in sorted(found))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def version(package: str) -> str:
    """Installed version of a package, empty if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def cpu_flags() -> list[str]:
    """The vector instruction sets that kernels are chosen by, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return []
    line = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    present = set(line.partition(":")[2].split())
    return [flag for flag in CPU_FLAGS if flag in present]


def device_name(device: str) -> str:
    """`cpu`, or the name of the GPU behind `cuda`."""
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(device)


def choose_device(wanted: str) -> str:
    """The device that is meant: `auto` is the first GPU if torch can use one, else the CPU.

    Raises:
        UsageError: torch cannot use the GPU that is asked for.
    """
    if wanted == "cpu":
        return wanted
    if not re.fullmatch(r"auto|cuda(:\d{1,4})?", wanted):
        raise UsageError(f"--device {wanted}: must be auto, cpu, cuda or cuda:N")
    import torch

    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return "cuda" if n else "cpu"
    if int(wanted.partition(":")[2] or 0) >= n:
        found = f"{n} GPUs, cuda:0 to cuda:{n - 1}," if n else "no GPU that it can use"
        raise UsageError(
            f"--device {wanted}: torch finds {found} on {platform.node()}; take another --device, or see "
            "`synthgen doctor`"
        )
    return wanted


def gpus() -> list[tuple[str, float]]:
    """Name and memory in 10^9 bytes of every GPU that torch can use; imports torch only if there is a driver."""
    if not (Path("/proc/driver/nvidia").exists() or Path("/dev/kfd").exists()):
        return []
    import torch

    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return [(each.name, each.total_memory / 1e9) for each in found]


def usable_cores() -> int:
    """Cores that this process may use, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_one_thread() -> None:
    """One compute thread a worker: results are bit-equal only at equal thread counts, and cores go to workers.

    The variables work only if they are set before torch is imported; the call works at any time.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def leave_one_core() -> None:
    """Compute threads of a process that works alone, such as a training: one for each core but one.

    With a thread on every core, other work on one of them keeps all the others waiting, and a
    step takes many times as long. OMP_NUM_THREADS decides instead, if it is set.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, usable_cores() - 1))
