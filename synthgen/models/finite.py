"""Whether numbers are numbers: what networks return before anything is decided by it, and the weights they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from synthgen.errors import ModelError, NonFiniteError

Values = TypeVar("Values")  # np.ndarray or torch.Tensor


def finite(values: Values, what: str) -> Values:
    """The values themselves, an array or a tensor, once it is known that all are finite.

    Comparisons with NaN are false, and NaN becomes 0 in whole numbers: so this stands before every threshold and
    every cast to pixels.

    Raises:
        NonFiniteError: says how many of them are not, and what they are.
    """
    there: Any = values.isfinite() if hasattr(values, "isfinite") else np.isfinite(values)  # type: ignore[call-overload]
    if not bool(there.all()):
        odd: Any = values[~there]  # type: ignore[index]
        raise NonFiniteError(
            f"returned {float(odd[0])}; {len(odd):,} of {np.prod(there.shape):,} {what} are not finite"
        )
    return values


def check_weights(model: str, loaded: Any) -> None:
    """Raises ModelError if a weight of a loaded network or pipeline is not finite; says which tensors.

    It costs one reading of the memory that they are in.
    """
    networks = loaded.components if hasattr(loaded, "components") else {"": loaded}
    check_tensors(
        model,
        {
            f"{part}.{name}" if part else name: tensor
            for part, network in networks.items()
            if hasattr(network, "named_parameters")
            for name, tensor in [*network.named_parameters(), *_spoilt(network.named_buffers())]
        },
    )


def check_tensors(place: str, tensors: Mapping[str, Any]) -> None:
    """Raises ModelError if a tensor, by name, has a value that is not finite."""
    bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if bad:
        kinds = sorted({str(tensors[name].dtype).removeprefix("torch.") for name in bad})
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise ModelError(
            f"{place}: weights are not finite ({', '.join(kinds)}) in {', '.join(bad[:5])}{more}; the file is damaged, "
            "its training diverged, or this number format is too narrow for it. Take another copy, or float32"
        )


def _spoilt(buffers: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The buffers that hold NaN; infinities may be limits or masks."""
    return [(name, tensor) for name, tensor in buffers if tensor.is_floating_point() and tensor.isnan().any()]
