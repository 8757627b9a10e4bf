"""Whether a GPU has the memory that a recipe says its model needs."""

from __future__ import annotations

from synthgen.errors import ModelError


def gpu_memory_gb(device: str) -> float | None:
    """Memory of a GPU in 10^9 bytes; None for other devices."""
    if not device.startswith("cuda"):
        return None
    import torch

    return float(torch.cuda.get_device_properties(device).total_memory / 1e9)


def check_memory(model: str, need_gb: float, found_gb: float | None, ways: str) -> None:
    """Raises ModelError if GPU memory is asked for, and there is less of it or (None) no GPU.

    Args:
        ways: settings of the part that need less memory, such as "`dtype: bfloat16`".
    """
    ways = (
        f"take a larger GPU (`--device cuda:N`, or nodes of a Ray cluster with --address), {ways}, or a smaller model, "
        "and state what that needs in `gpu_memory_gb`"
    )
    if not need_gb:
        return
    if found_gb is None:
        raise ModelError(
            f"{model} needs a GPU with {need_gb:g} GB, and this runs on the CPU. `synthgen doctor` shows what was "
            "found; `--smoke` tries the recipe with a small model; `gpu_memory_gb: 0` uses the CPU all the same, "
            f"slowly. Else {ways}"
        )
    if found_gb < 0.97 * need_gb:  # a card sold as 24 GB has a little less
        raise ModelError(f"{model} needs a GPU with {need_gb:g} GB, and this one has {found_gb:.0f} GB: {ways}")
