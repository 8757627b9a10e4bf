"""Whether what networks return is finite, asked before anything is decided by it."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from synthgen.errors import NonFiniteError

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
